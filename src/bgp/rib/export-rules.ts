import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { BgpRole } from "../packet/capability.ts";
import type { Family } from "../packet/family.ts";
import type { CodecContext, NextHop } from "../packet/message.ts";
import { isLinkLocal } from "../packet/next-hop.ts";
import { WellKnownCommunity } from "../packet/well-known-communities.ts";
import type { Path, PathSource } from "../paths.ts";
import { commonVerdict, PolicyRunner } from "../policy/apply.ts";
import { looksAtPrefix } from "../policy/match.ts";
import type { Policy } from "../policy/types.ts";
import { marksOnExport, withholdsMarked } from "../roles.ts";
import { familyOfPrefix } from "./adj-rib-in.ts";
import { type AsPathExport, exportAsPath } from "./as-path-export.ts";
import { Trait } from "./attribute-summary.ts";
import { defaultLocalPref } from "./decision-steps.ts";
import { LastResult } from "./last-result.ts";

/** Everything that can alter what a peer is told. Peers of one profile are told the same, in the same octets. */
export interface ExportProfile {
  readonly policy: Policy;
  readonly context: CodecContext;
  /** How many paths of a prefix the peers are told, for families in `context.addPathSend`; all if absent. */
  readonly addPathLimits: Readonly<Partial<Record<Family, number>>>;
  readonly localAs: number;
  /** What happens to AS_PATHs towards eBGP besides; nothing but `localAs` in front if absent. */
  readonly asPath?: AsPathExport;
  /** Everything goes out with the wish to be avoided (RFC 8326). */
  readonly gracefulShutdown?: true;
  readonly routeReflectorClient: boolean;
  readonly clusterId: number;
  readonly nextHopMode: "auto" | "self" | "keep";
  /** The peer treats routes of last resort as such (RFC 9494). */
  readonly longLivedStale?: boolean;
  /** What we are to the peer (RFC 9234). */
  readonly role?: BgpRole;
  /** What next hop self means, per family; a family without one has no routes that need it. */
  readonly selfAddresses: Readonly<Partial<Record<Family, IpAddress>>>;
}

/** What of the speaker as a whole matters for export. */
export interface ExportIdentity {
  readonly intern: (attributes: PathAttributes) => PathAttributes;
}

/** A path as a peer group is told it, or why it is not. */
export type ExportResult =
  | { readonly announced: true; readonly attributes: PathAttributes; readonly nextHop: NextHop }
  | { readonly announced: false; readonly reason: string; readonly byPolicy?: true };

/** What a policy does with all routes that are alike: they pass as they are, or are refused for a reason. */
export interface ExportVerdict {
  readonly refusal?: string;
}

const passes: ExportVerdict = {};

/** The export side of one profile: whether a path goes out, and as what. Remembers rewritten attributes. */
export class ExportRules {
  readonly profile: ExportProfile;
  /** False if what becomes of a path is the same for all prefixes of a family. */
  readonly looksAtPrefix: boolean;
  /** What the policy does with all routes there are; undefined if they are not alike to it. */
  readonly common: ExportVerdict | undefined;
  readonly #identity: ExportIdentity;
  readonly #policy: PolicyRunner;
  readonly #rewritten = new LastResult();
  readonly #withoutMed = new LastResult();
  readonly #self: Readonly<Partial<Record<Family, NextHop>>>;

