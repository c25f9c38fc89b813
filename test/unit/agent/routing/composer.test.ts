import { describe, expect, it } from "vitest";
import { RouteComposer } from "../../../../src/agent/routing/composer.ts";
import { originatedAttributes } from "../../../../src/agent/routing/origination.ts";
import type { RoutingBlock, RoutingChanges, RoutingPool } from "../../../../src/agent/routing/sources.ts";
import type { LocRibChange, Path } from "../../../../src/bgp/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";

const pods: RoutingPool = {
  name: "pods",
  cidr: Prefix.parse("10.244.0.0/16"),
  ipipMode: "Never",
  vxlanMode: "Never",
  disableBgpExport: false,
};

function newComposer(): RouteComposer {
  const composer = new RouteComposer({
    nodeName: "n1",
    metric: 1024,
    nodeOfAddress: (address) => (address.toString() === "10.0.0.2" ? "n2" : undefined),
  });
  composer.setPools([pods]);
  return composer;
}

function path(prefix: string, nextHop: string, stale = false): Path {
  return {
    prefix: Prefix.parse(prefix),
    pathId: 0,
    attributes: originatedAttributes,
    nextHop: { address: IpAddress.parse(nextHop) },
    source: {
      kind: "peer",
      peer: `Mesh_${nextHop.replaceAll(".", "_")}`,
      address: IpAddress.parse(nextHop),
      type: "ibgp",
      remoteAs: 64512,
      identifier: 1,
      routeReflectorClient: false,
    },
    stale,
  };
}

const learned = (prefix: string, ...nextHops: string[]): LocRibChange => ({
  prefix: Prefix.parse(prefix),
  paths: nextHops.map((nextHop) => path(prefix, nextHop)),
});

const summary = (changes: RoutingChanges) => ({
  set: changes.fib.set.map((route) => `${route.prefix} ${route.kind} ${route.forwarding.mode} ${route.node ?? "-"}`),
  remove: changes.fib.remove.map(String),
  announce: changes.originate.announce.map((route) => String(route.prefix)),
  withdraw: changes.originate.withdraw.map(String),
});

const block = (text: string, node: string, state: RoutingBlock["state"] = "confirmed"): RoutingBlock => ({
  block: Prefix.parse(text),
  node,
  state,
});

