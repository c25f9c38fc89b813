import { describe, expect, it } from "vitest";
import { RouteComposer } from "../../../../src/agent/routing/composer.ts";
import type { EncapsulationContext } from "../../../../src/agent/routing/encapsulation.ts";
import { originatedAttributes } from "../../../../src/agent/routing/origination.ts";
import type { RoutingBlock, RoutingChanges, RoutingPool } from "../../../../src/agent/routing/sources.ts";
import type { LocRibChange, Path } from "../../../../src/bgp/paths.ts";
import type { DesiredRoute } from "../../../../src/fib/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { PrefixIndex } from "../../../../src/net/prefix-index.ts";
import { ToldLocRib } from "../../../support/loc-rib.ts";

const pods: RoutingPool = {
  name: "pods",
  cidr: Prefix.parse("10.244.0.0/16"),
  ipipMode: "Never",
  vxlanMode: "Never",
  udpMode: "Never",
  disableBgpExport: false,
};

/** Nothing is tunnelled: no device, no peer. */
const noTunnels: EncapsulationContext = {
  ipip: { ready: false, reason: "no tunl0" },
  vxlan: {
    4: { ready: false, reason: "no vxlan.calico" },
    6: { ready: false, reason: "no vxlan-v6.calico" },
  },
  udp: { ready: false, reason: "no udp.calibird" },
  udpPort: 8285,
  isOnLink: (address) => Prefix.parse("10.0.0.0/24").containsAddress(address),
  peerAt: () => undefined,
};

interface Settings {
  readonly metric?: number | "auto";
  /** Names of nodes by address. */
  readonly nodes?: Readonly<Record<string, string>>;
}

function newComposer(
  encapsulation: () => EncapsulationContext = () => noTunnels,
  { metric = "auto", nodes = { "10.0.0.2": "n2" } }: Settings = {},
): RouteComposer {
  const index = new PrefixIndex();
  const composer = new RouteComposer({
    index,
    nodeName: "n1",
    metric,
    nodeOfAddress: (address) => nodes[address.toString()],
    encapsulation,
  });
  locRibs.set(composer, { locRib: new ToldLocRib(), index });
  composer.setPools([pods]);
  return composer;
}

/** What each composer is told of the Loc-RIB. */
const locRibs = new WeakMap<RouteComposer, { readonly locRib: ToldLocRib; readonly index: PrefixIndex }>();

function learn(composer: RouteComposer, changes: readonly LocRibChange[]): RoutingChanges {
  const told = locRibs.get(composer);
  if (told === undefined) throw new RangeError("not a composer of newComposer");
  return told.locRib.tell(composer, told.index, changes);
}

