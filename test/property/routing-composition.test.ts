import fc from "fast-check";
import { expect, test } from "vitest";
import { RouteComposer } from "../../src/agent/routing/composer.ts";
import type { EncapsulationContext, TunnelPeer } from "../../src/agent/routing/encapsulation.ts";
import { originatedAttributes } from "../../src/agent/routing/origination.ts";
import type { RoutingBlock, RoutingChanges } from "../../src/agent/routing/sources.ts";
import type { LocRibChange, Path } from "../../src/bgp/paths.ts";
import type { RouteWish } from "../../src/fib/types.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { PrefixIndex } from "../../src/net/prefix-index.ts";
import { ToldLocRib } from "../support/loc-rib.ts";

/*
 * All that the composer is told is kept here as texts, and after each step the routes that should follow are worked out
 * from it from scratch, one prefix after the other, by rules that are written down once more.
 */

/** An IPv4 address or prefix and the one of IPv6 that has the same last four octets, so that what holds what is the same. */
function inBoth(...texts: readonly string[]): string[] {
  const ipv6 = texts.map((text) => {
    const [address = "", length] = text.split("/");
    const embedded = IpAddress.v6(0xfd000000, 0, 0, IpAddress.parse(address).w0);
    return length === undefined ? `${embedded}` : `${embedded}/${Number(length) + 96}`;
  });
  return [...texts, ...ipv6];
}

const isIpv6 = (text: string): boolean => text.includes(":");
const isHost = (prefix: string): boolean => /\/(32|128)$/.test(prefix);

const ownName = "n1";
const addresses = inBoth("10.0.0.2", "10.0.0.3", "10.9.0.4", "10.0.0.254");
const nodeNames = ["n2", "n3", "n4"] as const;
const prefixes = inBoth(
  "10.244.1.0/26",
  "10.244.2.0/26",
  "10.244.2.64/26",
  "10.244.9.9/32",
  "10.244.2.5/32",
  "10.244.1.7/32",
  "10.245.0.0/26",
  "172.31.0.0/24",
  "10.9.0.4/32",
);
const blocks = inBoth("10.244.1.0/26", "10.244.2.0/26", "10.244.9.9/32", "10.245.0.0/26");
const podAddresses = inBoth("10.244.1.7/32", "10.244.2.5/32", "10.244.9.9/32");
const poolCidrs = inBoth("10.244.0.0/16", "10.244.2.0/24", "10.245.0.0/16");
const modes = ["Never", "CrossSubnet", "Always"] as const;
const onLink = inBoth("10.0.0.0/24").map(Prefix.parse);
const isOnLink = (address: IpAddress): boolean => onLink.some((subnet) => subnet.containsAddress(address));
const defaultMetric = 1024;

type Mode = (typeof modes)[number];

interface PoolModes {
  readonly ipipMode: Mode;
  readonly vxlanMode: Mode;
  readonly udpMode: Mode;
}

interface LearnedPath {
  readonly nextHop: string;
  readonly localPref: number;
  readonly stale: boolean;
}

interface World {
  readonly pools: Map<string, PoolModes>;
  /** Node by address. */
  readonly nodes: Map<string, string>;
  readonly tunnelReady: { ipip: boolean; vxlan: boolean; "vxlan-v6": boolean; udp: boolean };
  /** Nodes whose end of the tunnel is there. */
  readonly remoteEnds: Readonly<Record<keyof World["tunnelReady"], Set<string>>>;
  /** State by node, by block; the order of arrival counts as long as there is no owner. */
  readonly claims: Map<string, Map<string, RoutingBlock["state"]>>;
  readonly pods: Set<string>;
  tunnelAddresses: readonly string[];
  /** Gateway by peer address. */
  peerRoutes: ReadonlyMap<string, string>;
  readonly learned: Map<string, readonly LearnedPath[]>;
}

/** A way in words: mode, next hops and MTU. */
interface WayInWords {
  readonly mode: string;
  readonly hops: readonly string[];
  readonly mtu: number | undefined;
}

/** The documented exception to "from scratch": the last way that worked, for which next hops. */
type Memory = Map<string, { readonly way: WayInWords; readonly nextHops: string }>;

function poolOf(world: World, prefix: string): PoolModes | undefined {
  const containing = [...world.pools].filter(([cidr]) => Prefix.parse(cidr).contains(Prefix.parse(prefix)));
  return containing.sort(([left], [right]) => Prefix.parse(right).length - Prefix.parse(left).length)[0]?.[1];
}

