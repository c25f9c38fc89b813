import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AgentLab, patience } from "./support/agent-lab.ts";
import { kernelPrefixes, RouteMonitor } from "./support/kernel-routes.ts";

let agents: AgentLab;
beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26, edit: detectAddressOfN3 });
});
afterAll(() => agents?.down());

/** The agent of n3 finds the address out, so that the interface must have it before. */
function detectAddressOfN3(topology: string): string {
  const exec = "        - ip addr add 10.0.0.3/24 dev eth1\n";
  const command = /cmd: (calibird agent .*) --ip 10\.0\.0\.3\/24$/m;
  expect(topology).toContain(exec);
  expect(topology).toMatch(command);
  return topology
    .replace(exec, "")
    .replace(command, "cmd: sh -c 'ip addr add 10.0.0.3/24 dev eth1; exec $1 --ip autodetect'");
}

/** An agent waits for a second to decide, and five for the ends of connections that nobody can reach any more. */
const movePatience = { ...patience, timeout: 90_000 };

/** How often the agent of n3 has said this. */
function timesLogged(text: string): number {
  return agents.log("n3").split(text).length - 1;
}

describe("a node that gets another address while its agent runs", () => {
  it("keeps the old one while there is none, then takes the new one; its pods keep their routes", async () => {
    const pods = (await agents.pods("n3")).map(({ addresses }) => `${addresses[0]}`);
    const blocks = await agents.blocks("n3");
    expect(pods).toHaveLength(2);
    const monitor = await RouteMonitor.start(agents, "n3");

    for (const verb of ["add", "del"]) await agents.succeed("n3", "ip", "addr", verb, "10.0.0.44/24", "dev", "eth1");
    await agents.succeed("n3", "ip", "addr", "del", "10.0.0.3/24", "dev", "eth1");
    await vi.waitFor(() => expect(timesLogged("the agent goes on with it")).toBe(1), patience);
    expect(timesLogged("address has changed")).toBe(0);
    await agents.succeed("n3", "ip", "addr", "add", "10.0.0.33/24", "dev", "eth1");

    for (const node of ["n1", "n2"] as const) {
      await vi.waitFor(async () => {
        const peers = await agents.peers(node);
        expect(peers.find(({ address }) => address === "10.0.0.33")).toMatchObject({ state: "Established" });
        expect(peers.map(({ address }) => address)).not.toContain("10.0.0.3");
      }, movePatience);
      for (const block of blocks)
        await vi.waitFor(
          async () =>
            expect(await agents.route(node, block)).toMatchObject({ nextHop: "10.0.0.33", state: "installed" }),
          patience,
        );
    }
    expect(await agents.succeed("n1", "calictl", "get", "node", "n3", "-o", "json")).toContain('"10.0.0.33/24"');
    expect((await agents.pods("n3")).map(({ addresses }) => `${addresses[0]}`)).toEqual(pods);
    expect(await kernelPrefixes(agents, "n3")).toEqual(expect.arrayContaining(pods.map((pod) => `${pod}/32`)));
    const deletions = await monitor.deletions();
    expect(deletions.filter((line) => pods.some((pod) => line.includes(`${pod} `)))).toEqual([]);
    expect(timesLogged("address has changed")).toBe(1);
    expect(agents.log("n3")).not.toContain("10.0.0.44");
    const target = pods[0] ?? "";
    await vi.waitFor(() => agents.succeed("n1", "ping", "-c", "1", "-W", "1", target), patience);

    await agents.lab.killNode("n3", "SIGTERM");
    const main = () => agents.lab.status().find(({ name }) => name === "n3")?.main;
    await vi.waitFor(() => expect(main()).toMatchObject({ state: "exited", code: 0 }), patience);
    expect(await kernelPrefixes(agents, "n3")).toEqual(expect.arrayContaining(pods.map((pod) => `${pod}/32`)));
  });
});
