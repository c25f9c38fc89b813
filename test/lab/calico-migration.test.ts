import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AgentLab, patience } from "./support/agent-lab.ts";
import { BackgroundProgram } from "./support/background-program.ts";

/** Protocol number of Felix, under which these agents write. */
const felix = 80;

let agents: AgentLab;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26, flags: "--route-protocol felix --takeover-protocols bird,boot" });
});
afterAll(() => agents?.down());

const ip = (...words: string[]) => agents.succeed("n1", "ip", ...words);

/** The protocols of all routes at a prefix. */
async function protocolsAt(prefix: string): Promise<string[]> {
  const routes = JSON.parse(await ip("-N", "-json", "route", "show", "exact", prefix)) as { protocol: string }[];
  return routes.map(({ protocol }) => protocol);
}

async function prefixOf(kind: string): Promise<string> {
  const prefix = (await agents.routes("n1")).find((route) => route.kind === kind)?.prefix;
  expect(prefix, kind).toBeDefined();
  return prefix ?? "";
}

describe("agents that write under Calico's protocol number", () => {
  it("have all their routes under it, and none under our own", async () => {
    const routes = await agents.routes("n1");
    expect(routes.map(({ protocol }) => protocol)).toEqual(routes.map(() => felix));
    for (const { prefix } of routes) expect(await protocolsAt(prefix)).toEqual([`${felix}`]);
    expect(JSON.parse(await ip("-json", "route", "show", "proto", "202"))).toEqual([]);
    expect(await agents.unreachable()).toEqual([]);
  });

  it("do not start beside a live BIRD, and say what to do", async () => {
    const listen = `require("node:fs").mkdirSync("/run/calico", { recursive: true });
      require("node:net").createServer(() => {}).listen("/run/calico/bird.ctl", () => console.log("listening"));`;
    const bird = new BackgroundProgram(agents, "n1", [process.execPath, "-e", listen]);
    await expect.poll(() => bird.output(), patience).toContain("listening");
    const start = (...flags: string[]) =>
      agents.run("n1", "timeout", "10", "calibird", "agent", "--run-dir", "/run/second", "--node-name", "n1", ...flags);
    for (const flags of [
      ["--route-protocol", "bird"],
      ["--takeover-protocols", "12,80"],
    ]) {
      const refused = await start(...flags);
      expect(refused.code).toBe(1);
      expect(refused.stdout).toContain("CALICO_IS_RUNNING");
      expect(refused.stdout).toContain("stop calico-node first");
    }
    await bird.stop();
    await agents.settled();
  });
});

describe("the routes that Calico has left on a node", () => {
  it("give way to ours where ours are wanted, whatever their metric, and stay elsewhere", async () => {
    const remote = await prefixOf("remote-block");
    const pod = await prefixOf("workload");
    const device = (await agents.route("n1", pod))?.device ?? "";
    await agents.lab.killNode("n1");
    // As BIRD and the CNI plugin of Calico v3.31 write them: the first leads astray, the second is of another kind.
    await ip("route", "add", remote, "via", "10.0.0.254", "dev", "eth1", "proto", "bird");
    await ip("route", "add", pod, "dev", device, "scope", "link", "proto", "boot");
    await ip("route", "replace", "blackhole", "10.244.250.0/26", "proto", "bird");
    await ip("route", "replace", "203.0.113.0/24", "via", "10.0.0.254", "proto", "static");
    await agents.lab.startNode("n1");
    await agents.settled();
    for (const prefix of [remote, pod])
      await vi.waitFor(async () => expect(await protocolsAt(prefix)).toEqual([`${felix}`]), patience);
    expect(await protocolsAt("10.244.250.0/26")).toEqual(["12"]);
    expect(await protocolsAt("203.0.113.0/24")).toEqual(["4"]);
    expect(await agents.unreachable()).toEqual([]);
  });
});
