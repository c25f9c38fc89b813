import { IpAddress } from "../../net/address.ts";
import { type AddPathFamily, bgpRoles, type Capability } from "../packet/capability.ts";
import { extendedMaxMessageLength, standardMaxMessageLength } from "../packet/constants.ts";
import { Afi, afiSafiOf, type Family, familyOf } from "../packet/family.ts";
import type { OpenMessage, SessionError } from "../packet/message.ts";
import { roleOf, rolesMatch } from "../roles.ts";
import type { LongLivedStaleness, NegotiatedSession, PeerConfig } from "../types.ts";

type Negotiation =
  | { readonly ok: true; readonly session: NegotiatedSession }
  | { readonly ok: false; readonly error: SessionError };

/**
 * Judges the peer's OPEN by our configuration (RFC 4271 §6.2, 5492, 6286, 6793) and says what both sides agree on: what is
 * in both OPENs. `ours` is the one that the peer gets on this connection.
 */
export function negotiate(
  config: PeerConfig,
  localAddress: IpAddress,
  ours: OpenMessage,
  theirs: OpenMessage,
): Negotiation {
  const remoteAs = asNumberOf(theirs);
  if (remoteAs !== config.remoteAs)
    return refuse(2, 2, `the peer's AS is ${remoteAs ?? "contradictory"}, the configuration wants ${config.remoteAs}`);
  const { bgpIdentifier } = theirs;
  if (bgpIdentifier === 0) return refuse(2, 3, "the peer's BGP identifier is 0");
  // RFC 6286 §2.1: identifiers are unique within an AS only.
  if (bgpIdentifier === ours.bgpIdentifier && config.remoteAs === config.localAs)
    return refuse(2, 3, `the peer's BGP identifier ${IpAddress.v4(bgpIdentifier)} is our own, in the same AS`);
  if (theirs.holdTimeSec === 1 || theirs.holdTimeSec === 2)
    return refuse(2, 6, `hold time ${theirs.holdTimeSec} s; it must be 0 or at least 3`, [0, theirs.holdTimeSec]);
  const families = commonFamilies(config, ours, theirs);
  if (families.length === 0)
    return refuse(2, 7, `no common address family; we want ${config.families.join(", ")}`, wantedCapabilities(config));
  const mismatch = findRoleMismatch(config, theirs);
  if (mismatch !== undefined) return refuse(2, 11, mismatch);
  const both = (kind: Capability["kind"]) => has(ours, kind) && has(theirs, kind);
  const holdTimeSec = Math.min(ours.holdTimeSec, theirs.holdTimeSec);
  const gracefulRestart = negotiateGracefulRestart(families, ours, theirs);
  const longLived = gracefulRestart === undefined ? undefined : negotiateLongLived(families, ours, theirs);
  return {
    ok: true,
    session: {
      peerType: config.remoteAs === config.localAs ? "ibgp" : "ebgp",
      fourOctetAs: both("four-octet-as"),
      maxMessageLength: both("extended-message") ? extendedMaxMessageLength : standardMaxMessageLength,
      families,
      addPathReceive: addPathFamilies(families, theirs, ours),
      addPathSend: addPathFamilies(families, ours, theirs),
      enhancedRouteRefresh: both("enhanced-route-refresh"),
      ipv4OverIpv6: families.includes("ipv4-unicast") && takesIpv6NextHops(ours) && takesIpv6NextHops(theirs),
      remoteIdentifier: bgpIdentifier,
      remoteAddress: config.address,
      localAddress,
      holdTimeSec,
      keepaliveTimeSec: keepaliveTime(config, holdTimeSec),
      routeRefresh: both("route-refresh"),
      ...(gracefulRestart === undefined ? {} : { gracefulRestart }),
      ...(longLived === undefined ? {} : { longLivedGracefulRestart: longLived }),
      remoteCapabilities: theirs.capabilities,
    },
  };
}

/** RFC 7911 §4: families in which `sender` offers to send several paths and `receiver` to take them. */
function addPathFamilies(families: readonly Family[], sender: OpenMessage, receiver: OpenMessage): Family[] {
  const sends = addPathModes(sender);
  const receives = addPathModes(receiver);
  return families.filter((family) => {
    const [from, to] = [sends.get(family), receives.get(family)];
    return from !== undefined && from !== "receive" && to !== undefined && to !== "send";
  });
}

function addPathModes({ capabilities }: OpenMessage): ReadonlyMap<Family | undefined, AddPathFamily["mode"]> {
  const offered = capabilities.flatMap((capability) => (capability.kind === "add-path" ? capability.families : []));
  return new Map(offered.map((entry) => [familyOf(entry), entry.mode]));
}

/** RFC 8950 §4, for IPv4 unicast. */
function takesIpv6NextHops({ capabilities }: OpenMessage): boolean {
  return capabilities.some(
    (capability) =>
      capability.kind === "extended-next-hop" &&
      capability.families.some((entry) => familyOf(entry) === "ipv4-unicast" && entry.nextHopAfi === Afi.ipv6),
  );
}

