import { type AddPathFamily, bgpRoles, type Capability, type LongLivedFamily } from "../packet/capability.ts";
import { capabilityCode } from "../packet/capability-codec.ts";
import { asTrans } from "../packet/constants.ts";
import { Afi, afiSafiOf, type Family } from "../packet/family.ts";
import type { NotificationMessage, OpenMessage } from "../packet/message.ts";
import { Reader } from "../packet/reader.ts";
import { roleOf } from "../roles.ts";
import type { PeerConfig } from "../types.ts";

/** What the owner knows about its own restart at the moment that an OPEN is made (RFC 4724 §3). */
export interface GracefulRestartState {
  /** The R bit: this process has restarted and its initial convergence is not over. */
  readonly restarting: boolean;
  /** The F bit: families whose kernel routes survived. */
  readonly preservedFamilies: readonly Family[];
}

/** Capability codes that a peer did not take, so that our next OPEN leaves them out; `all` stands for the whole parameter. */
export type WithheldCapabilities = "all" | readonly number[];

export const nothingWithheld: WithheldCapabilities = [];

/** The OPEN that we send. */
export function buildOpen(
  config: PeerConfig,
  routerId: number,
  restart: GracefulRestartState,
  withheld: WithheldCapabilities = nothingWithheld,
): OpenMessage {
  return {
    type: "open",
    version: 4,
    myAs: config.localAs > 0xffff ? asTrans : config.localAs,
    holdTimeSec: config.holdTimeSec,
    bgpIdentifier: routerId,
    capabilities:
      withheld === "all"
        ? []
        : capabilitiesOf(config, restart).filter((capability) => !withheld.includes(capabilityCode(capability))),
  };
}

function capabilitiesOf(config: PeerConfig, restart: GracefulRestartState): Capability[] {
  const capabilities: Capability[] = config.families.map((family) => ({ kind: "multiprotocol", ...afiSafiOf(family) }));
  capabilities.push({ kind: "route-refresh" });
  if (config.extendedMessages !== false) capabilities.push({ kind: "extended-message" });
  const paths = addPathFamilies(config);
  if (paths.length > 0) capabilities.push({ kind: "add-path", families: paths });
  if (config.families.includes("ipv4-unicast") && (config.ipv4OverIpv6 ?? config.address.family === 6))
    capabilities.push({
      kind: "extended-next-hop",
      families: [{ ...afiSafiOf("ipv4-unicast"), nextHopAfi: Afi.ipv6 }],
    });
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
  if (config.gracefulRestart !== undefined)
    // Without a family it says that we treat stale routes of others as we should.
    capabilities.push({ kind: "long-lived-graceful-restart", families: longLivedFamilies(config, restart) });
  const role = roleOf(config);
  if (role !== undefined) capabilities.push({ kind: "role", value: bgpRoles.indexOf(role.local) });
  capabilities.push({ kind: "four-octet-as", asNumber: config.localAs }, { kind: "enhanced-route-refresh" });
  return capabilities;
}

function addPathFamilies({ addPath, families }: PeerConfig): AddPathFamily[] {
  return families.flatMap((family) => {
    const { receive = false, send } = addPath?.[family] ?? {};
    if (!receive && send === undefined) return [];
    const mode = send === undefined ? "receive" : receive ? "both" : "send";
    return [{ ...afiSafiOf(family), mode }];
  });
}

function longLivedFamilies(config: PeerConfig, restart: GracefulRestartState): readonly LongLivedFamily[] {
  const { families, longLivedGracefulRestart } = config;
  if (longLivedGracefulRestart === undefined) return [];
  const { staleTimeSec } = longLivedGracefulRestart;
  return families.map((family) => ({
    ...afiSafiOf(family),
    forwardingPreserved: restart.preservedFamilies.includes(family),
    staleTimeSec,
  }));
}

/** True if the sender of this OPEN is ready for messages of more than 4096 octets (RFC 8654 §4). */
export function offersExtendedMessages(open: OpenMessage): boolean {
  return open.capabilities.some(({ kind }) => kind === "extended-message");
}

/** Codes of what a session cannot do without: families. Capability 65 is another one if our AS number needs it. */
const multiprotocolCode = 1;
const fourOctetAsCode = 65;

const gracefulRestartCode = 64;
const longLivedCode = 71;

/**
 * What to leave out of the next OPEN because the peer answered `ours` with this NOTIFICATION (RFC 5492 §3, §5): after 2/4
 * the whole parameter, after 2/7 the capabilities that its data names. Undefined if it is about something else, or if
 * leaving them out would not help.
 */
export function refusedCapabilities(
  { code, subcode, data }: NotificationMessage,
  ours: OpenMessage,
  config: PeerConfig,
): WithheldCapabilities | undefined {
  if (code !== 2 || ours.capabilities.length === 0) return undefined;
  const needsFourOctets = config.localAs > 0xffff;
  if (subcode === 4) return needsFourOctets || !config.families.includes("ipv4-unicast") ? undefined : "all";
  if (subcode !== 7) return undefined;
  const named = capabilityCodesIn(data);
  // The one means nothing without the other (RFC 9494 §4.1).
  if (named.has(gracefulRestartCode)) named.add(longLivedCode);
  const refused = ours.capabilities
    .map(capabilityCode)
    .filter((own) => named.has(own) && own !== multiprotocolCode && !(own === fourOctetAsCode && needsFourOctets));
  return refused.length === 0 ? undefined : refused;
}

/** The data of a 2/7: capabilities as in an OPEN. */
function capabilityCodesIn(data: Uint8Array): Set<number> {
  const codes = new Set<number>();
  const reader = Reader.of(data);
  while (reader.remaining > 0) {
    const code = reader.u8();
    reader.take(reader.u8());
    if (!reader.overran) codes.add(code);
  }
  return codes;
}
