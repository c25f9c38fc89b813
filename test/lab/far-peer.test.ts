import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { RouteView } from "../../src/agent/api/views.ts";
import { AgentLab, patience } from "./support/agent-lab.ts";
import { kernelRoutes } from "./support/kernel-routes.ts";

let agents: AgentLab;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26 });
  await agents.succeed("r1", "ip", "addr", "add", "192.0.2.1/32", "dev", "lo");
});
afterAll(() => agents?.down());

/** LOCAL_PREF that a Calico node of v3.32 gives to a route of this metric. */
const preferenceOf = (metric: number) => 2147483647 - metric;

/** Lets r1's BIRD be an iBGP peer of n1 at 192.0.2.1 that announces these routes, and what it was before as well. */
async function announce(routes: Readonly<Record<string, number>>): Promise<void> {
  const lines = Object.entries(routes).map(
    ([prefix, preference]) => `route ${prefix} blackhole { bgp_local_pref = ${preference}; };`,
  );
  const config = `include "/etc/bird/bird.conf";
    ipv4 table far;
    protocol static far_routes { ipv4 { table far; }; ${lines.join(" ")} }
    protocol bgp far_n1 {
      local 192.0.2.1 as 64512;
      neighbor 10.0.0.1 as 64512;
      direct; interface "eth1";
      connect delay time 1; connect retry time 2; error wait time 1, 5;
      ipv4 { table far; import none; export all; };
    }`;
  const script = "cat > /run/far.conf && birdc -s /run/bird.ctl configure '\"/run/far.conf\"'";
  const result = await agents.lab.exec("r1", ["sh", "-c", script], { input: config });
  expect(result.stdout).toContain("Reconfigured");
}

const route = (prefix: string) => agents.route("n1", prefix);
const reason = async (prefix: string) => (await route(prefix))?.reason ?? "";
const kernelRoute = async (prefix: string) => (await kernelRoutes(agents, "n1")).find((line) => line.prefix === prefix);

async function becomes(prefix: string, wanted: Partial<RouteView>): Promise<void> {
  await vi.waitFor(async () => expect(await route(prefix)).toMatchObject(wanted), patience);
}

async function explained(target: string): Promise<string> {
  return (await agents.run("n1", "calictl", "routes", "explain", target)).stdout;
}

async function blockOf(node: "n1" | "n2"): Promise<string> {
  const [block] = await agents.blocks(node);
  expect(block).toBeDefined();
  return block ?? "";
}

describe("a peer with reachableBy", () => {
  it("is reached by a host route of its own, and so is what it announces; nobody else hears of that route", async () => {
    const manifest = `
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: far }
spec: { node: n1, peerIP: 192.0.2.1, asNumber: 64512, reachableBy: 10.0.0.254 }
`;
    await announce({ "172.30.0.0/24": 100 });
    expect(await agents.apply("n1", manifest)).toMatchObject({ code: 0, stderr: "" });
    await becomes("172.30.0.0/24", { state: "installed", nextHop: "10.0.0.254" });
    expect(await kernelRoute("192.0.2.1/32")).toEqual({
      prefix: "192.0.2.1/32",
      mode: "direct",
      nextHop: "10.0.0.254",
      device: "eth1",
      metric: 1024,
    });
    expect(await route("192.0.2.1/32")).toMatchObject({ kind: "external", state: "installed", bgp: null });
    expect(await reason("192.0.2.1/32")).toContain("BGPPeer far");
    const explanation = await explained("192.0.2.1");
    expect(explanation).toContain("the peer of BGPPeer far, which is reachableBy 10.0.0.254");
    expect(explanation).toContain("Packets to 192.0.2.1 leave by eth1.");
    for (const node of ["n2", "n3"] as const) expect(await agents.route(node, "192.0.2.1/32")).toBeUndefined();
    const router = await agents.succeed("r1", "birdc", "-s", "/run/bird.ctl", "show", "route");
    expect(router).not.toContain("192.0.2.1");
  });
});

describe("a peer that announces what is another's", () => {
  it("gets no share of the packets to another node's block, and is named", async () => {
    const block = await blockOf("n2");
    await announce({ "172.30.0.0/24": 100, [block]: preferenceOf(1024) });
    await vi.waitFor(
      async () => expect(await reason(block)).toContain("also announced by next hop 192.0.2.1, who does not own it"),
      patience,
    );
    expect(await route(block)).toMatchObject({ state: "installed", nextHops: ["10.0.0.2"], node: "n2" });
    expect(await kernelRoute(block)).toMatchObject({ nextHop: "10.0.0.2", metric: 1024 });
    expect(await explained(block)).toContain("also announced by next hop 192.0.2.1, who does not own it");
    expect(await agents.unreachable()).toEqual([]);
  });

  it("gets neither our own block nor a pod's address", async () => {
    const block = await blockOf("n1");
    const pod = `${await agents.addressOf("n1", "n1-a")}/32`;
    await announce({ "172.30.1.0/24": 100, [block]: preferenceOf(1024), [pod]: preferenceOf(1024) });
    await becomes("172.30.1.0/24", { state: "installed" });
    expect(await route(block)).toMatchObject({ kind: "local-block", mode: "blackhole" });
    expect(await route(pod)).toMatchObject({ kind: "workload", mode: "device" });
    expect(await explained(block)).toContain("not used, this node has it");
    expect(await explained(pod)).toContain("not used, this node has it");
    expect(await agents.unreachable()).toEqual([]);
  });

  it("gets a pod's address while it announces it as elevated, with that metric, and no longer", async () => {
    const pod = `${await agents.addressOf("n1", "n1-a")}/32`;
    const before = await kernelRoute(pod);
    await announce({ [pod]: preferenceOf(512) });
    await becomes(pod, { kind: "borrowed", state: "installed", nextHop: "10.0.0.254", metric: 512 });
    expect(await reason(pod)).toMatch(/^elevated above pod default\/n1-a on this node/);
    const held = await agents.succeed("n1", "ip", "route", "show", "exact", pod);
    expect(held.trim().split("\n")).toEqual([expect.stringContaining("metric 512")]);
    await announce({ "172.30.2.0/24": preferenceOf(700) });
    await becomes(pod, { kind: "workload", state: "installed" });
    expect(await kernelRoute(pod)).toEqual(before);
    await becomes("172.30.2.0/24", { metric: 700, state: "installed" });
    expect(await agents.unreachable()).toEqual([]);
  });

  it("takes its host route with it when it is deleted", async () => {
    await agents.succeed("n1", "calictl", "delete", "bgppeer", "far");
    await vi.waitFor(async () => expect(await kernelRoute("192.0.2.1/32")).toBeUndefined(), patience);
    expect(await route("192.0.2.1/32")).toBeUndefined();
    await agents.settled();
  });
});
