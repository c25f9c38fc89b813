import type { AddressFamily, IpAddress } from "../net/address.ts";
import { type KernelRoute, mainTable, type RouteNextHop, type RouteShape } from "../netlink/types.ts";
import type { DesiredForwarding, RouteWish } from "./types.ts";

/** What the kernel makes of an IPv6 route that is written without a metric (IP6_RT_PRIO_USER). */
const defaultMetric6 = 1024;

/** Weights travel in one octet, as weight - 1. */
const maximumWeight = 256;

/**
 * What a wish makes of a route in the kernel's table, in the form in which the kernel will report it, so that the two can be
 * compared. `nextHops` are the resolved legs; empty for a blackhole.
 */
export function shapeOf(
  wish: RouteWish,
  family: AddressFamily,
  nextHops: readonly RouteNextHop[],
  protocol: number,
): RouteShape {
  const { mode } = wish.forwarding;
  const { preferredSource, mtu } = wish;
  return {
    type: mode === "blackhole" ? "blackhole" : "unicast",
    table: mainTable,
    protocol,
    // IPv6 has no scopes; the kernel reports all its routes as universe.
    scope: mode === "device" && family === 4 ? "link" : "universe",
    // The metric that the route will have in the kernel, which is what counts in its key.
    metric: family === 6 && wish.metric === 0 ? defaultMetric6 : wish.metric,
    tos: 0,
    nextHops: canonicalLegs(nextHops),
    ...(preferredSource === undefined ? {} : { preferredSource }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

/**
 * Sorts legs and merges equal ones into one of their joint weight: two remote gateways may be reached through the same
 * router, and the kernel refuses a leg that is given twice (IPv6) or counts it twice (IPv4).
 */
function canonicalLegs(legs: readonly RouteNextHop[]): readonly RouteNextHop[] {
  if (legs.length < 2) return legs;
  const merged: RouteNextHop[] = [];
  for (const leg of [...legs].sort(compareLegs)) {
    const last = merged.at(-1);
    if (last !== undefined && compareLegs(last, leg) === 0)
      merged[merged.length - 1] = { ...last, weight: Math.min(last.weight + leg.weight, maximumWeight) };
    else merged.push(leg.weight > maximumWeight ? { ...leg, weight: maximumWeight } : leg);
  }
  const [only] = merged;
  return merged.length === 1 && only !== undefined ? [{ ...only, weight: 1 }] : merged;
}

function compareLegs(left: RouteNextHop, right: RouteNextHop): number {
  return (
    compareAddresses(left.gateway, right.gateway) ||
    (left.interfaceIndex ?? 0) - (right.interfaceIndex ?? 0) ||
    Number(left.onlink) - Number(right.onlink)
  );
}

function compareAddresses(left: IpAddress | undefined, right: IpAddress | undefined): number {
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined);
  return left.compare(right);
}

function sameAddress(left: IpAddress | undefined, right: IpAddress | undefined): boolean {
  return compareAddresses(left, right) === 0;
}

/** True if both occupy the same place in the kernel's table (table, destination, tos, metric). */
export function sameKey(left: KernelRoute, right: KernelRoute): boolean {
  return sameShapeKey(left, right) && left.destination.equals(right.destination);
}

/** As `sameKey`, of two routes of one prefix. */
export function sameShapeKey(left: RouteShape, right: RouteShape): boolean {
  return left.metric === right.metric && left.tos === right.tos && left.table === right.table;
}

/** True if nothing needs to be written to turn one into the other; see `sameShape`. */
export function sameRoute(left: KernelRoute, right: KernelRoute): boolean {
  return left === right || (left.destination.equals(right.destination) && sameShape(left, right));
}

/**
 * As `sameRoute`, of two routes of one prefix. The order of legs does not count, nor does the device of a route without next
 * hop (the kernel reports `lo` for IPv6 blackholes), nor whether a link has lost its carrier.
 */
export function sameShape(left: RouteShape, right: RouteShape): boolean {
  if (left === right) return true;
  return (
    sameShapeKey(left, right) &&
    left.protocol === right.protocol &&
    left.type === right.type &&
    left.mtu === right.mtu &&
    left.scope === right.scope &&
    sameAddress(left.preferredSource, right.preferredSource) &&
    (left.type !== "unicast" || sameLegs(left.nextHops, right.nextHops))
  );
}

function sameLegs(left: readonly RouteNextHop[], right: readonly RouteNextHop[]): boolean {
  if (left.length !== right.length) return false;
  const [first] = left;
  const [second] = right;
  // A single leg's weight says nothing.
  if (left.length === 1 && first !== undefined && second !== undefined) return compareLegs(first, second) === 0;
  const sorted = [...right].sort(compareLegs);
  return [...left].sort(compareLegs).every((leg, index) => {
    const other = sorted[index];
    return other !== undefined && compareLegs(leg, other) === 0 && leg.weight === other.weight;
  });
}

/** True if the two ask the kernel for the same, whatever else is known about them. */
export function sameDemand(left: RouteWish, right: RouteWish): boolean {
  if (left === right) return true;
  return (
    left.metric === right.metric &&
    left.mtu === right.mtu &&
    sameAddress(left.preferredSource, right.preferredSource) &&
    sameForwarding(left.forwarding, right.forwarding)
  );
}

/** True if the two leave by the same way. */
function sameForwarding(left: DesiredForwarding, right: DesiredForwarding): boolean {
  if (left === right) return true;
  switch (left.mode) {
    case "blackhole":
      return right.mode === "blackhole";
    case "device":
      return right.mode === "device" && left.device === right.device;
    case "none":
      return right.mode === "none" && left.state === right.state && sameAddress(left.nextHop, right.nextHop);
    default:
      return (
        right.mode === left.mode &&
        left.nextHops.length === right.nextHops.length &&
        left.nextHops.every((hop, index) => {
          const other = right.nextHops[index];
          return (
            other !== undefined &&
            hop.gateway.equals(other.gateway) &&
            hop.device === other.device &&
            (hop.onlink ?? false) === (other.onlink ?? false)
          );
        })
      );
  }
}
