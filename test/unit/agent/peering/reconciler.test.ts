import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PeeringReconciler } from "../../../../src/agent/peering/reconciler.ts";
import type { PeerRoute } from "../../../../src/agent/routing/sources.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { BgpPeerSpec } from "../../../../src/resources/bgp-peer.ts";
import type { NodeSpec } from "../../../../src/resources/node.ts";
import type { Resource } from "../../../../src/resources/resource.ts";
import { CountingCluster } from "../../../support/cluster-nodes.ts";

const ownName = "n0";
const secrets = { get: () => ({ problem: "no such secret" }) };
const apiVersion = "projectcalico.org/v3";

/** A speaker and an engine that remember what they were told. */
class Told {
  readonly peers = new Map<string, PeerConfig>();
  routes: readonly PeerRoute[] = [];
  settings = 0;
  updates = 0;
  readonly reconciler: PeeringReconciler;

  constructor(cluster: CountingCluster) {
    const speaker = {
      refusal: () => undefined,
      setPeers: (peers: readonly PeerConfig[]) => {
        this.settings++;
        this.peers.clear();
        for (const peer of peers) this.peers.set(peer.name, peer);
      },
      updatePeers: (set: readonly PeerConfig[], remove: readonly string[]) => {
        this.updates += set.length + remove.length;
        for (const name of remove) expect(this.peers.delete(name), name).toBe(true);
        for (const peer of set) this.peers.set(peer.name, peer);
      },
    };
    const engine = {
      setPools: () => {},
      setServices: () => {},
      nodesChanged: () => {},
      setPeerRoutes: (routes: readonly PeerRoute[]) => {
        this.routes = routes;
      },
    };
    this.reconciler = new PeeringReconciler({ cluster, engine, speaker, peerDefaults: {}, nodeName: ownName, secrets });
  }

  /** In an order of its own, with texts for addresses. */
  summary(): unknown {
    const { peers, routes, reconciler } = this;
    const texts = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value, (_key, part: unknown) => (part instanceof IpAddress ? part.toString() : part)));
    return {
      peers: texts([...peers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))),
      routes: routes.map(({ prefix, gateway, peer }) => `${prefix} via ${gateway} for ${peer}`).sort(),
      problems: [...reconciler.problems].sort(),
    };
  }
}

const at = (address: string, more: NodeSpec["bgp"] = {}): NodeSpec => ({
  bgp: { ipv4Address: `${address}/24`, ...more },
});
const peer = (name: string, spec: BgpPeerSpec): Resource<"BGPPeer"> => ({
  kind: "BGPPeer",
  apiVersion,
  metadata: { name },
  spec,
});

const peers = [
  peer("a-tor", { peerIP: "10.0.9.9", asNumber: 64513, reachableBy: "10.0.0.254" }),
  peer("b-node", { peerIP: "10.0.0.2", reachableBy: "10.0.0.254" }),
  peer("c-reflectors", { nodeSelector: "all()", peerSelector: "role == 'reflector'" }),
  peer("d-back", { nodeSelector: "role == 'leaf'", peerIP: "10.0.0.100" }),
  peer("e-unknown", { peerIP: "10.0.0.3" }),
  peer("f-secret", {
    nodeSelector: "all()",
    peerSelector: "role == 'secret'",
    password: { secretKeyRef: { name: "bgp", key: "password" } },
  }),
];

const step = fc.record({
  node: fc.constantFrom("n1", "n2", "n3", ownName),
  address: fc.option(fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"), { freq: 4 }),
  bgp: fc.constantFrom({}, { asNumber: 65_000 }, { routeReflectorClusterID: "1.0.0.1" }),
  labels: fc.constantFrom({}, { role: "reflector" }, { role: "leaf" }, { role: "secret" }),
});

describe("PeeringReconciler", () => {
  it("has after any changes of nodes the sessions that everything at once would give", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const cluster = new CountingCluster({ peers });
        const told = new Told(cluster);
        cluster.change(ownName, at("10.0.0.100"));
        told.reconciler.update(cluster.everything());
        for (const { node, address, bgp, labels } of steps) {
          const spec = node === ownName ? at("10.0.0.100", bgp) : address === null ? undefined : at(address, bgp);
          told.reconciler.update(cluster.change(node, spec, labels));
          const atOnce = new Told(cluster);
          atOnce.reconciler.run();
          expect(told.summary()).toEqual(atOnce.summary());
        }
      }),
      { numRuns: 150 },
    );
  });

  it("looks at one node of 500 when one changes, and tells the speaker of its sessions alone", () => {
    const cluster = new CountingCluster({ peers });
    for (let node = 0; node < 500; node++) cluster.change(`n${node}`, at(`10.1.${node >> 8}.${node & 255}`));
    const told = new Told(cluster);
    told.reconciler.update(cluster.everything());
    expect(told.peers.size).toBeGreaterThan(490);
    const { settings } = told;
    cluster.reads = 0;
    cluster.listings = 0;

    told.reconciler.update(cluster.change("n7", { ...at("10.1.0.7", { ipv4IPIPTunnelAddr: "10.244.7.0" }) }));
    expect(told.updates).toBe(0);
    told.reconciler.update(cluster.change("n7", at("10.2.0.7")));
    told.reconciler.update(cluster.change("n8", undefined));
    told.reconciler.update(cluster.change("n501", at("10.2.0.1")));
    expect(told.updates).toBe(4);
    expect(told.settings).toBe(settings);
    expect(cluster.listings).toBe(0);
    expect(cluster.reads).toBeLessThan(100);
  });

  it("shuts all sessions down while the node is drained, also new ones, and brings them back", () => {
    const cluster = new CountingCluster();
    const told = new Told(cluster);
    cluster.change(ownName, at("10.0.0.100"));
    told.reconciler.update(cluster.change("n1", at("10.0.0.1")));
    told.reconciler.drain("new disks");
    told.reconciler.update(cluster.change("n2", at("10.0.0.2")));
    expect([...told.peers.values()].map(({ name, shutdown }) => [name, shutdown?.message])).toEqual([
      ["Mesh_10_0_0_1", "new disks"],
      ["Mesh_10_0_0_2", "new disks"],
    ]);
    expect(told.reconciler.problems).toEqual([expect.stringContaining("this node is drained")]);
    told.reconciler.undrain();
    expect([...told.peers.values()].map(({ shutdown }) => shutdown)).toEqual([undefined, undefined]);
    expect(told.reconciler.problems).toEqual([]);
  });

  it("says that this node is unknown, and makes no sessions, until it is there", () => {
    const cluster = new CountingCluster();
    const told = new Told(cluster);
    told.reconciler.update(cluster.change("n1", at("10.0.0.1")));
    expect(told.settings).toBe(0);
    expect(told.reconciler.problems).toEqual(["node n0 is not in the datastore"]);
    told.reconciler.update(cluster.change(ownName, at("10.0.0.100")));
    expect([...told.peers.keys()]).toEqual(["Mesh_10_0_0_1"]);
    expect(told.reconciler.problems).toEqual([]);
  });
});
