import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { globalPeer } from "./support/resources.ts";

const config = `
protocol static services { ipv4; route 172.31.0.0/24 blackhole; }
protocol bgp n1 {
  local 10.0.0.254 as 64513;
  neighbor 10.0.0.1 as 64512;
  passive on;
  graceful restart on;
  ipv4 { import all; export where source = RTS_STATIC; };
}`;

describe("an eBGP session that we open to BIRD", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let router: BirdRouter;
  let block: string;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: { r1: { address: "10.0.0.254", loopback: ["172.31.0.1/32"], config } },
      resources: [globalPeer("r1", "10.0.0.254", 64513)],
    });
    node = lab.node("n1");
    router = lab.router("r1");
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(true), patient);
    const own = (await node.routes()).find(({ kind }) => kind === "local-block");
    block = own?.prefix ?? "";
  });
  afterAll(() => lab?.down());

  it("agrees on what both sides can", async () => {
    const answer = await router.protocol("n1");
    const neighbour = answer.slice(answer.indexOf("Neighbor capabilities"), answer.indexOf("Session:"));
    expect(neighbour).toMatch(/AF announced: ipv4\n/);
    expect(neighbour).toContain("Route refresh");
    expect(neighbour).toContain("4-octet AS numbers");
    expect(neighbour).toMatch(/Graceful restart\n\s+Restart time: 120\n\s+AF supported: ipv4\n/);
    expect(answer).toMatch(/Session:\s+external AS4\n/);
    expect(answer).toMatch(/Neighbor ID:\s+10\.0\.0\.1\n/);
    expect(answer).toMatch(/Hold timer:\s+[\d.]+\/90\n/);
    expect(await node.peer("10.0.0.254")).toMatchObject({
      state: "Established",
      passive: false,
      gracefulRestart: true,
    });
  });

  it("tells BIRD our block and nothing else, with no attribute too many", async () => {
    const routes = await vi.waitFor(async () => {
      const known = await router.routes("n1");
      expect(known).toHaveLength(1);
      return known;
    }, patient);
    expect(routes).toEqual([
      {
        prefix: block,
        protocol: "n1",
        best: true,
        attributes: {
          Type: "BGP univ",
          "BGP.origin": "IGP",
          "BGP.as_path": "64512",
          "BGP.next_hop": "10.0.0.1",
          "BGP.local_pref": "100",
        },
      },
    ]);
  });

  it("puts BIRD's route into our kernel", async () => {
    await vi.waitFor(async () => {
      expect(await node.kernelRoute("172.31.0.0/24")).toMatchObject({
        gateway: "10.0.0.254",
        dev: "eth1",
        metric: 1024,
      });
    }, patient);
    expect(await node.route("172.31.0.0/24")).toMatchObject({
      kind: "external",
      mode: "direct",
      nextHop: "10.0.0.254",
      state: "installed",
      protocol: 202,
      bgp: { peer: "Global_10_0_0_254", asPath: "64513", origin: "igp" },
    });
  });

  it("carries packets from a pod to what is behind BIRD and back", async () => {
    await vi.waitFor(async () => expect(await node.pingFromPod("n1-a", "172.31.0.1")).toBe(true), patient);
  });

  it("withdraws the block when its pool is gone, and keeps the session", async () => {
    await node.run(["calictl", "delete", "ippool", "pods"]);
    await vi.waitFor(async () => expect(await router.routes("n1")).toEqual([]), patient);
    expect(await router.isEstablished("n1")).toBe(true);
  });

  it("ends with a Cease that says why when the BGPPeer is deleted, and the routes go", async () => {
    await vi.waitFor(async () => expect((await node.peer("10.0.0.254")).messages.sent).toBeGreaterThan(3), patient);
    await node.run(["calictl", "delete", "bgppeer", "r1"]);
    await vi.waitFor(async () => expect(await node.kernelRoutes()).toEqual([]), patient);
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(false), patient);
    expect(router.log.join("\n")).toMatch(/n1: Received: Peer de-configured/);
  });

  it("gives BIRD nothing to complain about", () => {
    expect(router.complaints([/n1: Received: Peer de-configured/])).toEqual([]);
  });

  it("consists of messages that tshark reads without a warning, of every kind", async () => {
    const { kinds, complaints } = await router.capture.sentBy(node.address);
    expect(complaints).toEqual([]);
    expect([...kinds.keys()].sort()).toEqual(["END-OF-RIB", "KEEPALIVE", "NOTIFICATION 6/3", "OPEN", "UPDATE"]);
    expect(kinds.get("OPEN")).toBe(1);
    expect(kinds.get("END-OF-RIB")).toBe(1);
  });
});