  constructor(profile: ExportProfile, identity: ExportIdentity) {
    this.profile = profile;
    this.looksAtPrefix = looksAtPrefix(profile.policy);
    const { rules, defaultAction } = profile.policy;
    this.common = rules.length === 0 && defaultAction === "accept" ? passes : undefined;
    this.#identity = identity;
    this.#policy = new PolicyRunner(profile.policy, identity.intern);
    this.#self = Object.fromEntries(
      Object.entries(profile.selfAddresses).map(([family, address]) => [family, { address }]),
    );
  }

  /**
   * What the policy does with every route with this prefix and source, undefined if that depends on what the route is like, or
   * something else may forbid it first. `traits` are those of its attributes.
   */
  verdictOf(prefix: Prefix, source: PathSource, traits: number): ExportVerdict | undefined {
    const { context, routeReflectorClient, policy } = this.profile;
    if ((traits & (Trait.wellKnownCommunity | Trait.onlyToCustomer)) !== 0) return undefined;
    const isInternal = context.peerType === "ibgp" && source.kind === "peer" && source.type === "ibgp";
    if (isInternal && !source.routeReflectorClient && !routeReflectorClient) return undefined;
    if (!context.families.includes(familyOfPrefix(prefix))) return undefined;
    const verdict = commonVerdict(policy, { prefix, source: source.kind, peerType: context.peerType });
    if (verdict?.action === "reject") return { refusal: refusedBy(policy, verdict.rule) };
    return verdict && passes;
  }

  /**
   * The path as it goes to every peer of this profile (who is left out for its own sake is the group's matter).
   * `interfaceName` is the one by which its next hop is reached.
   */
  apply(path: Path, interfaceName?: string): ExportResult {
    const { context } = this.profile;
    if (!context.families.includes(familyOfPrefix(path.prefix))) return refuse("family not negotiated");
    const hindrance = this.#leak(path.attributes) ?? this.#hindrance(path.source, path.attributes);
    if (hindrance !== undefined) return refuse(hindrance);
    const result = this.#policy.apply({
      prefix: path.prefix,
      attributes: this.#beforePolicy(path),
      source: path.source.kind,
      peerType: context.peerType,
      interface: interfaceName,
    });
    if (result.action === "reject") return refuse(refusedBy(this.profile.policy, result.rule), { byPolicy: true });
    const nextHop = this.nextHopFor(path.nextHop, familyOfPrefix(path.prefix));
    if (nextHop === undefined) return refuse("no address of the route's family to stand as next hop");
    return { announced: true, attributes: this.#rewrite(result.attributes, path.source), nextHop };
  }

  /** RFC 9234 §5: a route that has gone down or sideways must not go up or sideways. */
  #leak({ onlyToCustomer }: PathAttributes): string | undefined {
    const { role } = this.profile;
    if (onlyToCustomer === undefined || role === undefined || !withholdsMarked(role)) return undefined;
    return `route leak: OTC of AS ${onlyToCustomer}, and we are the ${role} of the session`;
  }

  /** What forbids to pass on a learned route, whatever the policy says. */
  #hindrance(source: PathSource, attributes: PathAttributes): string | undefined {
    if (source.kind === "local") return undefined;
    const { context, routeReflectorClient } = this.profile;
    const { communities } = attributes;
    if (communities.includes(WellKnownCommunity.noAdvertise)) return "community NO_ADVERTISE";
    if (context.peerType === "ebgp" && this.#isOfLastResort(attributes))
      return "community LLGR_STALE, and the peer does not know long-lived graceful restart";
    if (context.peerType === "ebgp") {
      if (communities.includes(WellKnownCommunity.noExport)) return "community NO_EXPORT";
      if (communities.includes(WellKnownCommunity.noExportSubconfed)) return "community NO_EXPORT_SUBCONFED";
      return undefined;
    }
    // RFC 4271 §9.2 and, for reflectors, RFC 4456 §6.
    if (source.type === "ibgp" && !source.routeReflectorClient && !routeReflectorClient)
      return "iBGP split horizon: neither side is a route reflector client";
    return undefined;
  }

  /** RFC 9494 §4.6: true if the peer must not take the route for a good one. */
  #isOfLastResort({ communities }: PathAttributes): boolean {
    return this.profile.longLivedStale !== true && communities.includes(WellKnownCommunity.longLivedStale);
  }

  /** RFC 4271 §5.1.4: a MED learned from a peer goes no further than this AS. One that the policy sets is our own. */
  #beforePolicy(path: Path): PathAttributes {
    const { attributes } = path;
    if (this.profile.context.peerType === "ibgp" || path.source.kind === "local" || attributes.med === undefined)
      return attributes;
    return this.#withoutMed.get(attributes, 0, () => {
      const { med: _, ...others } = attributes;
      return this.#identity.intern(others);
    });
  }

  /** What a route with this next hop gets; undefined if there is no address of its family to stand as next hop. */
  nextHopFor(nextHop: NextHop | undefined, family: Family): NextHop | undefined {
    const { context, nextHopMode } = this.profile;
    const self = nextHopMode === "self" || (nextHopMode === "auto" && context.peerType === "ebgp");
    // RFC 2545 §2: a link-local address is only good on the link that it came from.
    const isTellable =
      nextHop !== undefined &&
      !isLinkLocal(nextHop.address) &&
      (family === "ipv6-unicast"
        ? nextHop.address.family === 6
        : nextHop.address.family === 4 || context.ipv4OverIpv6 === true);
    if (self || !isTellable) return this.#self[family];
    return nextHop.linkLocal === undefined ? nextHop : { address: nextHop.address };
  }

  #rewrite(attributes: PathAttributes, source: PathSource): PathAttributes {
    const { context, clusterId } = this.profile;
    const reflected = context.peerType === "ibgp" && source.kind === "peer" && source.type === "ibgp";
    const originator = reflected ? (attributes.originatorId ?? source.identifier) : -1;
    return this.#rewritten.get(attributes, originator, () => {
      const reflection = reflected ? { originator, clusterId } : undefined;
      const rewritten =
        context.peerType === "ebgp"
          ? towardsEbgp(attributes, this.profile)
          : towardsIbgp(this.#isOfLastResort(attributes) ? asLastResort(attributes) : attributes, reflection);
      return this.#identity.intern(this.profile.gracefulShutdown === true ? aboutToGo(rewritten) : rewritten);
    });
  }
}

