import type { DesiredForwarding, RouteWish } from "../../fib/types.ts";

/** Beyond this many forwardings all are forgotten; those in use are made once more. */
const limit = 4096;

/**
 * Makes one object of wishes that say the same about one forwarding, so that the routes of a full table share a few of them.
 * What leads to other next hops is another forwarding object, and is not compared.
 */
export class WishCache {
  #latest: RouteWish | undefined;
  readonly #known = new Map<DesiredForwarding, RouteWish[]>();

  /** The wish itself, or one that says the same. */
  share(wish: RouteWish): RouteWish {
    if (this.#latest !== undefined && saysTheSame(this.#latest, wish)) return this.#latest;
    let alike = this.#known.get(wish.forwarding);
    if (alike === undefined) {
      if (this.#known.size >= limit) this.#known.clear();
      alike = [];
      this.#known.set(wish.forwarding, alike);
    }
    this.#latest = alike.find((known) => saysTheSame(known, wish)) ?? wish;
    if (this.#latest === wish) {
      // Reasons and nodes may differ for each route of a forwarding: then sharing is not to be had.
      if (alike.length >= 16) alike.length = 0;
      alike.push(wish);
    }
    return this.#latest;
  }
}

function saysTheSame(left: RouteWish, right: RouteWish): boolean {
  return (
    left.forwarding === right.forwarding &&
    left.kind === right.kind &&
    left.metric === right.metric &&
    left.mtu === right.mtu &&
    left.node === right.node &&
    left.stale === right.stale &&
    left.reason === right.reason &&
    left.preferredSource === right.preferredSource
  );
}