function wayTo(world: World, prefix: string, nextHop: string, pool: PoolModes | undefined): WayInWords | undefined {
  const direct = { mode: "direct", hops: [nextHop], mtu: undefined };
  const node = world.nodes.get(nextHop);
  if (pool === undefined) return direct;
  const isNear = isOnLink(IpAddress.parse(nextHop));
  if (pool.udpMode !== "Never") {
    if (pool.udpMode === "CrossSubnet" && isNear) return direct;
    const otherEnd = node === undefined || world.remoteEnds.udp.has(node);
    if (!world.tunnelReady.udp || !otherEnd || isIpv6(nextHop)) return undefined;
    return { mode: "udp", hops: [`${nextHop} onlink udp.calibird`], mtu: 1472 };
  }
  if (pool.ipipMode !== "Never") {
    if (pool.ipipMode === "CrossSubnet" && isNear) return direct;
    const otherEnd = node === undefined || world.remoteEnds.ipip.has(node);
    if (!world.tunnelReady.ipip || !otherEnd || isIpv6(nextHop)) return undefined;
    return { mode: "ipip", hops: [`${nextHop} onlink tunl0`], mtu: 1480 };
  }
  if (pool.vxlanMode === "Never" || (pool.vxlanMode === "CrossSubnet" && isNear)) return direct;
  const tunnel = isIpv6(prefix) ? "vxlan-v6" : "vxlan";
  if (!world.tunnelReady[tunnel] || node === undefined || !world.remoteEnds[tunnel].has(node)) return undefined;
  const hops = [`${vtepOf(node, isIpv6(prefix))} onlink ${tunnel}.calico`];
  return { mode: "vxlan", hops, mtu: tunnel === "vxlan" ? 1450 : 1430 };
}

function vtepOf(node: string, ofIpv6: boolean): string {
  const [ipv4 = "", ipv6 = ""] = inBoth(`10.246.0.${node.slice(1)}`);
  return ofIpv6 ? ipv6 : ipv4;
}

function wayToAll(
  world: World,
  prefix: string,
  nextHops: readonly string[],
  pool: PoolModes | undefined,
): WayInWords | undefined {
  const ways = nextHops.flatMap((nextHop) => wayTo(world, prefix, nextHop, pool) ?? []);
  if (ways.length === 0) return undefined;
  const mtus = ways.flatMap(({ mtu }) => mtu ?? []);
  return {
    mode: ways.find(({ mode }) => mode !== "direct")?.mode ?? "direct",
    hops: ways.flatMap(({ hops }) => hops),
    mtu: mtus.length === 0 ? undefined : Math.min(...mtus),
  };
}

function ownerOf(world: World, block: string): string | undefined {
  for (const [node, state] of world.claims.get(block) ?? []) if (state === "confirmed") return node;
  return undefined;
}

function learnedRoute(world: World, memory: Memory, prefix: string): string | undefined {
  const announced = world.learned.get(prefix);
  if (announced === undefined) {
    memory.delete(prefix);
    return undefined;
  }
  const owner = ownerOf(world, prefix);
  const fromOwner = announced.filter(({ nextHop }) => owner !== undefined && world.nodes.get(nextHop) === owner);
  const paths = fromOwner.length > 0 ? fromOwner : announced;
  const nextHops = paths.map(({ nextHop }) => nextHop);
  const pool = poolOf(world, prefix);
  let way = wayToAll(world, prefix, nextHops, pool);
  const key = nextHops.join();
  if (pool === undefined) memory.delete(prefix);
  else if (way !== undefined) memory.set(prefix, { way, nextHops: key });
  else if (memory.get(prefix)?.nextHops === key) way = memory.get(prefix)?.way;
  const kind = pool === undefined ? "external" : isHost(prefix) ? "borrowed" : "remote-block";
  const claimant = owner ?? [...(world.claims.get(prefix)?.keys() ?? [])][0];
  const node = (kind === "remote-block" ? claimant : undefined) ?? world.nodes.get(nextHops[0] ?? "");
  const difference = 2147483647 - (paths[0]?.localPref ?? 0);
  const metric = difference >= 1 && difference < 2 ** 30 - 1 ? difference : defaultMetric;
  const hops = way?.hops.map((hop) => world.peerRoutes.get(hop) ?? hop) ?? [];
  const stale = paths.every((path) => path.stale);
  return inWords({ kind, way: way && { ...way, hops }, metric, node, stale });
}

