import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { globalPeer } from "./support/resources.ts";

const total = 20_000;

/** 10.128.0.0/27, 10.128.0.32/27, … */
const prefixes = Array.from({ length: total }, (_, index) => {
  const address = 0x0a800000 + index * 32;
  return `10.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}/27`;
});

const configOf = (announced: readonly string[], nextHop: string, importFilter = "all") => `
protocol static services { ipv4; ${announced.map((prefix) => `route ${prefix} blackhole;`).join("\n")} }
protocol bgp n1 {
  local 10.0.0.254 as 64513;
  neighbor 10.0.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 {
    import ${importFilter};
    export filter { if source != RTS_STATIC then reject; bgp_next_hop = ${nextHop}; accept; };
  };
}`;

describe("a BIRD with 20,000 routes", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let router: BirdRouter;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: { r1: { address: "10.0.0.254", config: configOf([], "10.0.0.254") } },
      resources: [globalPeer("r1", "10.0.0.254", 64513)],
    });
    node = lab.node("n1");
    router = lab.router("r1");
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(true), patient);
  });
  afterAll(() => lab?.down());

  /** The kernel has exactly these routes of the agent's, each via this gateway. */
  const follows = (expected: readonly string[], gateway: string) =>
    vi.waitFor(
      async () => {
        const routes = await node.kernelRoutes();
        expect(routes.length).toBe(expected.length);
        expect(routes.every((route) => route.gateway === gateway)).toBe(true);
        expect(new Set(routes.map(({ dst }) => dst))).toEqual(new Set(expected));
      },
      { timeout: 60_000, interval: 200 },
    );

  const residentMegabytes = () =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${node.pid}/status`, "utf8"))?.[1]) / 1024;

  it("has all of them in our kernel", async () => {
    await router.configure(configOf(prefixes, "10.0.0.254"));
    await follows(prefixes, "10.0.0.254");
    expect((await node.peer("10.0.0.254")).routes.accepted).toBe(total);
  });

  it("has every one of them changed when it changes their next hop", async () => {
    await router.configure(configOf(prefixes, "10.0.0.253"));
    await follows(prefixes, "10.0.0.253");
  });

  it("has every second one removed when it withdraws every second one", async () => {
    const half = prefixes.filter((_, index) => index % 2 === 0);
    await router.configure(configOf(half, "10.0.0.253"));
    await follows(half, "10.0.0.253");
  });

  it("has them all again after a flap of the session, and of the routes as it comes up", async () => {
    await router.birdc("restart", "n1");
    await router.configure(configOf(prefixes, "10.0.0.254"));
    await follows(prefixes, "10.0.0.254");
    await router.birdc("disable", "n1");
    await follows([], "10.0.0.254");
    await router.birdc("enable", "n1");
    await follows(prefixes, "10.0.0.254");
  });

  it("gets our block again when it asks for a route refresh after a change of its filter", async () => {
    const before = await node.peer("10.0.0.254");
    const filter = "filter { bgp_community.add((64513, 7)); accept; }";
    await router.configure(configOf(prefixes, "10.0.0.254", filter));
    await vi.waitFor(async () => {
      const [route] = await router.routes("n1");
      expect(route?.attributes["BGP.community"]).toBe("(64513,7)");
    }, patient);
    const after = await node.peer("10.0.0.254");
    expect(after.messages.updatesSent).toBeGreaterThan(before.messages.updatesSent);
    expect(after.timesEstablished).toBe(before.timesEstablished);
  });

  it.each(["in", "out"])("survives birdc reload %s", async (direction) => {
    const before = await node.peer("10.0.0.254");
    await router.birdc("reload", direction, "n1");
    const counter = direction === "in" ? "updatesSent" : "updatesReceived";
    await vi.waitFor(
      async () => expect((await node.peer("10.0.0.254")).messages[counter]).toBeGreaterThan(before.messages[counter]),
      patient,
    );
    await follows(prefixes, "10.0.0.254");
    expect(await router.routes("n1")).toHaveLength(1);
    expect((await node.peer("10.0.0.254")).timesEstablished).toBe(before.timesEstablished);
  });

  it("leaves nothing behind when it is gone", async () => {
    await router.configure(configOf([], "10.0.0.254"));
    await follows([], "10.0.0.254");
    expect(await node.peer("10.0.0.254")).toMatchObject({ routes: { received: 0, accepted: 0, stale: 0 } });
    expect((await node.routes()).filter(({ bgp }) => bgp !== null)).toEqual([]);
    expect(residentMegabytes()).toBeLessThan(400);
  });

  it("has nothing to complain about, nor has tshark", async () => {
    expect(router.complaints()).toEqual([]);
    const { kinds, complaints } = await router.capture.sentBy(node.address);
    expect(complaints).toEqual([]);
    expect([...kinds.keys()].sort()).toEqual(["END-OF-RIB", "KEEPALIVE", "OPEN", "ROUTE-REFRESH", "UPDATE"]);
  });
});
