import { RouteProtocol, type RouteShape } from "../netlink/types.ts";
import { sameShapeKey } from "./diff.ts";

/** Whose routes are ours, and whose we may take over. */
export interface Ownership {
  /** RTPROT_* that we write; every route of the main table with it is ours. */
  readonly protocol: number;
  /** RTPROT_* whose routes ours take the place of at a wanted prefix, e.g. 12 and 80 while a node is migrated. */
  readonly takeover: readonly number[];
}

const protocolNames = new Map<number, string>(Object.entries(RouteProtocol).map(([name, number]) => [number, name]));

/** `static (4)`, or just `protocol 42` for a number without a name. */
export function describeProtocol(protocol: number): string {
  const name = protocolNames.get(protocol);
  return name === undefined ? `protocol ${protocol}` : `protocol ${name} (${protocol})`;
}

/** True for a route that we may change and delete. */
export function isOwn(route: RouteShape, ownership: Ownership): boolean {
  return route.protocol === ownership.protocol;
}

/** True for a route of somebody else that ours may take the place of. */
export function isTakeable(route: RouteShape, ownership: Ownership): boolean {
  return ownership.takeover.includes(route.protocol);
}

/** The route of somebody else that holds the key of `target` and must be left alone, if there is one. */
export function keyHolder(
  target: RouteShape,
  routes: readonly RouteShape[],
  ownership: Ownership,
): RouteShape | undefined {
  return routes.find(
    (route) => sameShapeKey(route, target) && !isOwn(route, ownership) && !isTakeable(route, ownership),
  );
}

/** The foreign route of the same prefix that the kernel prefers to `target` because of its metric, if there is one. */
export function preferredRival(
  target: RouteShape,
  routes: readonly RouteShape[],
  ownership: Ownership,
): RouteShape | undefined {
  return routes.find((route) => !isOwn(route, ownership) && route.tos === target.tos && route.metric < target.metric);
}