function inWords(route: {
  readonly kind: string;
  readonly way: WayInWords | undefined;
  readonly metric: number;
  readonly node: string | undefined;
  readonly stale: boolean;
}): string {
  const { kind, way, metric, node, stale } = route;
  const mtu = way?.mtu === undefined ? "" : ` mtu ${way.mtu}`;
  const words = way === undefined ? "none" : `${way.mode} ${way.hops.join(", ")}${mtu}`;
  return `${kind} ${words} metric ${metric} of ${node ?? "nobody"}${stale ? " stale" : ""}`;
}

function expectedRoute(world: World, memory: Memory, prefix: string): string | undefined {
  const learned = learnedRoute(world, memory, prefix);
  const local = { metric: defaultMetric, node: ownName, stale: false };
  const device = { mode: "device", hops: [`cali-${prefix}`], mtu: undefined };
  if (world.pods.has(prefix)) {
    const elevated = (world.learned.get(prefix)?.[0]?.localPref ?? 0) > 2147482623;
    if (elevated && learned !== undefined && !learned.includes(" none ")) return learned;
    return inWords({ ...local, kind: "workload", way: device });
  }
  const blackhole = { mode: "blackhole", hops: [], mtu: undefined };
  const own = world.claims.get(prefix)?.get(ownName) === "confirmed";
  if (own && !isHost(prefix)) return inWords({ ...local, kind: "local-block", way: blackhole, metric: 0 });
  const gateway = world.peerRoutes.get(prefix.replace(/\/(32|128)$/, ""));
  if (gateway === undefined) return learned;
  const way = { mode: "direct", hops: [gateway], mtu: undefined };
  return inWords({ ...local, kind: "external", way, node: undefined });
}

function expectedAnnouncements(world: World): string[] {
  const own = [...world.claims].filter(([, states]) => states.get(ownName) === "confirmed").map(([block]) => block);
  const held = [...world.pods, ...world.tunnelAddresses];
  const isBorrowed = (address: string) => !own.some((block) => Prefix.parse(block).contains(Prefix.parse(address)));
  return [...new Set([...own, ...held.filter(isBorrowed)])].sort();
}

/** The real thing: a composer, and what follows from all that it has returned. */
class Subject {
  readonly composer: RouteComposer;
  readonly #index = new PrefixIndex();
  readonly #locRib = new ToldLocRib();
  readonly routes = new Map<string, string>();
  readonly announced = new Set<string>();

  constructor(world: World) {
    this.composer = new RouteComposer({
      index: this.#index,
      nodeName: ownName,
      metric: "auto",
      nodeOfAddress: (address) => world.nodes.get(address.toString()),
      encapsulation: () => contextOf(world),
    });
  }