/** Bit T of an extended community's type (RFC 4360 §2): it stays inside an AS. */
const nonTransitive = 1n << 62n;

/** RFC 4271 §5.1.2 and §5.1.5, RFC 4360 §6, RFC 4456 §8: our AS in front, nothing that belongs inside an AS. */
function towardsEbgp(attributes: PathAttributes, { localAs, asPath, role }: ExportProfile): PathAttributes {
  const { localPref: _, originatorId: __, ...others } = attributes;
  const isMarked = role !== undefined && marksOnExport(role);
  return {
    ...others,
    clusterList: [],
    extendedCommunities: attributes.extendedCommunities.filter((community) => (community & nonTransitive) === 0n),
    asPath: exportAsPath(attributes.asPath, asPath ?? { prepend: [localAs] }),
    ...(isMarked ? { onlyToCustomer: attributes.onlyToCustomer ?? localAs } : {}),
  };
}

/** RFC 8326 §4.1: the community for those who compute LOCAL_PREF themselves, and its result for iBGP. */
function aboutToGo(attributes: PathAttributes): PathAttributes {
  const { communities, localPref } = attributes;
  return {
    ...attributes,
    ...(localPref !== undefined && { localPref: 0 }),
    communities: [...new Set([...communities, WellKnownCommunity.gracefulShutdown])],
  };
}

/** RFC 9494 §4.6, partial deployment: inside our AS the route may be known, but nobody shall prefer it or pass it on. */
function asLastResort(attributes: PathAttributes): PathAttributes {
  const { communities } = attributes;
  const { noExport } = WellKnownCommunity;
  const told = communities.includes(noExport) ? communities : [...communities, noExport];
  return { ...attributes, communities: told, localPref: 0 };
}

/** RFC 4271 §5.1.5: LOCAL_PREF is mandatory. RFC 4456 §8: a reflector names the originator once and itself always. */
function towardsIbgp(
  attributes: PathAttributes,
  reflection: { originator: number; clusterId: number } | undefined,
): PathAttributes {
  const localPref = attributes.localPref ?? defaultLocalPref;
  if (reflection === undefined) return attributes.localPref === undefined ? { ...attributes, localPref } : attributes;
  return {
    ...attributes,
    localPref,
    originatorId: reflection.originator,
    clusterList: [reflection.clusterId, ...attributes.clusterList],
  };
}

function refusedBy(policy: Policy, rule: string): string {
  return `policy ${policy.name} rule ${rule} rejected`;
}

function refuse(reason: string, detail: { readonly byPolicy?: true } = {}): ExportResult {
  return { announced: false, reason, ...detail };
}
