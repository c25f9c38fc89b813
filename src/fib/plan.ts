import type { KernelRoute } from "../netlink/types.ts";
import { sameKey, sameRoute } from "./diff.ts";
import { describeProtocol, isOwn, isTakeable, keyHolder, type Ownership, preferredRival } from "./ownership.ts";
import type { RouteState } from "./types.ts";

/** What one prefix shall be in the kernel. */
export type Wanted =
  /** This route and no other one of ours. */
  | { readonly kind: "route"; readonly route: KernelRoute }
  /** None of ours, for this reason; with `state` undefined because nobody desires it. */
  | { readonly kind: "nothing"; readonly state?: RouteState; readonly reason: string }
  /** Whatever is there stays until the agent has learnt what it wants. */
  | { readonly kind: "adopted" };

/** The next step for one prefix. After a write has succeeded the prefix is planned again. */
export interface Plan {
  readonly write?: { readonly op: "route-add" | "route-replace"; readonly route: KernelRoute };
  /** Own routes, and those taken over, to delete; never in the same step as a write, so that there is no moment without a route. */
  readonly remove: readonly KernelRoute[];
  /** Undefined once nothing is left of the prefix. */
  readonly state: RouteState | undefined;
  readonly reason: string;
  /** The kernel's form of the wanted route, where it is there already. */
  readonly present?: KernelRoute;
}

/** Of a route that is there and used. */
export const installedReason = "in the main table";

const nothingToRemove: readonly KernelRoute[] = [];

/**
 * Compares what is wanted at a prefix with all routes that the main table holds there. Pure, and the only place that
 * decides what is written or deleted.
 */
export function planPrefix(wanted: Wanted, held: readonly KernelRoute[], ownership: Ownership): Plan {
  switch (wanted.kind) {
    case "adopted":
      return held.some((route) => isOwn(route, ownership))
        ? { remove: nothingToRemove, state: "stale", reason: "kept from before the restart until it is learnt again" }
        : { remove: nothingToRemove, state: undefined, reason: "" };
    case "nothing": {
      const remove = held.filter((route) => isOwn(route, ownership));
      return {
        remove,
        state: wanted.state ?? (remove.length > 0 ? "pending" : undefined),
        reason: wanted.reason,
      };
    }
    case "route":
      return planRoute(wanted.route, held, ownership);
  }
}

/** What the wanted route, now that it is there, has made needless: own ones of another metric, and those to take over. */
function superseded(target: KernelRoute, held: readonly KernelRoute[], ownership: Ownership): readonly KernelRoute[] {
  if (held.length === 1) return nothingToRemove;
  return held.filter((route) => !sameKey(route, target) && (isOwn(route, ownership) || isTakeable(route, ownership)));
}

function planRoute(target: KernelRoute, held: readonly KernelRoute[], ownership: Ownership): Plan {
  if (held.length === 0) return writing("route-add", target);
  const own = held.filter((route) => isOwn(route, ownership));
  const present = own.find((route) => sameRoute(route, target));
  if (present !== undefined) {
    const rival = preferredRival(target, held, ownership);
    return {
      remove: superseded(target, held, ownership),
      state: "installed",
      reason:
        rival === undefined
          ? installedReason
          : `in the main table, but a route of ${describeProtocol(rival.protocol)} with metric ${rival.metric} is preferred`,
      present,
    };
  }
  const holder = keyHolder(target, held, ownership);
  if (holder !== undefined)
    return {
      remove: own.filter((route) => !sameKey(route, target)),
      state: "conflict",
      reason: `route of ${describeProtocol(holder.protocol)} has this key (${target.destination} metric ${target.metric})`,
    };
  return writing(held.some((route) => sameKey(route, target)) ? "route-replace" : "route-add", target);
}

/** A key that we believe free is written with EXCL: should somebody have been quicker, the kernel says EEXIST. */
function writing(op: "route-add" | "route-replace", route: KernelRoute): Plan {
  return { write: { op, route }, remove: nothingToRemove, state: "pending", reason: "being written" };
}
