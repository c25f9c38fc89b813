import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import type { CodecContext, NextHop } from "../../src/bgp/packet/message.ts";
import type { Path, PathSource } from "../../src/bgp/paths.ts";
import type { Policy } from "../../src/bgp/policy/types.ts";
import type { NegotiatedSession, PeerConfig } from "../../src/bgp/types.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";

/** Attributes of a plain route with AS_PATH `asPath`, and whatever `others` says. */
export function attributesOf(asPath: readonly number[] = [], others: Partial<PathAttributes> = {}): PathAttributes {
  return {
    origin: 0,
    asPath: asPath.length === 0 ? [] : [{ type: "sequence", asNumbers: asPath }],
    atomicAggregate: false,
    communities: [],
    extendedCommunities: [],
    largeCommunities: [],
    clusterList: [],
    unknown: [],
    ...others,
  };
}

export const prefixOf = (text: string): Prefix => Prefix.parse(text);
export const addressOf = (text: string): IpAddress => IpAddress.parse(text);
export const via = (text: string): NextHop => ({ address: IpAddress.parse(text) });

export const acceptPolicy: Policy = { name: "accept", rules: [], defaultAction: "accept" };

/** A peer 10.0.0.`number` that the speaker hears from. */
export function peerSource(
  number: number,
  others: Partial<Extract<PathSource, { kind: "peer" }>> = {},
): Extract<PathSource, { kind: "peer" }> {
  return {
    kind: "peer",
    peer: `peer-${number}`,
    address: addressOf(`10.0.0.${number}`),
    type: "ibgp",
    remoteAs: 64512,
    identifier: 0x0a000000 + number,
    routeReflectorClient: false,
    ...others,
  };
}

export function pathOf(source: PathSource, attributes: PathAttributes, others: Partial<Path> = {}): Path {
  return {
    prefix: prefixOf("192.0.2.0/24"),
    pathId: 0,
    attributes,
    nextHop: source.kind === "peer" ? { address: source.address } : undefined,
    source,
    stale: false,
    ...others,
  };
}

export function contextOf(peerType: "ibgp" | "ebgp", others: Partial<CodecContext> = {}): CodecContext {
  return {
    peerType,
    fourOctetAs: true,
    maxMessageLength: 4096,
    families: ["ipv4-unicast"],
    addPathReceive: [],
    addPathSend: [],
    ...others,
  };
}

export function peerConfigOf(
  identity: { readonly name: string; readonly address: string; readonly port: number },
  others: Partial<PeerConfig> = {},
): PeerConfig {
  return {
    name: identity.name,
    description: "test",
    address: addressOf(identity.address),
    port: identity.port,
    localAs: 64512,
    remoteAs: 64512,
    passive: false,
    holdTimeSec: 90,
    families: ["ipv4-unicast"],
    routeReflectorClient: false,
    nextHopMode: "auto",
    allowLocalAs: 0,
    importPolicy: acceptPolicy,
    exportPolicy: acceptPolicy,
    ...others,
  };
}

export function sessionOf(config: PeerConfig, others: Partial<NegotiatedSession> = {}): NegotiatedSession {
  return {
    ...contextOf(config.localAs === config.remoteAs ? "ibgp" : "ebgp", { families: config.families }),
    remoteIdentifier: config.address.w0,
    remoteAddress: config.address,
    localAddress: addressOf("10.0.0.100"),
    holdTimeSec: 90,
    keepaliveTimeSec: 30,
    routeRefresh: true,
    remoteCapabilities: [],
    ...others,
  };
}
