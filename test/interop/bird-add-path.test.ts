import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { PeerRoutesView } from "../../src/agent/api/views.ts";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { calicoNode, globalPeer } from "./support/resources.ts";

const service = "10.244.250.0/26";

const session = (address: string, exports: string) => `
protocol bgp n1 {
  local ${address} as 64512;
  neighbor 10.0.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { add paths on; import all; export ${exports}; };
}`;

/** Two routes of one prefix, which only ADD-PATH can tell apart. */
const senderConfig = `
protocol static left { ipv4; route ${service} via 10.0.0.11; }
protocol static right { ipv4; route ${service} via 10.0.0.12; }
${session(
  "10.0.0.251",
  `filter {
    if source != RTS_STATIC then reject;
    if proto = "left" then bgp_next_hop = 10.0.0.11;
    if proto = "right" then bgp_next_hop = 10.0.0.12;
    accept;
  }`,
)}`;

describe("several paths of one prefix, reflected by our node from one BIRD to another", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let sender: BirdRouter;
  let receiver: BirdRouter;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1" } },
      routers: {
        r1: { address: "10.0.0.251", config: senderConfig },
        r2: { address: "10.0.0.252", config: session("10.0.0.252", "none") },
      },
      machines: { x1: "10.0.0.11", x2: "10.0.0.12" },
      resources: [
        calicoNode("n1", "10.0.0.1", { routeReflectorClusterID: "224.0.0.1" }),
        globalPeer("r1", "10.0.0.251", 64512),
        globalPeer("r2", "10.0.0.252", 64512),
      ],
    });
    node = lab.node("n1");
    sender = lab.router("r1");
    receiver = lab.router("r2");
  });
  afterAll(() => lab?.down());

  const nextHops = async () =>
    (await receiver.routes("n1"))
      .filter(({ prefix }) => prefix === service)
      .map(({ attributes }) => attributes["BGP.next_hop"])
      .sort();

  it("arrive all of them, each with its next hop, and share the packets in our kernel", async () => {
    await vi.waitFor(async () => expect(await nextHops()).toEqual(["10.0.0.11", "10.0.0.12"]), patient);
    const route = await node.route(service);
    expect(route?.nextHops.slice().sort()).toEqual(["10.0.0.11", "10.0.0.12"]);
    const { steps } = await node.explain(service);
    expect(steps.map(({ text }) => text).join("\n")).toMatch(/from Global_10_0_0_251 as path \d/);
  });

  it("are shown with their identifiers on both sides", async () => {
    const routes = async (address: string, direction: string): Promise<PeerRoutesView> =>
      JSON.parse(await node.run(["calictl", "bgp", "neighbor", address, direction, "--prefix", service, "-o", "json"]));
    const received = (await routes("10.0.0.251", "received")).routes;
    expect(received.map(({ nextHop, state }) => `${nextHop} ${state}`).sort()).toEqual([
      expect.stringMatching(/^10\.0\.0\.11 (best|equal)$/),
      expect.stringMatching(/^10\.0\.0\.12 (best|equal)$/),
    ]);
    const told = (await routes("Global_10_0_0_252", "advertised")).routes;
    expect(told.map(({ nextHop, state }) => `${nextHop} ${state}`).sort()).toEqual([
      "10.0.0.11 told",
      "10.0.0.12 told",
    ]);
    for (const side of [received, told]) {
      const ids = side.map(({ pathId }) => pathId);
      expect(ids.every((id) => id !== null) && new Set(ids).size === 2).toBe(true);
    }
    expect((await routes("10.0.0.251", "advertised")).routes).toEqual([]);
    expect(await node.run(["calictl", "bgp", "neighbor", "10.0.0.251", "received"])).toMatch(/^DESTINATION +PATH ID/);
    expect(await node.run(["calictl", "bgp", "neighbor", "10.0.0.251"])).toContain("name: Global_10_0_0_251");
  });

  it("are withdrawn one by one", async () => {
    await sender.birdc("disable", "left");
    await vi.waitFor(async () => expect(await nextHops()).toEqual(["10.0.0.12"]), patient);
    await vi.waitFor(async () => expect((await node.route(service))?.nextHops).toEqual(["10.0.0.12"]), patient);
    await sender.birdc("enable", "left");
    await vi.waitFor(async () => expect(await nextHops()).toEqual(["10.0.0.11", "10.0.0.12"]), patient);
    await sender.birdc("disable", "left");
    await sender.birdc("disable", "right");
    await vi.waitFor(async () => expect(await nextHops()).toEqual([]), patient);
  });

  it("nobody complains", async () => {
    for (const router of [sender, receiver]) {
      expect(router.complaints([/n1: Received: Connection rejected$/])).toEqual([]);
      expect((await router.capture.sentBy(node.address)).complaints).toEqual([]);
    }
  });
});
