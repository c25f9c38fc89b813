import type { Prefix } from "../net/prefix.ts";
import type { RouteShape } from "../netlink/types.ts";
import { sameShape, sameShapeKey } from "./diff.ts";
import { describeProtocol, isOwn, isTakeable, keyHolder, type Ownership, preferredRival } from "./ownership.ts";
import { type Held, isList } from "./shapes.ts";
import type { RouteState } from "./types.ts";

/** What one prefix shall be in the kernel. */
export type Wanted =
  /** This route and no other one of ours. */
  | { readonly kind: "route"; readonly route: RouteShape }
  /** None of ours, for this reason; with `state` undefined because nobody desires it. */
  | { readonly kind: "nothing"; readonly state?: RouteState; readonly reason: string }
  /** Whatever is there stays until the agent has learnt what it wants. */
  | { readonly kind: "adopted" };

/** The next step for one prefix. After a write has succeeded the prefix is planned again. */
export interface Plan {
  readonly write?: { readonly op: "route-add" | "route-replace"; readonly route: RouteShape };
  /** Own routes, and those taken over, to delete; never in the same step as a write, so that there is no moment without a route. */
  readonly remove: readonly RouteShape[];
  /** Undefined once nothing is left of the prefix. */
  readonly state: RouteState | undefined;
  readonly reason: string;
  /** The kernel's form of the wanted route, where it is there already. */
  readonly present?: RouteShape;
}

/** Of a route that is there and used. */
export const installedReason = "in the main table";

const nothingToRemove: readonly RouteShape[] = [];

/**
 * Compares what is wanted at a prefix with all routes that the main table holds there. Pure, and with `usualStep` the only
 * place that decides what is written or deleted. `prefix` is asked for its name, for people.
 */
export function planPrefix(
  wanted: Wanted,
  held: readonly RouteShape[],
  ownership: Ownership,
  prefix: () => Prefix,
): Plan {
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
      return planRoute(wanted.route, held, ownership, prefix);
  }
}

/** What the wanted route, now that it is there, has made needless: own ones of another metric, and those to take over. */
function superseded(target: RouteShape, held: readonly RouteShape[], ownership: Ownership): readonly RouteShape[] {
  if (held.length === 1) return nothingToRemove;
  return held.filter(
    (route) => !sameShapeKey(route, target) && (isOwn(route, ownership) || isTakeable(route, ownership)),
  );
}

/**
 * What `planPrefix` says where the table holds nothing or one route of ours, without a plan: most prefixes of a full table are
 * like that. Without a target nothing is wanted. "done": all is as it shall be. Undefined for all other cases.
 */
export function usualStep(
  target: RouteShape | undefined,
  held: Held,
  { protocol }: Ownership,
): "route-add" | "route-replace" | "route-delete" | "done" | undefined {
  if (held === undefined) return target === undefined ? "done" : "route-add";
  if (isList(held) || held.protocol !== protocol) return undefined;
  if (target === undefined) return "route-delete";
  if (!sameShapeKey(held, target)) return undefined;
  return sameShape(held, target) ? "done" : "route-replace";
}

function planRoute(target: RouteShape, held: readonly RouteShape[], ownership: Ownership, prefix: () => Prefix): Plan {
  if (held.length === 0) return writing("route-add", target);
  const own = held.filter((route) => isOwn(route, ownership));
  const present = own.find((route) => sameShape(route, target));
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
      remove: own.filter((route) => !sameShapeKey(route, target)),
      state: "conflict",
      reason: `route of ${describeProtocol(holder.protocol)} has this key (${prefix()} metric ${target.metric})`,
    };
  return writing(held.some((route) => sameShapeKey(route, target)) ? "route-replace" : "route-add", target);
}

/** A key that we believe free is written with EXCL: should somebody have been quicker, the kernel says EEXIST. */
function writing(op: "route-add" | "route-replace", route: RouteShape): Plan {
  return { write: { op, route }, remove: nothingToRemove, state: "pending", reason: "being written" };
}
