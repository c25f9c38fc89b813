import type { IpAddress } from "../net/address.ts";
import type { KernelRoute, RouteNextHop, RouteShape } from "../netlink/types.ts";

/** Beyond this many all are forgotten, which costs a second copy of those that are in use. */
const limit = 8192;

/** What the kernel's table holds at a prefix: nothing, usually one route, seldom several. */
export type Held = undefined | RouteShape | readonly RouteShape[];

const none: readonly RouteShape[] = [];

export function shapesIn(held: Held): readonly RouteShape[] {
  if (held === undefined) return none;
  return isList(held) ? held : [held];
}

/** The least of forms for some routes. */
export function heldOf(shapes: readonly RouteShape[]): Held {
  return shapes.length > 1 ? shapes : shapes[0];
}

export function isList(held: Held): held is readonly RouteShape[] {
  return Array.isArray(held);
}

/** True if it holds of every route that is there. */
export function holdsOnly(held: Held, condition: (shape: RouteShape) => boolean): boolean {
  if (held === undefined) return true;
  return isList(held) ? held.every(condition) : condition(held);
}

/** Keeps one object of each shape, so that hundreds of thousands of routes that are alike cost none each. */
export class Shapes {
  readonly #byHash = new Map<number, RouteShape[]>();
  #count = 0;
  /** The last one: alike routes come one after the other. */
  #latest: RouteShape | undefined;

  /** The shape of a route, or one that is exactly the same. */
  of(route: RouteShape): RouteShape {
    if (this.#latest !== undefined && equal(this.#latest, route)) return this.#latest;
    const hash = hashOf(route);
    const alike = this.#byHash.get(hash);
    const known = alike?.find((shape) => equal(shape, route));
    this.#latest = known ?? this.#keep(hash, alike, route);
    return this.#latest;
  }

  #keep(hash: number, alike: RouteShape[] | undefined, route: RouteShape): RouteShape {
    const shape = withoutDestination(route);
    if (++this.#count > limit) {
      this.#byHash.clear();
      this.#count = 1;
      alike = undefined;
    }
    if (alike === undefined) this.#byHash.set(hash, [shape]);
    else alike.push(shape);
    return shape;
  }
}

function withoutDestination(route: RouteShape & Partial<Pick<KernelRoute, "destination">>): RouteShape {
  if (route.destination === undefined) return route;
  const { destination: _, ...shape } = route;
  return shape;
}

function hashOf({ metric, protocol, nextHops }: RouteShape): number {
  let hash = Math.imul(metric, 31) + protocol;
  for (const { gateway, interfaceIndex = 0 } of nextHops)
    hash = Math.imul(hash, 31) + (gateway?.hash() ?? 0) + interfaceIndex;
  return hash | 0;
}

function equal(left: RouteShape, right: RouteShape): boolean {
  return (
    left.metric === right.metric &&
    left.protocol === right.protocol &&
    left.type === right.type &&
    left.scope === right.scope &&
    left.table === right.table &&
    left.tos === right.tos &&
    left.mtu === right.mtu &&
    left.linkDown === right.linkDown &&
    equalAddresses(left.preferredSource, right.preferredSource) &&
    left.nextHops.length === right.nextHops.length &&
    left.nextHops.every((leg, index) => equalLegs(leg, right.nextHops[index]))
  );
}

function equalLegs(left: RouteNextHop, right: RouteNextHop | undefined): boolean {
  return (
    right !== undefined &&
    left.interfaceIndex === right.interfaceIndex &&
    left.onlink === right.onlink &&
    left.weight === right.weight &&
    equalAddresses(left.gateway, right.gateway)
  );
}

function equalAddresses(left: IpAddress | undefined, right: IpAddress | undefined): boolean {
  return left === right || (left !== undefined && right?.equals(left) === true);
}