function has(open: OpenMessage, kind: Capability["kind"]): boolean {
  return open.capabilities.some((capability) => capability.kind === kind);
}

function refuse(code: number, subcode: number, reason: string, data: readonly number[] = []): Negotiation {
  return { ok: false, error: { code, subcode, data: Uint8Array.from(data), reason } };
}

/** The peer's AS: capability 65 decides, not My Autonomous System. Undefined if two capabilities contradict each other. */
export function asNumberOf(open: OpenMessage): number | undefined {
  let asNumber: number | undefined;
  for (const capability of open.capabilities) {
    if (capability.kind !== "four-octet-as") continue;
    if (asNumber !== undefined && asNumber !== capability.asNumber) return undefined;
    asNumber = capability.asNumber;
  }
  return asNumber ?? open.myAs;
}

/** RFC 9234 §4.2: what is wrong with the peer's role; undefined if nothing is. */
function findRoleMismatch(config: PeerConfig, { capabilities }: OpenMessage): string | undefined {
  const own = roleOf(config);
  if (own === undefined) return undefined;
  const values = new Set(capabilities.flatMap((capability) => (capability.kind === "role" ? [capability.value] : [])));
  const [value] = values;
  if (value === undefined) return own.strict === true ? `the peer has no role, and ours is ${own.local}` : undefined;
  if (values.size > 1) return `the peer has several roles: ${[...values].map(roleName).join(", ")}`;
  if (rolesMatch(own.local, bgpRoles[value])) return undefined;
  return `the peer's role is ${roleName(value)}, which does not go with ours, ${own.local}`;
}

function roleName(value: number): string {
  return bgpRoles[value] ?? String(value);
}

/** Those of our configuration that both OPENs offer. */
function commonFamilies(config: PeerConfig, ours: OpenMessage, theirs: OpenMessage): Family[] {
  const offered = offeredFamilies(ours);
  const wanted = offeredFamilies(theirs);
  return config.families.filter((family) => offered.has(family) && wanted.has(family));
}

/** RFC 4760 §8: an OPEN without any multiprotocol capability means IPv4 unicast; with one it means just what it lists. */
function offeredFamilies({ capabilities }: OpenMessage): ReadonlySet<Family | undefined> {
  const offered = capabilities.filter((capability) => capability.kind === "multiprotocol");
  return new Set(offered.length === 0 ? ["ipv4-unicast"] : offered.map(familyOf));
}

/** Data of 2/7 (RFC 5492 §5): the capabilities that we miss, as they would stand in an OPEN. */
function wantedCapabilities(config: PeerConfig): number[] {
  return config.families.flatMap((family) => {
    const { afi, safi } = afiSafiOf(family);
    return [1, 4, 0, afi, 0, safi];
  });
}

/** A third of the hold time, or less if configured; 0 is never (RFC 4271 §4.4: at most one a second). */
function keepaliveTime(config: PeerConfig, holdTimeSec: number): number {
  if (holdTimeSec === 0) return 0;
  const third = Math.max(1, Math.floor(holdTimeSec / 3));
  const wish = config.keepaliveTimeSec;
  return wish === undefined ? third : Math.max(1, Math.min(wish, third));
}

function negotiateGracefulRestart(
  families: readonly Family[],
  ours: OpenMessage,
  open: OpenMessage,
): NegotiatedSession["gracefulRestart"] {
  if (!has(ours, "graceful-restart")) return undefined;
  const theirs = open.capabilities.find((capability) => capability.kind === "graceful-restart");
  if (theirs === undefined) return undefined;
  const preserved = new Map<Family, boolean>();
  for (const entry of theirs.families) {
    const family = familyOf(entry);
    if (family !== undefined && families.includes(family)) preserved.set(family, entry.forwardingPreserved);
  }
  return {
    restarting: theirs.restarting,
    restartTimeSec: theirs.restartTimeSec,
    families: preserved,
    notification: theirs.notification,
  };
}

/** RFC 9494 §4.1: the capability means nothing without that of graceful restart. */
function negotiateLongLived(
  families: readonly Family[],
  ours: OpenMessage,
  open: OpenMessage,
): NegotiatedSession["longLivedGracefulRestart"] {
  const theirs = open.capabilities.find((capability) => capability.kind === "long-lived-graceful-restart");
  if (theirs === undefined || !has(ours, "long-lived-graceful-restart")) return undefined;
  const kept = new Map<Family, LongLivedStaleness>();
  for (const entry of theirs.families) {
    const family = familyOf(entry);
    if (family !== undefined && families.includes(family))
      kept.set(family, { staleTimeSec: entry.staleTimeSec, preserved: entry.forwardingPreserved });
  }
  return kept;
}
