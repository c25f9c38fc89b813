import { IpAddress } from "../../net/address.ts";
import { countAs, prependAs } from "../as-path.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { BgpRole } from "../packet/capability.ts";
import type { NextHop } from "../packet/message.ts";
import { WellKnownCommunity } from "../packet/well-known-communities.ts";
import type { PolicyRunner } from "../policy/apply.ts";
import { looksAtPrefix } from "../policy/match.ts";
import { leakOf, marksOnImport } from "../roles.ts";
import type { RouteTreatment } from "../route-treatment.ts";
import type { ImportRules, ImportSide } from "./adj-rib-in.ts";
import { Trait } from "./attribute-summary.ts";
import { LastResult } from "./last-result.ts";

interface LeakPrevention {
  /** What we are to the peer. */
  readonly role: BgpRole;
  readonly remoteAs: number;
  readonly intern: (attributes: PathAttributes) => PathAttributes;
}

/** What decides about the routes of one session. */
export interface ImportContext {
  readonly peerType: "ibgp" | "ebgp";
  readonly localAs: number;
  readonly allowLocalAs: number;
  readonly routerId: number;
  readonly clusterId: number;
  /** Where the session has a role (RFC 9234). */
  readonly leakPrevention?: LeakPrevention;
  readonly isOwnAddress: (address: IpAddress) => boolean;
  readonly policy: PolicyRunner;
  readonly treatment: RouteTreatment;
  readonly intern: (attributes: PathAttributes) => PathAttributes;
}

/**
 * Loop checks of RFC 4271 §9 and RFC 4456 §8, route leaks by RFC 9234 §5, then the import policy. Routes of our own pass with
 * `acceptAll`.
 */
export function createImportRules(context: ImportContext): ImportRules {
  const { policy, leakPrevention, peerType, treatment, intern } = context;
  const prepend = peerType === "ebgp" && treatment.localAs?.prependReceived === true;
  const amends = prepend || leakPrevention !== undefined;
  const amended = new LastResult();
  const amend = (received: PathAttributes): PathAttributes => {
    const marked = leakPrevention === undefined ? received : mark(leakPrevention, received);
    return prepend ? intern({ ...marked, asPath: prependAs(marked.asPath, [context.localAs]) }) : marked;
  };
  return (prefix, received, nextHop, interfaceName) => {
    const hindrance =
      findLoop(context, received) ?? findBadNextHop(context, nextHop) ?? findLeak(leakPrevention, received);
    if (hindrance !== undefined) return { accepted: false, reason: hindrance };
    const attributes = amends ? amended.get(received, 0, () => amend(received)) : received;
    const result = policy.apply({ prefix, attributes, source: "peer", peerType, interface: interfaceName });
    if (result.action === "accept") return { accepted: true, attributes: heed(context, result.attributes) };
    return { accepted: false, reason: `policy ${policy.policy.name} rule ${result.rule} rejected` };
  };
}

/** For the routes that we originate. */
export const acceptAll: ImportSide = {
  judge: (_, attributes) => ({ accepted: true, attributes }),
  looksAtPrefix: false,
  passes: () => true,
};

/** The rules of a session, and what spares asking them for every route. */
export function createImportSide(context: ImportContext): ImportSide {
  const { policy, leakPrevention, peerType, treatment, localAs } = context;
  const { rules, defaultAction } = policy.policy;
  const amends = leakPrevention !== undefined || (peerType === "ebgp" && treatment.localAs?.prependReceived === true);
  const isPlain = rules.length === 0 && defaultAction === "accept" && !amends;
  const realAs = treatment.localAs?.realAs ?? localAs;
  // With one of these `judge` has to look closer.
  const special =
    Trait.wellKnownCommunity | (peerType === "ibgp" ? Trait.originatorId | Trait.clusterList : Trait.confederation);
  return {
    judge: createImportRules(context),
    looksAtPrefix: looksAtPrefix(policy.policy),
    passes: (attributes, id, nextHop) =>
      isPlain &&
      attributes.lengthOf(id) > 0 &&
      (attributes.traitsOf(id) & special) === 0 &&
      !attributes.namesAs(id, localAs) &&
      (realAs === localAs || !attributes.namesAs(id, realAs)) &&
      findBadNextHop(context, nextHop) === undefined,
  };
}

function findLeak(prevention: LeakPrevention | undefined, attributes: PathAttributes): string | undefined {
  return prevention && leakOf(prevention.role, attributes.onlyToCustomer, prevention.remoteAs);
}

/** RFC 9234 §5: a route from above or beside may from now on only go down. */
function mark({ role, remoteAs, intern }: LeakPrevention, attributes: PathAttributes): PathAttributes {
  if (attributes.onlyToCustomer !== undefined || !marksOnImport(role)) return attributes;
  return intern({ ...attributes, onlyToCustomer: remoteAs });
}

/** Does what communities ask for. After the policy, which must not take back what the peer wants of its own routes. */
function heed({ peerType, treatment, intern }: ImportContext, attributes: PathAttributes): PathAttributes {
  const { communities, localPref } = attributes;
  if (communities.length === 0) return attributes;
  const isLeaving =
    peerType === "ebgp" &&
    treatment.honourGracefulShutdown !== false &&
    communities.includes(WellKnownCommunity.gracefulShutdown);
  const isToDrop = treatment.honourBlackhole === true && communities.includes(WellKnownCommunity.blackhole);
  let heeded = attributes;
  if (isLeaving && localPref !== 0) heeded = { ...heeded, localPref: 0 };
  // RFC 7999 §3.2: the wish to have packets dropped must not spread further than it was meant.
  if (isToDrop && !communities.includes(WellKnownCommunity.noExport))
    heeded = { ...heeded, communities: [...communities, WellKnownCommunity.noExport] };
  return heeded === attributes ? attributes : intern(heeded);
}

function findLoop(context: ImportContext, attributes: PathAttributes): string | undefined {
  const occurrences = countAs(attributes.asPath, context.localAs);
  if (occurrences > context.allowLocalAs)
    return `AS_PATH loop: own AS ${context.localAs} stands in it ${occurrences} times, ${context.allowLocalAs} allowed`;
  const realAs = context.treatment.localAs?.realAs;
  const real = realAs === undefined ? 0 : countAs(attributes.asPath, realAs);
  if (real > context.allowLocalAs)
    return `AS_PATH loop: own AS ${realAs} stands in it ${real} times, ${context.allowLocalAs} allowed`;
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