function path(prefix: string, nextHop: string, stale = false, localPref = originatedAttributes.localPref): Path {
  const { localPref: _own, ...attributes } = originatedAttributes;
  return {
    prefix: Prefix.parse(prefix),
    pathId: 0,
    attributes: { ...attributes, ...(localPref !== undefined && { localPref }) },
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

const routesOf = ({ fib }: RoutingChanges): DesiredRoute[] => fib.set.map(({ prefix, wish }) => ({ prefix, ...wish }));

const summary = (changes: RoutingChanges) => ({
  set: routesOf(changes).map((route) => `${route.prefix} ${route.kind} ${route.forwarding.mode} ${route.node ?? "-"}`),
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

  it("announces a tunnel address only if it is from another node's block, and while this node has it", () => {
    const composer = newComposer();
    composer.updateBlocks([block("10.244.1.0/26", "n1")]);
    const hosts = (...addresses: string[]) => addresses.map((text) => Prefix.parse(`${text}/32`));
    expect(summary(composer.setTunnelAddresses(hosts("10.244.1.0", "10.244.2.0"))).announce).toEqual(["10.244.2.0/32"]);
    expect(summary(composer.setTunnelAddresses(hosts("10.244.1.0"))).withdraw).toEqual(["10.244.2.0/32"]);
    expect(summary(composer.updateBlocks([block("10.244.1.0/26", "n1", "released")])).announce).toEqual([
      "10.244.1.0/32",
    ]);
  });

  it("goes on announcing an address that is a block of its own as well, whichever of the two goes", () => {
    const composer = newComposer();
    composer.updateWorkloads([{ address: Prefix.parse("10.244.2.9/32"), device: "cali1", pod: "default/web" }], []);
    expect(summary(composer.updateBlocks([block("10.244.2.9/32", "n1")]))).toMatchObject({
      announce: [],
      withdraw: [],
    });
    const released = summary(composer.updateBlocks([block("10.244.2.9/32", "n1", "released")]));
    expect(released).toMatchObject({ announce: [], withdraw: [] });
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
    const changes = learn(composer, [
      learned("10.244.2.0/26", "10.0.0.2"),
      learned("10.244.2.9/32", "10.0.0.3"),
      learned("172.31.0.0/24", "10.0.0.254"),
    ]);
    expect(summary(changes).set).toEqual([
      "10.244.2.0/26 remote-block direct n2",
      "10.244.2.9/32 borrowed direct -",
      "172.31.0.0/24 external direct -",
    ]);
    expect(routesOf(changes).every((route) => route.metric === 1024)).toBe(true);
  });

  it("makes several best paths one route with several next hops", () => {
    const [route] = routesOf(learn(newComposer(), [learned("172.31.0.0/24", "10.0.0.2", "10.0.0.3")]));
    expect(route?.forwarding).toMatchObject({ mode: "direct", nextHops: [{}, {}] });
  });

  it("lets a local pod and an own block beat what BGP says, and falls back to it", () => {
    const composer = newComposer();
    learn(composer, [learned("10.244.1.0/26", "10.0.0.2"), learned("10.244.1.5/32", "10.0.0.2")]);
    composer.updateBlocks([block("10.244.1.0/26", "n1")]);
    composer.updateWorkloads([{ address: Prefix.parse("10.244.1.5/32"), device: "cali1", pod: "default/web" }], []);
    const again = summary(
      learn(composer, [learned("10.244.1.0/26", "10.0.0.2"), learned("10.244.1.5/32", "10.0.0.2")]),
    );
    expect(again.set).toEqual(["10.244.1.0/26 local-block blackhole n1", "10.244.1.5/32 workload device n1"]);
    const gone = summary(composer.updateWorkloads([], [Prefix.parse("10.244.1.5/32")]));
    expect(gone.set).toEqual(["10.244.1.5/32 borrowed direct n2"]);
  });

  it("removes a route whose paths are gone, and leaves out paths of our own", () => {
    const composer = newComposer();
    learn(composer, [learned("172.31.0.0/24", "10.0.0.254")]);
    expect(summary(learn(composer, [learned("172.31.0.0/24")])).remove).toEqual(["172.31.0.0/24"]);
    const own: LocRibChange = {
      prefix: Prefix.parse("10.244.7.0/26"),
      paths: [{ ...path("10.244.7.0/26", "10.0.0.1"), source: { kind: "local" } }],
    };
    expect(summary(learn(composer, [own]))).toMatchObject({ set: [], remove: [] });
  });

  it("removes nothing that it has not set, so that routes from before a restart stay until they are learned again", () => {
    const composer = newComposer();
    expect(summary(composer.updateBlocks([block("10.244.2.0/26", "n2")])).remove).toEqual([]);
    expect(summary(learn(composer, [learned("10.244.2.0/26")])).remove).toEqual([]);
    expect(summary(composer.updateWorkloads([], [Prefix.parse("10.244.2.5/32")])).remove).toEqual([]);
    learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]);
    expect(summary(composer.updateBlocks([block("10.244.2.0/26", "n2", "released")])).remove).toEqual([]);
    expect(summary(learn(composer, [learned("10.244.2.0/26")])).remove).toEqual(["10.244.2.0/26"]);
    expect(summary(learn(composer, [learned("10.244.2.0/26")])).remove).toEqual([]);
  });

  it("marks a route stale only if every path of it is", () => {
    const composer = newComposer();
    const prefix = Prefix.parse("172.31.0.0/24");
    const stalePath = path("172.31.0.0/24", "10.0.0.2", true);
    const freshPath = path("172.31.0.0/24", "10.0.0.3");
    expect(routesOf(learn(composer, [{ prefix, paths: [stalePath] }]))[0]?.stale).toBe(true);
    expect(routesOf(learn(composer, [{ prefix, paths: [stalePath, freshPath] }]))[0]?.stale).toBeUndefined();
  });

  describe("with tunnels", () => {
    const tunl0 = { ready: true, device: "tunl0", mtu: 1480 } as const;
    const peers =
      ({ ipipReady, vtep }: { ipipReady: boolean; vtep?: IpAddress }) =>
      (address: IpAddress) =>
        ["10.0.0.2", "10.9.0.2", "fd00::2"].includes(address.toString())
          ? { node: "n2", ipipReady, vxlanGateways: vtep === undefined ? {} : { [vtep.family]: vtep } }
          : undefined;
    const withVxlan = (mtu: number) => ({
      ...noTunnels.vxlan,
      4: { ready: true, device: "vxlan.calico", mtu } as const,
    });
    const ways = (changes: RoutingChanges) =>
      routesOf(changes).map(({ forwarding, mtu }) => {
        const hops = "nextHops" in forwarding ? forwarding.nextHops : [];
        const text = hops.map((hop) => `${hop.gateway} ${hop.device ?? "-"}${hop.onlink ? " onlink" : ""}`);
        return [forwarding.mode, ...text, mtu].join(", ");
      });

    it("sends a route through tunl0 in mode Always, with the tunnel's MTU", () => {
      const composer = newComposer(() => ({ ...noTunnels, ipip: tunl0, peerAt: peers({ ipipReady: true }) }));
      composer.setPools([{ ...pods, ipipMode: "Always" }]);
      const changes = learn(composer, [learned("10.244.2.0/26", "10.0.0.2"), learned("172.31.0.0/24", "10.0.0.2")]);
      expect(ways(changes)).toEqual(["ipip, 10.0.0.2 tunl0 onlink, 1480", "direct, 10.0.0.2 -, "]);
    });

    it("decides for each next hop in mode CrossSubnet", () => {
      const composer = newComposer(() => ({ ...noTunnels, ipip: tunl0 }));
      composer.setPools([{ ...pods, ipipMode: "CrossSubnet" }]);
      expect(ways(learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]))).toEqual(["direct, 10.0.0.2 -, "]);
      expect(ways(learn(composer, [learned("10.244.3.0/26", "10.9.0.2")]))).toEqual([
        "ipip, 10.9.0.2 tunl0 onlink, 1480",
      ]);
      expect(ways(learn(composer, [learned("10.244.4.0/26", "10.0.0.2", "10.9.0.2")]))).toEqual([
        "ipip, 10.0.0.2 -, 10.9.0.2 tunl0 onlink, 1480",
      ]);
    });

    it("sends VXLAN to the other node's VTEP", () => {
      const vxlan = withVxlan(1450);
      const vtep = IpAddress.parse("10.244.2.0");
      const composer = newComposer(() => ({ ...noTunnels, vxlan, peerAt: peers({ ipipReady: false, vtep }) }));
      composer.setPools([{ ...pods, vxlanMode: "Always" }]);
      expect(ways(learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]))).toEqual([
        "vxlan, 10.244.2.0 vxlan.calico onlink, 1450",
      ]);
      const stranger = learn(composer, [learned("10.244.3.0/26", "10.0.0.9")]);
      expect(routesOf(stranger)[0]).toMatchObject({
        forwarding: { mode: "none", state: "unresolved", intended: "vxlan" },
      });
      expect(routesOf(stranger)[0]?.reason).toContain("10.0.0.9 is no node of the cluster");
    });

    it("takes for an IPv6 next hop the IPv6 tunnel, whatever the IPv4 one is like", () => {
      const vtep = IpAddress.parse("fe80::6402");
      const ipv6 = { ready: true, device: "vxlan-v6.calico", mtu: 1430 } as const;
      let vxlan: EncapsulationContext["vxlan"] = withVxlan(1450);
      const composer = newComposer(() => ({ ...noTunnels, vxlan, peerAt: peers({ ipipReady: false, vtep }) }));
      composer.setPools([{ ...pods, cidr: Prefix.parse("fd00:10::/48"), vxlanMode: "Always" }]);
      const [waiting] = routesOf(learn(composer, [learned("fd00:10::40/122", "fd00::2")]));
      expect(waiting).toMatchObject({ forwarding: { mode: "none", intended: "vxlan" } });
      expect(waiting?.reason).toContain("no vxlan-v6.calico");
      vxlan = { ...noTunnels.vxlan, 6: ipv6 };
      expect(ways(composer.encapsulationChanged())).toEqual(["vxlan, fe80::6402 vxlan-v6.calico onlink, 1430"]);
    });

    it("sends a route in UDP to nodes that take that on the same port, and to routers at their word", () => {
      const udp = { ready: true, device: "udp.calibird", mtu: 1472 } as const;
      const withPeer = (state: { readonly ipipReady: boolean; readonly udpPort?: number }) => {
        const peerAt = (address: IpAddress) =>
          address.toString() === "10.0.0.2" ? { node: "n2", vxlanGateways: {}, ...state } : undefined;
        const composer = newComposer(() => ({ ...noTunnels, udp, peerAt }));
        composer.setPools([{ ...pods, udpMode: "Always" }]);
        return composer;
      };
      const ready = withPeer({ ipipReady: false, udpPort: 8285 });
      expect(ways(learn(ready, [learned("10.244.2.0/26", "10.0.0.2")]))).toEqual([
        "udp, 10.0.0.2 udp.calibird onlink, 1472",
      ]);
      expect(ways(learn(ready, [learned("10.244.3.0/26", "10.0.0.9")]))).toEqual([
        "udp, 10.0.0.9 udp.calibird onlink, 1472",
      ]);
      const waits = (state: Parameters<typeof withPeer>[0]) =>
        routesOf(learn(withPeer(state), [learned("10.244.2.0/26", "10.0.0.2")]))[0]?.reason;
      expect(waits({ ipipReady: false })).toContain("node n2 takes no packets in UDP yet");
      expect(waits({ ipipReady: true })).toContain("node n2 takes no packets in UDP yet, only IPIP");
      expect(waits({ ipipReady: true, udpPort: 9 })).toContain("on UDP port 9, and this node sends to 8285");
    });

    it("takes for an IPv4 pool the IPv4 tunnel also to a node that BGP names by its IPv6 address", () => {
      const vtep = IpAddress.parse("10.244.2.0");
      const peerAt = peers({ ipipReady: false, vtep });
      const composer = newComposer(() => ({ ...noTunnels, vxlan: withVxlan(1450), peerAt }));
      composer.setPools([{ ...pods, vxlanMode: "Always" }]);
      expect(ways(learn(composer, [learned("10.244.2.0/26", "fd00::2")]))).toEqual([
        "vxlan, 10.244.2.0 vxlan.calico onlink, 1450",
      ]);
    });

    it("shows what an unready tunnel waits for if there never was another way", () => {
      const composer = newComposer();
      composer.setPools([{ ...pods, ipipMode: "Always" }]);
      const [route] = routesOf(learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]));
      expect(route).toMatchObject({ forwarding: { mode: "none", state: "unresolved", intended: "ipip" } });
      expect(route?.reason).toContain("no tunl0");
    });

    it("keeps the old way until both ends of the new one are there", () => {
      let context: EncapsulationContext = noTunnels;
      const composer = newComposer(() => context);
      learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]);
      const edited = composer.setPools([{ ...pods, ipipMode: "Always" }]);
      expect(ways(edited)).toEqual(["direct, 10.0.0.2 -, "]);
      expect(routesOf(edited)[0]?.reason).toMatch(/^still direct: no tunl0; learned from/);
      context = { ...noTunnels, ipip: tunl0, peerAt: peers({ ipipReady: false }) };
      expect(routesOf(composer.encapsulationChanged())[0]?.reason).toContain(
        "still direct: node n2 has no tunnel address yet",
      );
      context = { ...noTunnels, ipip: tunl0, peerAt: peers({ ipipReady: true }) };
      expect(ways(composer.encapsulationChanged())).toEqual(["ipip, 10.0.0.2 tunl0 onlink, 1480"]);
      context = noTunnels;
      expect(ways(composer.encapsulationChanged())).toEqual(["ipip, 10.0.0.2 tunl0 onlink, 1480"]);
      expect(ways(composer.setPools([pods]))).toEqual(["direct, 10.0.0.2 -, "]);
    });

    it("keeps a way of an earlier run until the tunnel is ready again, and not after a first own one", () => {
      let context: EncapsulationContext = noTunnels;
      const composer = newComposer(() => context);
      composer.setPools([{ ...pods, vxlanMode: "Always" }]);
      const prefix = Prefix.parse("10.244.2.0/26");
      const hop = { gateway: IpAddress.parse("10.244.2.0"), device: "vxlan.calico", onlink: true };
      const forwarding = { mode: "vxlan", nextHops: [hop] } as const;
      composer.adopt([{ prefix, kind: "remote-block", forwarding, metric: 1024, mtu: 1450, reason: "found" }]);
      const restarted = learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]);
      expect(ways(restarted)).toEqual(["vxlan, 10.244.2.0 vxlan.calico onlink, 1450"]);
      expect(routesOf(restarted)[0]?.reason).toMatch(/^still vxlan: no vxlan\.calico; learned from/);
      const vxlan = withVxlan(1400);
      context = { ...noTunnels, vxlan, peerAt: peers({ ipipReady: false, vtep: hop.gateway }) };
      expect(ways(composer.encapsulationChanged())).toEqual(["vxlan, 10.244.2.0 vxlan.calico onlink, 1400"]);
      context = noTunnels;
      expect(ways(learn(composer, [learned("10.244.2.0/26", "10.0.0.3")]))).toEqual(["none, "]);
    });

    it("does not keep an old way to another next hop, nor after the route was gone", () => {
      const composer = newComposer();
      learn(composer, [learned("10.244.2.0/26", "10.0.0.2"), learned("10.244.3.0/26", "10.0.0.2")]);
      learn(composer, [learned("10.244.3.0/26")]);
      composer.setPools([{ ...pods, ipipMode: "Always" }]);
      expect(ways(learn(composer, [learned("10.244.2.0/26", "10.0.0.3")]))).toEqual(["none, "]);
      expect(ways(learn(composer, [learned("10.244.3.0/26", "10.0.0.2")]))).toEqual(["none, "]);
    });

    it("composes nothing again if no pool is tunnelled", () => {
      const composer = newComposer();
      learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]);
      expect(routesOf(composer.encapsulationChanged())).toEqual([]);
    });
  });

  it("composes the routes of an edited pool again, and of no other", () => {
    const composer = newComposer();
    learn(composer, [learned("10.244.2.0/26", "10.0.0.2"), learned("172.31.0.0/24", "10.0.0.254")]);
    const changed = composer.setPools([{ ...pods, ipipMode: "Always" }]);
    expect(changed.fib.set.map((route) => String(route.prefix))).toEqual(["10.244.2.0/26"]);
    expect(summary(composer.setPools([pods])).set).toEqual(["10.244.2.0/26 remote-block direct n2"]);
    expect(summary(composer.setPools([pods])).set).toEqual([]);
  });

  describe("where several announce a block", () => {
    const nodes = { "10.0.0.2": "n2", "10.0.0.3": "n3" };
    const hops = (changes: RoutingChanges) =>
      routesOf(changes).flatMap(({ forwarding }) =>
        "nextHops" in forwarding ? forwarding.nextHops.map(({ gateway }) => `${gateway}`) : [],
      );

    it("uses the paths to its owner only, whoever comes first, and says who else announces it", () => {
      const composer = newComposer(undefined, { nodes });
      composer.updateBlocks([block("10.244.2.0/26", "n3")]);
      const changes = learn(composer, [learned("10.244.2.0/26", "10.0.0.2", "10.0.0.3", "10.0.0.9")]);
      expect(hops(changes)).toEqual(["10.0.0.3"]);
      expect(routesOf(changes)[0]?.reason).toBe(
        "learned from Mesh_10_0_0_3, node n3 in pool pods; also announced by node n2, next hop 10.0.0.9, who do not own it",
      );
      expect(composer.usedPaths(Prefix.parse("10.244.2.0/26")).note).toMatch(/^also announced by/);
    });

    it("follows the ownership when it changes", () => {
      const composer = newComposer(undefined, { nodes });
      expect(hops(learn(composer, [learned("10.244.2.0/26", "10.0.0.2", "10.0.0.3")]))).toHaveLength(2);
      expect(hops(composer.updateBlocks([block("10.244.2.0/26", "n2", "pending")]))).toHaveLength(2);
      expect(hops(composer.updateBlocks([block("10.244.2.0/26", "n2")]))).toEqual(["10.0.0.2"]);
      composer.updateBlocks([block("10.244.2.0/26", "n2", "released")]);
      expect(hops(composer.updateBlocks([block("10.244.2.0/26", "n3")]))).toEqual(["10.0.0.3"]);
    });

    it("follows the nodes' addresses when they change, and composes nothing else again", () => {
      const names: Record<string, string> = {};
      const composer = newComposer(undefined, { nodes: names });
      composer.updateBlocks([block("10.244.2.0/26", "n2")]);
      learn(composer, [learned("10.244.2.0/26", "10.0.0.2", "10.0.0.3"), learned("172.31.0.0/24", "10.0.0.9")]);
      expect(routesOf(composer.nodesChanged([IpAddress.parse("10.0.0.2")]))).toEqual([]);
      names["10.0.0.2"] = "n2";
      expect(hops(composer.nodesChanged([IpAddress.parse("10.0.0.2")]))).toEqual(["10.0.0.2"]);
      expect(routesOf(composer.nodesChanged([IpAddress.parse("10.0.0.2")]))).toEqual([]);
    });

    it("misses no route if one of them was learned again between a change of the nodes and its notice", () => {
      const names: Record<string, string> = {};
      const composer = newComposer(undefined, { nodes: names });
      learn(composer, [learned("10.244.2.0/26", "10.0.0.2"), learned("10.244.3.0/26", "10.0.0.2")]);
      names["10.0.0.2"] = "n2";
      learn(composer, [learned("10.244.2.0/26", "10.0.0.2")]);
      expect(
        routesOf(composer.nodesChanged([IpAddress.parse("10.0.0.2")])).map(({ prefix, node }) => `${prefix} ${node}`),
      ).toEqual(["10.244.2.0/26 n2", "10.244.3.0/26 n2"]);
    });

    it("leaves BGP its choice if the owner is not among them, and says so", () => {
      const composer = newComposer(undefined, { nodes });
      composer.updateBlocks([block("10.244.2.0/26", "n4")]);
      const changes = learn(composer, [learned("10.244.2.0/26", "10.0.0.254")]);
      expect(hops(changes)).toEqual(["10.0.0.254"]);
      expect(routesOf(changes)[0]?.reason).toContain(
        "the owner, node n4, is not among the next hops; announced by next hop 10.0.0.254",
      );
    });

    it("balances what is no block as BGP says", () => {
      const composer = newComposer(undefined, { nodes });
      composer.updateBlocks([block("10.244.2.0/26", "n2")]);
      expect(hops(learn(composer, [learned("10.244.2.5/32", "10.0.0.2", "10.0.0.3")]))).toHaveLength(2);
    });
  });

  describe("metrics", () => {
    const metricFor = (localPref: number | undefined, metric: number | "auto" = "auto") => {
      const prefix = Prefix.parse("10.244.2.0/26");
      const given = path("10.244.2.0/26", "10.0.0.2", false, localPref);
      const paths = [localPref === undefined ? withoutLocalPref(given) : given];
      return routesOf(learn(newComposer(undefined, { metric }), [{ prefix, paths }]))[0]?.metric;
    };
    const withoutLocalPref = (given: Path): Path => {
      const { localPref: _gone, ...attributes } = given.attributes;
      return { ...given, attributes };
    };

    it.each([
      ["none, over eBGP", undefined, 1024],
      ["100, of Calico until v3.31", 100, 1024],
      ["2^30, too small to be made of a metric", 2 ** 30, 1024],
      ["2^30 + 1", 2 ** 30 + 1, 2 ** 30 - 2],
      ["normal", 2147482623, 1024],
      ["elevated", 2147483135, 512],
      ["of metric 1", 2147483646, 1],
      ["of metric 0", 2147483647, 1024],
      ["above every metric", 4294967295, 1024],
    ])("come from the LOCAL_PREF: %s", (_case, localPref, metric) => {
      expect(metricFor(localPref)).toBe(metric);
      expect(metricFor(localPref, 0)).toBe(0);
      expect(metricFor(localPref, 77)).toBe(77);
    });

    it("are 1024 for pods, or what the setting says", () => {
      const pod = [{ address: Prefix.parse("10.244.1.5/32"), device: "cali1", pod: "default/web" }];
      expect(routesOf(newComposer().updateWorkloads(pod, []))[0]?.metric).toBe(1024);
      expect(routesOf(newComposer(undefined, { metric: 0 }).updateWorkloads(pod, []))[0]?.metric).toBe(0);
    });
  });

  describe("an elevated route", () => {
    const address = "10.244.1.5/32";
    const pod = { address: Prefix.parse(address), device: "cali1", pod: "default/web" };
    const announced = (localPref: number): LocRibChange => ({
      prefix: pod.address,
      paths: [path(address, "10.0.0.2", false, localPref)],
    });

    it("takes a pod's address while it is announced, and a normal one does not", () => {
      const composer = newComposer();
      composer.updateWorkloads([pod], []);
      expect(summary(learn(composer, [announced(2147482623)])).set).toEqual([`${address} workload device n1`]);
      const [moved] = routesOf(learn(composer, [announced(2147482624)]));
      expect(moved).toMatchObject({ kind: "borrowed", forwarding: { mode: "direct" }, metric: 1023, node: "n2" });
      expect(moved?.reason).toMatch(/^elevated above pod default\/web on this node; learned from/);
      const back = summary(learn(composer, [{ prefix: pod.address, paths: [] }]));
      expect(back).toMatchObject({ set: [`${address} workload device n1`], remove: [] });
    });

    it("does not take an own block, nor a pod's address while the way is not there", () => {
      const composer = newComposer();
      composer.setPools([{ ...pods, ipipMode: "Always" }]);
      composer.updateWorkloads([pod], []);
      composer.updateBlocks([block("10.244.1.0/26", "n1")]);
      expect(summary(learn(composer, [announced(2147483135)])).set).toEqual([`${address} workload device n1`]);
      const own = {
        prefix: Prefix.parse("10.244.1.0/26"),
        paths: [path("10.244.1.0/26", "10.0.0.2", false, 2147483135)],
      };
      expect(summary(learn(composer, [own])).set).toEqual(["10.244.1.0/26 local-block blackhole n1"]);
    });
  });

  describe("the way to a peer", () => {
    const way = (gateway: string, peer = "tor") => ({
      prefix: Prefix.parse("192.0.2.1/32"),
      gateway: IpAddress.parse(gateway),
      peer,
    });

    it("is a host route that is announced to nobody and goes with the peer", () => {
      const composer = newComposer();
      const changes = composer.setPeerRoutes([way("10.0.0.254")]);
      expect(summary(changes)).toEqual({
        set: ["192.0.2.1/32 external direct -"],
        remove: [],
        announce: [],
        withdraw: [],
      });
      expect(routesOf(changes)[0]).toMatchObject({ metric: 1024, reason: expect.stringContaining("BGPPeer tor") });
      expect(routesOf(composer.setPeerRoutes([way("10.0.0.254")]))).toEqual([]);
      expect(summary(composer.setPeerRoutes([])).remove).toEqual(["192.0.2.1/32"]);
    });

    it("beats what BGP says of the peer's address, and leaves it to BGP when it goes", () => {
      const composer = newComposer();
      composer.setPeerRoutes([way("10.0.0.254")]);
      const [route] = routesOf(learn(composer, [learned("192.0.2.1/32", "10.0.0.3")]));
      expect(route?.reason).toContain("BGPPeer tor");
      expect(routesOf(composer.setPeerRoutes([]))[0]?.reason).toContain("learned from Mesh_10_0_0_3");
    });

    it("is taken by what was learned with the peer as next hop, too", () => {
      const composer = newComposer();
      const gateways = (changes: RoutingChanges) =>
        routesOf(changes).map(({ prefix, forwarding }) =>
          "nextHops" in forwarding ? `${prefix} ${forwarding.nextHops.map((hop) => hop.gateway)}` : `${prefix}`,
        );
      learn(composer, [learned("172.31.0.0/24", "192.0.2.1"), learned("172.31.1.0/24", "10.0.0.9")]);
      const set = composer.setPeerRoutes([way("10.0.0.254")]);
      expect(gateways(set)).toEqual(["192.0.2.1/32 10.0.0.254", "172.31.0.0/24 10.0.0.254"]);
      expect(gateways(composer.setPeerRoutes([way("10.0.0.253")]))).toEqual([
        "192.0.2.1/32 10.0.0.253",
        "172.31.0.0/24 10.0.0.253",
      ]);
      expect(gateways(composer.setPeerRoutes([]))).toEqual(["172.31.0.0/24 192.0.2.1"]);
    });
  });

  describe("service ranges", () => {
    const range = Prefix.parse("10.96.0.0/12");
    const services = { all: [range], outside: [], announced: [range] };

    it("are announced without a route of their own, and withdrawn with the setting", () => {
      const composer = newComposer();
      const changes = summary(composer.setServices(services));
      expect(changes).toEqual({ set: [], remove: [], announce: ["10.96.0.0/12"], withdraw: [] });
      expect(summary(composer.setServices(services)).announce).toEqual([]);
      expect(summary(composer.setServices({ all: [], outside: [], announced: [] })).withdraw).toEqual(["10.96.0.0/12"]);
    });

    it("keep what others announce inside them out of the kernel", () => {
      const composer = newComposer();
      expect(summary(learn(composer, [learned("10.96.0.7/32", "10.0.0.3")])).set).toHaveLength(1);
      expect(summary(composer.setServices(services)).remove).toEqual(["10.96.0.7/32"]);
      expect(summary(learn(composer, [learned("10.96.0.8/32", "10.0.0.3")])).set).toEqual([]);
      expect(summary(composer.setServices({ all: [], outside: [], announced: [] })).set).toHaveLength(2);
    });
  });

  describe("what communities ask for", () => {
    const source = { ...path("10.244.5.0/26", "10.0.0.3").source, mayBlackhole: true };
    const withCommunities = (nextHop: string, others: object): Path => {
      const plain = path("10.244.5.0/26", nextHop);
      return { ...plain, attributes: { ...plain.attributes, ...others } };
    };
    const routeBy = (...paths: Path[]) =>
      routesOf(learn(newComposer(), [{ prefix: Prefix.parse("10.244.5.0/26"), paths }]))[0];

    it("BLACKHOLE drops the packets if the peer may have that", () => {
      const wanted = withCommunities("10.0.0.3", { communities: [0xffff029a] });
      expect(routeBy({ ...wanted, source })).toMatchObject({
        forwarding: { mode: "blackhole" },
        reason: expect.stringContaining("BLACKHOLE"),
      });
      expect(routeBy(wanted)).toMatchObject({ forwarding: { mode: "direct" } });
    });

    it("link bandwidth weighs the next hops", () => {
      const wide = withCommunities("10.0.0.3", { extendedCommunities: [0x4004_fc00_4e95_02f9n] });
      const narrow = withCommunities("10.0.0.4", { extendedCommunities: [0x4004_fc00_4e15_02f9n] });
      const hop = (gateway: string, weight: number) => ({ gateway: IpAddress.parse(gateway), weight });
      expect(routeBy(wide, narrow)?.forwarding).toEqual({
        mode: "direct",
        nextHops: [hop("10.0.0.3", 100), hop("10.0.0.4", 50)],
      });
    });
  });
});
