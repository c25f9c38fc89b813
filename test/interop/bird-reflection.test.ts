import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { calicoNode, clusterBgp, globalPeer } from "./support/resources.ts";

describe("our node as route reflector of two BIRDs", () => {
  const clusterId = "244.0.0.1";
  const configOf = (address: string, prefix: string) => `
protocol static local_block { ipv4; route ${prefix} blackhole; }
protocol bgp n1 {
  local ${address} as 64512;
  neighbor 10.0.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}`;
  const [one, two] = ["10.244.200.0/26", "10.244.201.0/26"];

  let lab: BirdLab;
  let node: AgentNode;
  let r1: BirdRouter;
  let r2: BirdRouter;
  let block: string;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: {
        r1: { address: "10.0.0.251", config: configOf("10.0.0.251", one) },
        r2: { address: "10.0.0.252", config: configOf("10.0.0.252", two) },
      },
      resources: [
        clusterBgp({ nodeToNodeMeshEnabled: false }),
        calicoNode("n1", "10.0.0.1", { routeReflectorClusterID: clusterId }, { reflector: "yes" }),
        calicoNode("r1", "10.0.0.251"),
        calicoNode("r2", "10.0.0.252"),
        {
          apiVersion: "projectcalico.org/v3",
          kind: "BGPPeer",
          metadata: { name: "reflectors" },
          spec: { nodeSelector: "all()", peerSelector: "reflector == 'yes'" },
        },
      ],
    });
    node = lab.node("n1");
    r1 = lab.router("r1");
    r2 = lab.router("r2");
    block = (await node.routes()).find(({ kind }) => kind === "local-block")?.prefix ?? "";
  });
  afterAll(() => lab?.down());

  const heardBy = (router: BirdRouter, count: number) =>
    vi.waitFor(async () => {
      const routes = await router.routes("n1");
      expect(routes).toHaveLength(count);
      return routes;
    }, patient);

  it("tells each client the other's block with ORIGINATOR_ID and CLUSTER_LIST, and its own block without", async () => {
    const reflected = (prefix: string, originator: string) => ({
      prefix,
      attributes: {
        Type: "BGP univ",
        "BGP.origin": "IGP",
        "BGP.as_path": "",
        "BGP.next_hop": originator,
        "BGP.local_pref": "100",
        "BGP.originator_id": originator,
        "BGP.cluster_list": clusterId,
      },
    });
    const own = { prefix: block, attributes: { "BGP.next_hop": "10.0.0.1", "BGP.local_pref": "2147482623" } };
    const [toFirst, toSecond] = await Promise.all([heardBy(r1, 2), heardBy(r2, 2)]);
    const ofPrefix = (routes: typeof toFirst, wanted: string) => routes.find(({ prefix }) => prefix === wanted);
    expect(ofPrefix(toFirst, two)).toMatchObject(reflected(two, "10.0.0.252"));
    expect(ofPrefix(toSecond, one)).toMatchObject(reflected(one, "10.0.0.251"));
    for (const routes of [toFirst, toSecond]) {
      expect(ofPrefix(routes, block)).toMatchObject(own);
      expect(ofPrefix(routes, block)?.attributes).not.toHaveProperty(["BGP.originator_id"]);
      expect(ofPrefix(routes, block)?.attributes).not.toHaveProperty(["BGP.cluster_list"]);
    }
  });

  it("reflects a withdrawal", async () => {
    await r1.configure(configOf("10.0.0.251", "10.244.203.0/26"));
    await vi.waitFor(async () => {
      const prefixes = (await r2.routes("n1")).map(({ prefix }) => prefix).sort();
      expect(prefixes).toEqual([block, "10.244.203.0/26"].sort());
    }, patient);
  });

  it("gives neither BIRD nor tshark anything to complain about", async () => {
    for (const router of [r1, r2]) {
      // We reject BIRD while it has no Node, and a change of peering ends a session.
      expect(router.complaints([/n1: Received: (Connection rejected|Other configuration change)$/])).toEqual([]);
      expect((await router.capture.sentBy(node.address)).complaints).toEqual([]);
    }
  });
});

describe("BIRD as route reflector of two nodes of ours", () => {
  const config = `
template bgp reflected {
  local 10.0.0.254 as 64512;
  rr client;
  rr cluster id 244.0.0.9;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export all; };
}
protocol bgp n1 from reflected { neighbor 10.0.0.1 as 64512; }
protocol bgp n2 from reflected { neighbor 10.0.0.2 as 64512; }`;

  let lab: BirdLab;
  let router: BirdRouter;
  const nodes: AgentNode[] = [];

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: {
        n1: { address: "10.0.0.1", pods: ["n1-a"] },
        n2: { address: "10.0.0.2", pods: ["n2-a"] },
      },
      routers: { r1: { address: "10.0.0.254", config } },
      resources: [clusterBgp({ nodeToNodeMeshEnabled: false }), globalPeer("r1", "10.0.0.254", 64512)],
    });
    nodes.push(lab.node("n1"), lab.node("n2"));
    router = lab.router("r1");
  });
  afterAll(() => lab?.down());

  it("gives each node the other's block, which goes straight to its owner", async () => {
    for (const [node, other] of [nodes, [...nodes].reverse()] as [AgentNode, AgentNode][]) {
      const block = (await other.routes()).find(({ kind }) => kind === "local-block")?.prefix ?? "";
      await vi.waitFor(
        async () => expect(await node.kernelRoute(block)).toMatchObject({ gateway: other.address, dev: "eth1" }),
        patient,
      );
      expect(await node.route(block)).toMatchObject({
        kind: "remote-block",
        state: "installed",
        nextHop: other.address,
        bgp: {
          peer: "Global_10_0_0_254",
          localPref: 2147482623,
          originatorId: other.address,
          clusterList: ["244.0.0.9"],
        },
      });
    }
  });

  it("carries packets between their pods", async () => {
    const [first, second] = nodes;
    const target = (await second?.routes())?.find(({ kind }) => kind === "workload")?.prefix.replace("/32", "") ?? "";
    await vi.waitFor(async () => expect(await first?.pingFromPod("n1-a", target)).toBe(true), patient);
  });

  it("does not make a node believe its own block when it comes back", async () => {
    for (const node of nodes) {
      const block = (await node.routes()).find(({ kind }) => kind === "local-block");
      expect(block).toMatchObject({ state: "installed", bgp: null });
      expect((await node.peer("10.0.0.254")).routes).toMatchObject({ accepted: 1, advertised: 1 });
    }
  });

  it("gives neither BIRD nor tshark anything to complain about", async () => {
    expect(router.complaints([/n[12]: Received: Connection rejected$/])).toEqual([]);
    for (const node of nodes) expect((await router.capture.sentBy(node.address)).complaints).toEqual([]);
  });
});
