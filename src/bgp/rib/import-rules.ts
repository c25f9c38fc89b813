import { IpAddress } from "../../net/address.ts";
import { countAs } from "../as-path.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { NextHop } from "../packet/message.ts";
import type { PolicyRunner } from "../policy/apply.ts";
import type { ImportRules } from "./adj-rib-in.ts";

/** What decides about the routes of one session. */
export interface ImportContext {
  readonly peerType: "ibgp" | "ebgp";
  readonly localAs: number;
  readonly allowLocalAs: number;
  readonly routerId: number;
  readonly clusterId: number;
  readonly isOwnAddress: (address: IpAddress) => boolean;
  readonly policy: PolicyRunner;
}

/** Loop checks of RFC 4271 §9 and RFC 4456 §8, then the import policy. Routes of our own pass with `acceptAll`. */
export function createImportRules(context: ImportContext): ImportRules {
  return (prefix, attributes, nextHop) => {
    const loop = findLoop(context, attributes) ?? findBadNextHop(context, nextHop);
    if (loop !== undefined) return { accepted: false, reason: loop };
    const { policy } = context;
    const result = policy.apply({ prefix, attributes, source: "peer", peerType: context.peerType });
    if (result.action === "accept") return { accepted: true, attributes: result.attributes };
    return { accepted: false, reason: `policy ${policy.policy.name} rule ${result.rule} rejected` };
  };
}

/** For the routes that we originate. */
export const acceptAll: ImportRules = (_, attributes) => ({ accepted: true, attributes });

function findLoop(context: ImportContext, attributes: PathAttributes): string | undefined {
  const occurrences = countAs(attributes.asPath, context.localAs);
  if (occurrences > context.allowLocalAs)
    return `AS_PATH loop: own AS ${context.localAs} stands in it ${occurrences} times, ${context.allowLocalAs} allowed`;
  // On every iBGP session, not only on those with clients: a loop may close anywhere.
  if (context.peerType === "ebgp") return undefined;
  if (attributes.originatorId === context.routerId)
    return `reflection loop: ORIGINATOR_ID is our own router id ${IpAddress.v4(context.routerId)}`;
  if (attributes.clusterList.includes(context.clusterId))
    return `reflection loop: CLUSTER_LIST holds our own cluster id ${IpAddress.v4(context.clusterId)}`;
  return undefined;
}

function findBadNextHop({ isOwnAddress }: ImportContext, nextHop: NextHop | undefined): string | undefined {
  if (nextHop === undefined || !isOwnAddress(nextHop.address)) return undefined;
  return `next hop ${nextHop.address} is our own address`;
}
