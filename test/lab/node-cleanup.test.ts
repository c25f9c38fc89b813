import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AgentLab, patience } from "./support/agent-lab.ts";
import { kernelRoutes } from "./support/kernel-routes.ts";

const vxlanFlags = ["--vxlan-device", "flannel.1", "--vxlan-vni", "1", "--vxlan-port", "8472"];
const otherPool = `apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: tunnelled}
spec: {cidr: 10.245.0.0/16, ipipMode: Always, natOutgoing: true}
`;

let agents: AgentLab;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26, flags: vxlanFlags.join(" ") });
  expect(await agents.apply("n1", otherPool)).toMatchObject({ code: 0 });
  await agents.succeed("n1", "calictl", "pool", "set-mode", "pods", "Always", "--tunnel", "vxlan");
  await vi.waitFor(async () => {
    expect((await kernelRoutes(agents, "n1")).map(({ device }) => device)).toContain("flannel.1");
    expect(await devices()).toContain("tunl0");
    expect(await tables()).toContain("table ip calibird");
  }, patience);
  await agents.settled();
  for (const command of foreign) await agents.succeed("n1", ...command.split(" "));
});
afterAll(() => agents?.down());

/** Things of somebody else that resemble ours. */
const foreign = [
  "ip route add 203.0.113.0/24 via 10.0.0.254 proto static",
  "ip route add 203.0.113.0/24 via 10.0.0.254 proto 202 table 100",
  "ip link add vxlan.other type vxlan id 77 dstport 8472 dev eth1",
  "ip link add foreign0 type bridge",
  "nft add table ip foreign",
  "nft add table inet calibird",
];

const cleanup = (...flags: string[]) => agents.run("n1", "calictl", "node", "cleanup", ...vxlanFlags, ...flags);

async function devices(): Promise<string[]> {
  const stdout = await agents.succeed("n1", "ip", "-json", "link");
  return (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname);
}

async function tables(): Promise<string[]> {
  return (await agents.succeed("n1", "nft", "list", "tables")).trim().split("\n");
}

/**
 * What of the node's kernel the command may touch; IPv6 addresses of links come a while after the links, and the kernel
 * marks the routes of a tunnel whose agent was killed as `linkdown` when it gets round to it.
 */
async function everything(): Promise<string[]> {
  const routes = await agents.succeed("n1", "ip", "-4", "route", "show", "table", "all");
  return [...routes.replaceAll(" linkdown", "").split("\n").sort(), ...(await devices()), ...(await tables())];
}

/** What is there and is not ours. */
async function foreignThings(): Promise<unknown[]> {
  const show = (...words: string[]) => agents.succeed("n1", "ip", ...words);
  return [
    await show("route", "show", "proto", "static"),
    await show("route", "show", "table", "100"),
    await show("route", "show", "proto", "kernel", "dev", "eth1"),
    (await devices()).filter((name) => !["flannel.1", "tunl0"].includes(name)),
    (await tables()).filter((name) => name !== "table ip calibird"),
  ];
}

it("a VXLAN device has the name, network identifier and port of the settings, and pods reach each other", async () => {
  for (const node of ["n1", "n2", "n3"]) {
    const [link] = JSON.parse(await agents.succeed(node, "ip", "-d", "-json", "link", "show", "flannel.1"));
    expect(link.linkinfo).toMatchObject({ info_kind: "vxlan", info_data: { id: 1, port: 8472 } });
    expect(await agents.run(node, "ip", "link", "show", "vxlan.calico")).toMatchObject({ code: 1 });
  }
  expect(await agents.unreachable()).toEqual([]);
});

describe("calictl node cleanup", () => {
  it("refuses while the agent runs", async () => {
    const before = await everything();
    const { code, stderr } = await cleanup("--yes");
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("an agent answers on") });
    expect(await everything()).toEqual(before);
  });

  it("shows what it would remove, and removes nothing unless somebody says so", async () => {
    await agents.lab.killNode("n1");
    const before = await everything();
    const { code, stdout } = await cleanup("--dry-run");
    expect(code).toBe(0);
    const routes = await kernelRoutes(agents, "n1");
    expect(stdout).toContain(`${routes.length} routes\n`);
    for (const { prefix } of routes) expect(stdout).toContain(prefix);
    expect(stdout).toMatch(/2 devices\n {2}.*\n {2}.*\n1 table\n {2}ip calibird\ndry run: nothing was removed\n$/);
    expect(await cleanup()).toMatchObject({ code: 2, stderr: expect.stringContaining("give --yes") });
    expect(await cleanup("--vxlan-vni", "none")).toMatchObject({ code: 2, stderr: expect.stringContaining("1 to") });
    expect(await everything()).toEqual(before);
  });

  it("removes all that is ours and nothing else, and has nothing to do the second time", async () => {
    const others = await foreignThings();
    expect(await cleanup("--yes")).toMatchObject({ code: 0, stderr: "" });
    expect(await kernelRoutes(agents, "n1")).toEqual([]);
    expect(await devices()).not.toEqual(expect.arrayContaining(["flannel.1"]));
    expect(await devices()).not.toEqual(expect.arrayContaining(["tunl0"]));
    expect(await tables()).toEqual(["table ip foreign", "table inet calibird"]);
    expect(await foreignThings()).toEqual(others);
    expect(await cleanup("--yes")).toMatchObject({ code: 0, stdout: "there is nothing to remove\n", stderr: "" });
    const { stdout } = await cleanup("--dry-run", "-o", "json");
    expect(JSON.parse(stdout)).toEqual({ leftovers: [], kept: [], removed: false });
  });

  it("leaves what the agent needs to start again with its pods", async () => {
    await agents.lab.startNode("n1");
    await vi.waitFor(async () => expect(await devices()).toContain("flannel.1"), patience);
    await agents.settled();
    expect(await agents.unreachable()).toEqual([]);
  });

  it("takes the pods' interfaces only if asked to", async () => {
    const ofPods = async () => (await devices()).filter((name) => name.startsWith("cali"));
    expect(await ofPods()).toHaveLength(2);
    await agents.lab.killNode("n1");
    expect(await cleanup("--yes", "--pods")).toMatchObject({ code: 0, stderr: "" });
    expect(await ofPods()).toEqual([]);
    expect(await kernelRoutes(agents, "n1")).toEqual([]);
  });
});
