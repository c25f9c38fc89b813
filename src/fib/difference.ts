import type { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";
import { type KernelRoute, mainTable } from "../netlink/types.ts";
import { sameShape, sameShapeKey } from "./diff.ts";
import { describeProtocol, isOwn, type Ownership } from "./ownership.ts";
import type { Wanted } from "./plan.ts";

/** A prefix at which the kernel does not have what it shall. */
export interface KernelDifference {
  readonly prefix: Prefix;
  /** The route that is missing; absent if there is only something too many. */
  readonly missing?: KernelRoute;
  /** What is there instead: routes of ours that are not wanted, and whatever has the place of the missing one. */
  readonly instead: readonly KernelRoute[];
}

/**
 * Compares what is wanted with all routes of the kernel, as they were read just now. What is kept from before a restart is no
 * difference. Ascending by prefix.
 */
export function findDifferences(
  wanted: Iterable<readonly [Prefix, Wanted]>,
  routes: readonly KernelRoute[],
  ownership: Ownership,
): KernelDifference[] {
  const held = new PrefixMap<KernelRoute[]>();
  for (const route of routes)
    if (route.table === mainTable) held.set(route.destination, [...(held.get(route.destination) ?? []), route]);
  const differences: KernelDifference[] = [];
  for (const [prefix, wish] of wanted) {
    const there = held.get(prefix) ?? [];
    held.delete(prefix);
    const difference = differenceAt(prefix, wish, there, ownership);
    if (difference !== undefined) differences.push(difference);
  }
  for (const [prefix, there] of held) {
    const instead = there.filter((route) => isOwn(route, ownership));
    if (instead.length > 0) differences.push({ prefix, instead });
  }
  return differences.sort((left, right) => left.prefix.compare(right.prefix));
}

function differenceAt(
  prefix: Prefix,
  wish: Wanted,
  there: readonly KernelRoute[],
  ownership: Ownership,
): KernelDifference | undefined {
  if (wish.kind === "adopted") return undefined;
  if (wish.kind === "nothing") {
    const instead = there.filter((route) => isOwn(route, ownership));
    return instead.length === 0 ? undefined : { prefix, instead };
  }
  const isThere = there.some((route) => sameShape(route, wish.route));
  const instead = there.filter(
    (route) =>
      !sameShape(route, wish.route) && (isOwn(route, ownership) || (!isThere && sameShapeKey(route, wish.route))),
  );
  if (isThere) return instead.length === 0 ? undefined : { prefix, instead };
  return { prefix, missing: { destination: prefix, ...wish.route }, instead };
}

/** One line, much as `ip route` prints it: `10.244.2.0/26 via 10.0.0.2 dev eth1 metric 1024, protocol 202`. */
export function routeText(route: KernelRoute, deviceName: (index: number) => string | undefined): string {
  const { destination, type, nextHops, metric, mtu, preferredSource, protocol } = route;
  const device = (index: number) => deviceName(index) ?? `interface ${index}`;
  const legs = nextHops.map(({ gateway, interfaceIndex, onlink, weight }) =>
    [
      ...(nextHops.length > 1 ? ["nexthop"] : []),
      ...(gateway === undefined ? [] : [`via ${gateway}`]),
      ...(interfaceIndex === undefined || type !== "unicast" ? [] : [`dev ${device(interfaceIndex)}`]),
      ...(onlink ? ["onlink"] : []),
      ...(nextHops.length > 1 ? [`weight ${weight}`] : []),
    ].join(" "),
  );
  const words = [
    ...(type === "unicast" ? [] : [type]),
    destination.toString(),
    ...legs.filter((leg) => leg !== ""),
    ...(preferredSource === undefined ? [] : [`src ${preferredSource}`]),
    ...(metric === 0 ? [] : [`metric ${metric}`]),
    ...(mtu === undefined ? [] : [`mtu ${mtu}`]),
  ];
  return `${words.join(" ")}, ${describeProtocol(protocol)}`;
}
