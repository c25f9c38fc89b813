import { IpAddress } from "../../net/address.ts";
import type { Capability } from "../packet/capability.ts";
import { asTrans } from "../packet/constants.ts";
import { afiSafiOf, type Family, familyOf } from "../packet/family.ts";
import type { OpenMessage, SessionError } from "../packet/message.ts";
import type { NegotiatedSession, PeerConfig } from "../types.ts";

/** What the owner knows about its own restart at the moment that an OPEN goes out (RFC 4724 §3). */
export interface GracefulRestartState {
  /** The R bit: this process has restarted and its initial convergence is not over. */
  readonly restarting: boolean;
  /** The F bit: families whose kernel routes survived. */
  readonly preservedFamilies: readonly Family[];
}

/** The OPEN that we send. */
export function buildOpen(config: PeerConfig, routerId: number, restart: GracefulRestartState): OpenMessage {
  const capabilities: Capability[] = config.families.map((family) => ({ kind: "multiprotocol", ...afiSafiOf(family) }));
  capabilities.push({ kind: "route-refresh" }, { kind: "four-octet-as", asNumber: config.localAs });
  if (config.gracefulRestart !== undefined)
    capabilities.push({
      kind: "graceful-restart",
      restarting: restart.restarting,
      notification: true,
      restartTimeSec: config.gracefulRestart.restartTimeSec,
      families: config.families.map((family) => ({
        ...afiSafiOf(family),
        forwardingPreserved: restart.preservedFamilies.includes(family),
      })),
    });
  return {
    type: "open",
    version: 4,
    myAs: config.localAs > 0xffff ? asTrans : config.localAs,
    holdTimeSec: config.holdTimeSec,
    bgpIdentifier: routerId,
    capabilities,
  };
}

type Negotiation =
  | { readonly ok: true; readonly session: NegotiatedSession }
  | { readonly ok: false; readonly error: SessionError };

/** Judges the peer's OPEN by our configuration (RFC 4271 §6.2, 5492, 6286, 6793) and says what both sides agree on. */
export function negotiate(
  config: PeerConfig,
  routerId: number,
  localAddress: IpAddress,
  open: OpenMessage,
): Negotiation {
  const remoteAs = asNumberOf(open);
  if (remoteAs !== config.remoteAs)
    return refuse(2, 2, `the peer's AS is ${remoteAs ?? "contradictory"}, the configuration wants ${config.remoteAs}`);
  if (open.bgpIdentifier === 0) return refuse(2, 3, "the peer's BGP identifier is 0");
  // RFC 6286 §2.1: identifiers are unique within an AS only.
  if (open.bgpIdentifier === routerId && config.remoteAs === config.localAs)
    return refuse(2, 3, `the peer's BGP identifier ${IpAddress.v4(routerId)} is our own, in the same AS`);
  if (open.holdTimeSec === 1 || open.holdTimeSec === 2)
    return refuse(2, 6, `hold time ${open.holdTimeSec} s; it must be 0 or at least 3`, [0, open.holdTimeSec]);
  const families = commonFamilies(config, open);
  if (families.length === 0)
    return refuse(2, 7, `no common address family; we want ${config.families.join(", ")}`, wantedCapabilities(config));
  const holdTimeSec = Math.min(config.holdTimeSec, open.holdTimeSec);
  const gracefulRestart = negotiateGracefulRestart(config, families, open);
  return {
    ok: true,
    session: {
      peerType: config.remoteAs === config.localAs ? "ibgp" : "ebgp",
      fourOctetAs: open.capabilities.some((capability) => capability.kind === "four-octet-as"),
      maxMessageLength: 4096,
      families,
      addPathReceive: [],
      addPathSend: [],
      remoteIdentifier: open.bgpIdentifier,
      remoteAddress: config.address,
      localAddress,
      holdTimeSec,
      keepaliveTimeSec: keepaliveTime(config, holdTimeSec),
      routeRefresh: open.capabilities.some((capability) => capability.kind === "route-refresh"),
      ...(gracefulRestart === undefined ? {} : { gracefulRestart }),
      remoteCapabilities: open.capabilities,
    },
  };
}

function refuse(code: number, subcode: number, reason: string, data: readonly number[] = []): Negotiation {
  return { ok: false, error: { code, subcode, data: Uint8Array.from(data), reason } };
}

/** The peer's AS: capability 65 decides, not My Autonomous System. Undefined if two capabilities contradict each other. */
function asNumberOf(open: OpenMessage): number | undefined {
  let asNumber: number | undefined;
  for (const capability of open.capabilities) {
    if (capability.kind !== "four-octet-as") continue;
    if (asNumber !== undefined && asNumber !== capability.asNumber) return undefined;
    asNumber = capability.asNumber;
  }
  return asNumber ?? open.myAs;
}

/** RFC 4760 §8: an OPEN without any multiprotocol capability means IPv4 unicast; with one it means just what it lists. */
function commonFamilies(config: PeerConfig, open: OpenMessage): Family[] {
  const offered = open.capabilities.filter((capability) => capability.kind === "multiprotocol");
  if (offered.length === 0) return config.families.filter((family) => family === "ipv4-unicast");
  const theirs = new Set(offered.map(familyOf));
  return config.families.filter((family) => theirs.has(family));
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
  config: PeerConfig,
  families: readonly Family[],
  open: OpenMessage,
): NegotiatedSession["gracefulRestart"] {
  if (config.gracefulRestart === undefined) return undefined;
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
