import { diagnosticText } from "../../bgp/bfd/packet.ts";
import type { BfdStatus } from "../../bgp/bfd/types.ts";
import { formatCapability } from "../../bgp/packet/index.ts";
import type { PeerStatus } from "../../bgp/types.ts";
import type { TcpKey } from "../../core/tcp.ts";
import { IpAddress } from "../../net/address.ts";
import type { PeerView } from "./views.ts";

export function peerView(status: PeerStatus, bfd: BfdStatus | undefined): PeerView {
  const { config, negotiated, counters } = status;
  return {
    name: config.name,
    description: config.description,
    address: config.address.toString(),
    port: config.port,
    localAs: config.localAs,
    remoteAs: config.remoteAs,
    type: config.localAs === config.remoteAs ? "ibgp" : "ebgp",
    passive: config.passive,
    state: status.state,
    since: new Date(status.sinceMs).toISOString(),
    reason: reasonOf(status),
    routerId: negotiated === undefined ? null : IpAddress.v4(negotiated.remoteIdentifier).toString(),
    localAddress: negotiated?.localAddress.toString() ?? config.localAddress?.toString() ?? null,
    holdTimeSec: negotiated?.holdTimeSec ?? null,
    keepaliveTimeSec: negotiated?.keepaliveTimeSec ?? null,
    families: [...(negotiated?.families ?? config.families)],
    authentication: authenticationOf(config.transport?.key),
    minimumTtl: config.transport?.minimumTtl ?? null,
    gracefulRestart: negotiated?.gracefulRestart !== undefined,
    capabilities: negotiated?.remoteCapabilities.map(formatCapability) ?? [],
    routes: {
      received: status.received,
      accepted: status.accepted,
      advertised: status.advertised,
      stale: status.stale,
      discarded: status.discarded,
    },
    messages: {
      received: counters.messagesReceived,
      sent: counters.messagesSent,
      updatesReceived: counters.updatesReceived,
      updatesSent: counters.updatesSent,
    },
    timesEstablished: counters.established,
    bfd: bfdView(status.config.bfd !== undefined, bfd),
  };
}

/** Before the first session is Established nobody knows from where to watch. */
function bfdView(isWanted: boolean, bfd: BfdStatus | undefined): PeerView["bfd"] {
  if (!isWanted) return null;
  if (bfd === undefined)
    return {
      state: "Down",
      since: null,
      reason: "waits for the BGP session",
      transmitIntervalMs: null,
      detectionTimeMs: null,
    };
  const { state, sinceMs, diagnostic, problem, transmitIntervalMs, detectionTimeMs } = bfd;
  return {
    state,
    since: new Date(sinceMs).toISOString(),
    reason: problem ?? (diagnostic === 0 ? null : diagnosticText(diagnostic)),
    transmitIntervalMs,
    detectionTimeMs: detectionTimeMs ?? null,
  };
}

function authenticationOf(key: TcpKey | undefined): PeerView["authentication"] {
  if (key === undefined) return "none";
  return key.kind === "md5" ? "tcp-md5" : "tcp-ao";
}

/** The last failure, and with it what the peer or we said when the session ended, which a failed dial must not hide. */
function reasonOf({ lastReason, lastDown }: PeerStatus): string | null {
  if (lastReason === undefined) return null;
  // What an operator did says by itself how the session ended.
  const isSaid = lastReason.kind === "administrative" || lastDown?.text === lastReason.text;
  if (lastDown === undefined || isSaid) return lastReason.text;
  return `${lastReason.text} (the session ended: ${lastDown.text})`;
}