describe("RouteComposer", () => {
  it("makes an own confirmed block a blackhole and announces it", () => {
    const changes = newComposer().updateBlocks([block("10.244.1.0/26", "n1")]);
    expect(summary(changes)).toEqual({
      set: ["10.244.1.0/26 local-block blackhole n1"],
      remove: [],
      announce: ["10.244.1.0/26"],
      withdraw: [],
    });
  });

  it("takes a pending affinity for no ownership", () => {
    const changes = newComposer().updateBlocks([block("10.244.1.0/26", "n1", "pending")]);
    expect(summary(changes).announce).toEqual([]);
    expect(summary(changes).set).toEqual([]);
  });

  it("keeps an own block whatever other nodes try with it", () => {
    const composer = newComposer();
    composer.updateBlocks([block("10.244.1.0/26", "n1")]);
    for (const state of ["pending", "pendingDeletion", "released"] as const) {
      const changes = summary(composer.updateBlocks([block("10.244.1.0/26", "n2", state)]));
      expect(changes).toMatchObject({ announce: [], withdraw: [], remove: [] });
      expect(composer.blockOf(Prefix.parse("10.244.1.7/32"))).toMatchObject({ node: "n1", state: "confirmed" });
    }
  });

  it("withdraws an own block whose affinity is gone", () => {
    const composer = newComposer();
    composer.updateBlocks([block("10.244.1.0/26", "n1")]);
    const changes = summary(composer.updateBlocks([block("10.244.1.0/26", "n1", "released")]));
    expect(changes.withdraw).toEqual(["10.244.1.0/26"]);
    expect(changes.remove).toEqual(["10.244.1.0/26"]);
  });

  it("routes a pod to its device and announces its address only if the block is somebody else's", () => {
    const composer = newComposer();
    composer.updateBlocks([block("10.244.1.0/26", "n1"), block("10.244.2.0/26", "n2")]);
    const workload = (address: string) => ({ address: Prefix.parse(address), device: "cali1", pod: "default/web" });
    expect(summary(composer.updateWorkloads([workload("10.244.1.5/32")], []))).toEqual({
      set: ["10.244.1.5/32 workload device n1"],
      remove: [],
      announce: [],
      withdraw: [],
    });
    expect(summary(composer.updateWorkloads([workload("10.244.2.9/32")], [])).announce).toEqual(["10.244.2.9/32"]);
    expect(summary(composer.updateWorkloads([], [Prefix.parse("10.244.2.9/32")]))).toEqual({
      set: [],
      remove: ["10.244.2.9/32"],
      announce: [],
      withdraw: ["10.244.2.9/32"],
    });
  });

  it("announces a borrowed address no longer once its block becomes ours", () => {
    const composer = newComposer();
    composer.updateWorkloads([{ address: Prefix.parse("10.244.2.9/32"), device: "cali1", pod: "default/web" }], []);
    const changes = summary(composer.updateBlocks([block("10.244.2.0/26", "n1")]));
    expect(changes.announce).toEqual(["10.244.2.0/26"]);
    expect(changes.withdraw).toEqual(["10.244.2.9/32"]);
  });

  it("routes what BGP learned directly, and names kind and node", () => {
    const composer = newComposer();
    composer.updateBlocks([block("10.244.2.0/26", "n2")]);
    const changes = composer.updateLearned([
      learned("10.244.2.0/26", "10.0.0.2"),
      learned("10.244.2.9/32", "10.0.0.3"),
      learned("172.31.0.0/24", "10.0.0.254"),
    ]);
    expect(summary(changes).set).toEqual([
      "10.244.2.0/26 remote-block direct n2",
      "10.244.2.9/32 borrowed direct -",
      "172.31.0.0/24 external direct -",
    ]);
    expect(changes.fib.set.every((route) => route.metric === 1024)).toBe(true);
  });

  it("makes several best paths one route with several next hops", () => {
    const [route] = newComposer().updateLearned([learned("172.31.0.0/24", "10.0.0.2", "10.0.0.3")]).fib.set;
    expect(route?.forwarding).toMatchObject({ mode: "direct", nextHops: [{}, {}] });
  });

  it("lets a local pod and an own block beat what BGP says, and falls back to it", () => {
    const composer = newComposer();
    composer.updateLearned([learned("10.244.1.0/26", "10.0.0.2"), learned("10.244.1.5/32", "10.0.0.2")]);
    composer.updateBlocks([block("10.244.1.0/26", "n1")]);
    composer.updateWorkloads([{ address: Prefix.parse("10.244.1.5/32"), device: "cali1", pod: "default/web" }], []);
    const again = summary(
      composer.updateLearned([learned("10.244.1.0/26", "10.0.0.2"), learned("10.244.1.5/32", "10.0.0.2")]),
    );
    expect(again.set).toEqual(["10.244.1.0/26 local-block blackhole n1", "10.244.1.5/32 workload device n1"]);
    const gone = summary(composer.updateWorkloads([], [Prefix.parse("10.244.1.5/32")]));
    expect(gone.set).toEqual(["10.244.1.5/32 borrowed direct n2"]);
  });

  it("removes a route whose paths are gone, and leaves out paths of our own", () => {
    const composer = newComposer();
    composer.updateLearned([learned("172.31.0.0/24", "10.0.0.254")]);
    expect(summary(composer.updateLearned([learned("172.31.0.0/24")])).remove).toEqual(["172.31.0.0/24"]);
    const own: LocRibChange = {
      prefix: Prefix.parse("10.244.7.0/26"),
      paths: [{ ...path("10.244.7.0/26", "10.0.0.1"), source: { kind: "local" } }],
    };
    expect(summary(composer.updateLearned([own])).remove).toEqual(["10.244.7.0/26"]);
  });

  it("marks a route stale only if every path of it is", () => {
    const composer = newComposer();
    const prefix = Prefix.parse("172.31.0.0/24");
    const stalePath = path("172.31.0.0/24", "10.0.0.2", true);
    const freshPath = path("172.31.0.0/24", "10.0.0.3");
    expect(composer.updateLearned([{ prefix, paths: [stalePath] }]).fib.set[0]?.stale).toBe(true);
    expect(composer.updateLearned([{ prefix, paths: [stalePath, freshPath] }]).fib.set[0]?.stale).toBeUndefined();
  });

  it("keeps routes of a tunnelled pool out of the kernel and says why, and follows an edit of the pool", () => {
    const composer = newComposer();
    composer.updateLearned([learned("10.244.2.0/26", "10.0.0.2"), learned("172.31.0.0/24", "10.0.0.254")]);
    const changed = composer.setPools([{ ...pods, ipipMode: "Always" }]);
    expect(changed.fib.set.map((route) => [String(route.prefix), route.forwarding.mode])).toEqual([
      ["10.244.2.0/26", "none"],
    ]);
    expect(changed.fib.set[0]?.reason).toContain("pool pods has ipipMode Always");
    expect(summary(composer.setPools([pods])).set).toEqual(["10.244.2.0/26 remote-block direct n2"]);
    expect(summary(composer.setPools([pods])).set).toEqual([]);
  });
});