  learn(changes: readonly LocRibChange[]): void {
    this.apply(this.#locRib.tell(this.composer, this.#index, changes));
  }

  apply({ fib, originate }: RoutingChanges): void {
    for (const { prefix, wish } of fib.set) this.routes.set(prefix.toString(), wordsOf(wish));
    for (const prefix of fib.remove) this.routes.delete(prefix.toString());
    for (const { prefix } of originate.announce) this.announced.add(prefix.toString());
    for (const prefix of originate.withdraw) this.announced.delete(prefix.toString());
  }
}

function wordsOf({ kind, forwarding, metric, mtu, node, stale = false }: RouteWish): string {
  if (forwarding.mode === "none") return inWords({ kind, way: undefined, metric, node, stale });
  let hops: string[] = [];
  if (forwarding.mode === "device") hops = [forwarding.device];
  if ("nextHops" in forwarding)
    hops = forwarding.nextHops.map(({ gateway, onlink, device }) =>
      device === undefined ? `${gateway}` : `${gateway}${onlink ? " onlink" : ""} ${device}`,
    );
  return inWords({ kind, way: { mode: forwarding.mode, hops, mtu }, metric, node, stale });
}

function contextOf({ tunnelReady, nodes, remoteEnds }: World): EncapsulationContext {
  const peerAt = (address: IpAddress): TunnelPeer | undefined => {
    const node = nodes.get(address.toString());
    if (node === undefined) return undefined;
    const ipipReady = remoteEnds.ipip.has(node);
    const udp = remoteEnds.udp.has(node) && { udpPort: 8285 };
    return {
      node,
      ipipReady,
      ...udp,
      vxlanGateways: {
        ...(remoteEnds.vxlan.has(node) && { 4: IpAddress.parse(vtepOf(node, false)) }),
        ...(remoteEnds["vxlan-v6"].has(node) && { 6: IpAddress.parse(vtepOf(node, true)) }),
      },
    };
  };
  return {
    ipip: tunnelReady.ipip ? { ready: true, device: "tunl0", mtu: 1480 } : { ready: false, reason: "no tunl0" },
    vxlan: {
      4: tunnelReady.vxlan
        ? { ready: true, device: "vxlan.calico", mtu: 1450 }
        : { ready: false, reason: "no vxlan.calico" },
      6: tunnelReady["vxlan-v6"]
        ? { ready: true, device: "vxlan-v6.calico", mtu: 1430 }
        : { ready: false, reason: "no vxlan-v6.calico" },
    },
    udp: tunnelReady.udp
      ? { ready: true, device: "udp.calibird", mtu: 1472 }
      : { ready: false, reason: "no udp.calibird" },
    udpPort: 8285,
    isOnLink,
    peerAt,
  };
}

function pathOf(prefix: string, { nextHop, localPref, stale }: LearnedPath): Path {
  const address = IpAddress.parse(nextHop);
  return {
    prefix: Prefix.parse(prefix),
    pathId: 0,
    attributes: { ...originatedAttributes, localPref },
    nextHop: { address },
    source: {
      kind: "peer",
      peer: `peer ${nextHop}`,
      address,
      type: "ibgp",
      remoteAs: 64512,
      identifier: 1,
      routeReflectorClient: false,
    },
    stale,
  };
}

/** One change of the world, told to the composer as the agent tells it. */
type Step = (world: World, subject: Subject) => void;

function toggle<Value>(set: Set<Value>, value: Value): void {
  if (!set.delete(value)) set.add(value);
}

function told(world: World, { composer }: Subject): RoutingChanges {
  return composer.setPools(
    [...world.pools].map(([cidr, pool]) => ({
      name: cidr,
      cidr: Prefix.parse(cidr),
      disableBgpExport: false,
      ...pool,
    })),
  );
}

const poolStep = fc
  .tuple(fc.constantFrom(...poolCidrs), fc.constantFrom("gone", "ipip", "vxlan", "udp"), fc.constantFrom(...modes))
  .map(
    ([cidr, tunnel, mode]): Step =>
      (world, subject) => {
        if (tunnel === "gone") world.pools.delete(cidr);
        else
          world.pools.set(cidr, {
            // These two are refused for IPv6 pools.
            ipipMode: tunnel === "ipip" && !isIpv6(cidr) ? mode : "Never",
            vxlanMode: tunnel === "vxlan" ? mode : "Never",
            udpMode: tunnel === "udp" && !isIpv6(cidr) ? mode : "Never",
          });
        subject.apply(told(world, subject));
      },
  );

const nodeStep = fc.tuple(fc.constantFrom(...addresses), fc.option(fc.constantFrom(...nodeNames))).map(
  ([address, name]): Step =>
    (world, subject) => {
      // A node has one address of each family.
      const left = [...world.nodes].flatMap(([other, held]) =>
        held === name && isIpv6(other) === isIpv6(address) ? [other] : [],
      );
      for (const other of left) world.nodes.delete(other);
      if (name === null) world.nodes.delete(address);
      else world.nodes.set(address, name);
      const changed = [address, ...left].map((text) => IpAddress.parse(text));
      subject.apply(subject.composer.nodesChanged(changed));
      subject.apply(subject.composer.tunnelPeersChanged(changed));
    },
);

const tunnelStep = fc
  .tuple(
    fc.constantFrom("ipip" as const, "vxlan" as const, "vxlan-v6" as const, "udp" as const),
    fc.option(fc.constantFrom(...nodeNames)),
  )
  .map(
    ([tunnel, node]): Step =>
      (world, subject) => {
        if (node === null) {
          world.tunnelReady[tunnel] = !world.tunnelReady[tunnel];
          subject.apply(subject.composer.encapsulationChanged());
          return;
        }
        toggle(world.remoteEnds[tunnel], node);
        const theirs = [...world.nodes]
          .filter(([, name]) => name === node)
          .map(([address]) => IpAddress.parse(address));
        subject.apply(subject.composer.tunnelPeersChanged(theirs));
      },
  );

const blockStep = fc
  .tuple(
    fc.constantFrom(...blocks),
    fc.constantFrom(ownName, ...nodeNames),
    fc.constantFrom("confirmed" as const, "pending" as const, "pendingDeletion" as const, "released" as const),
  )
  // IPAM lets nobody own what is another's.
  .map(
    ([block, node, state]): Step =>
      (world, subject) => {
        const claims = world.claims.get(block) ?? new Map<string, RoutingBlock["state"]>();
        const owner = ownerOf(world, block);
        if (state === "confirmed" && owner !== undefined && owner !== node) return;
        if (state === "released") claims.delete(node);
        else claims.set(node, state);
        world.claims.set(block, claims);
        subject.apply(subject.composer.updateBlocks([{ block: Prefix.parse(block), node, state }]));
      },
  );

const podStep = fc.constantFrom(...podAddresses).map(
  (text): Step =>
    (world, subject) => {
      const address = Prefix.parse(text);
      toggle(world.pods, text);
      const isNew = world.pods.has(text);
      const pod = { address, device: `cali-${text}`, pod: "default/web" };
      subject.apply(subject.composer.updateWorkloads(isNew ? [pod] : [], isNew ? [] : [address]));
    },
);

const tunnelAddressStep = fc.subarray(inBoth("10.244.1.0/32", "10.244.2.0/32")).map(
  (held): Step =>
    (world, subject) => {
      world.tunnelAddresses = held;
      subject.apply(subject.composer.setTunnelAddresses(held.map((text) => Prefix.parse(text))));
    },
);

const peerRouteStep = fc
  .dictionary(fc.constantFrom("10.9.0.4", "10.0.0.254"), fc.constantFrom("10.0.0.250", "10.0.0.251"))
  .map(
    (gateways): Step =>
      (world, subject) => {
        world.peerRoutes = new Map(Object.entries(gateways));
        const routes = [...world.peerRoutes].map(([peer, gateway]) => ({
          prefix: Prefix.host(IpAddress.parse(peer)),
          gateway: IpAddress.parse(gateway),
          peer: "far",
        }));
        subject.apply(subject.composer.setPeerRoutes(routes));
      },
  );

const routeStep = fc
  .tuple(
    fc.constantFrom(...prefixes),
    fc.shuffledSubarray([...addresses], { maxLength: 3 }),
    fc.constantFrom(100, 2147482623, 2147483135),
    fc.boolean(),
  )
  .map(
    ([prefix, nextHops, localPref, stale]): Step =>
      (world, subject) => {
        const paths = nextHops.map((nextHop) => ({ nextHop, localPref, stale }));
        if (paths.length === 0) world.learned.delete(prefix);
        else world.learned.set(prefix, paths);
        const change = { prefix: Prefix.parse(prefix), paths: paths.map((path) => pathOf(prefix, path)) };
        subject.learn([change]);
      },
  );

const step = fc.oneof(
  { arbitrary: routeStep, weight: 4 },
  { arbitrary: poolStep, weight: 2 },
  { arbitrary: tunnelStep, weight: 2 },
  { arbitrary: blockStep, weight: 2 },
  nodeStep,
  podStep,
  tunnelAddressStep,
  peerRouteStep,
);

test("after any sequence of changes the routes and announcements are those that follow from the state as it is", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40, size: "max" }), (steps) => {
      const world: World = {
        pools: new Map(
          inBoth("10.244.0.0/16").map((cidr) => [cidr, { ipipMode: "Never", vxlanMode: "Never", udpMode: "Never" }]),
        ),
        nodes: new Map([["10.0.0.2", "n2"]]),
        tunnelReady: { ipip: false, vxlan: false, "vxlan-v6": false, udp: false },
        remoteEnds: { ipip: new Set(), vxlan: new Set(), "vxlan-v6": new Set(), udp: new Set() },
        claims: new Map(),
        pods: new Set(),
        tunnelAddresses: [],
        peerRoutes: new Map(),
        learned: new Map(),
      };
      const subject = new Subject(world);
      const memory: Memory = new Map();
      subject.apply(told(world, subject));
      for (const change of steps) {
        change(world, subject);
        const all = [...prefixes, "10.0.0.254/32"].flatMap((prefix) => {
          const route = expectedRoute(world, memory, prefix);
          return route === undefined ? [] : [[prefix, route] as const];
        });
        expect(Object.fromEntries(subject.routes)).toEqual(Object.fromEntries(all));
        expect([...subject.announced].sort()).toEqual(expectedAnnouncements(world));
      }
    }),
    { numRuns: 300 },
  );
});
