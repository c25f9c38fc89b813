import { IpAddress } from "../net/address.ts";
import { parseDuration } from "./duration.ts";
import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import { type SecretKeySelector, secretReference } from "./secret-reference.ts";
import { compileSelector, type Selector } from "./selector.ts";
import {
  duration,
  ipAddress,
  type PeerAddress,
  parsePeerAddress,
  peerAddress,
  resourceName,
  selector,
} from "./text-formats.ts";

/** Who peers with whom: the nodes that `node` or `nodeSelector` picks with what `peerIP` or `peerSelector` names. */
export interface BgpPeerSpec {
  readonly node?: string;
  readonly nodeSelector?: string;
  /** `IP`, `IPv4:port` or `[IPv6]:port`; a link-local address with its device as in `fe80::1%eth0`. */
  readonly peerIP?: string;
  readonly asNumber?: number;
  readonly localASNumber?: number;
  readonly peerSelector?: string;
  readonly keepOriginalNextHop?: boolean;
  readonly nextHopMode?: NextHopMode;
  readonly password?: { readonly secretKeyRef?: SecretKeySelector };
  readonly sourceAddress?: "UseNodeIP" | "None";
  readonly maxRestartTime?: string;
  readonly keepaliveTime?: string;
  readonly numAllowedLocalASNumbers?: number;
  readonly ttlSecurity?: number;
  readonly reachableBy?: string;
  readonly filters?: readonly string[];
  readonly localWorkloadSelector?: string;
  readonly reversePeering?: "Auto" | "Manual";
}

export type NextHopMode = "Auto" | "Self" | "Keep";

/** A peer's spec with every default in place and its texts read. */
export interface EffectiveBgpPeer {
  /** True for the nodes that this peering is for. */
  readonly appliesToNode: (nodeName: string, labels: Readonly<Record<string, string>>) => boolean;
  /** The peer's address; absent for `peerSelector` and `localWorkloadSelector`. */
  readonly peer?: PeerAddress;
  /** Nodes that are peers, by their labels. */
  readonly selectsPeer?: Selector;
  /** Local workloads that are peers, by their labels. */
  readonly selectsLocalWorkload?: Selector;
  /** Absent: that of the peer's Node object, or not known. */
  readonly asNumber?: number;
  readonly localAsNumber?: number;
  readonly nextHopMode: NextHopMode;
  readonly sourceAddress: "UseNodeIP" | "None";
  readonly maxRestartTimeMs?: number;
  readonly keepaliveTimeMs?: number;
  readonly numAllowedLocalAsNumbers: number;
  /** Least TTL of packets from the peer (RFC 5082); absent without TTL security. */
  readonly minimumTtl?: number;
  readonly reachableBy?: IpAddress;
  readonly filters: readonly string[];
  readonly reversePeering: "Auto" | "Manual";
}

export const bgpPeerKind = defineKind<BgpPeerSpec>({
  kind: "BGPPeer",
  description: "A BGP session, or several: the nodes on our side, and the router, nodes or pods on the other.",
  plural: "bgppeers",
  namespaced: false,
  aliases: ["bgppeer", "bgpp", "bgpps", "bp", "bps"],
  spec: {
    type: "object",
    fields: {
      node: { type: "text", format: resourceName },
      nodeSelector: { type: "text", format: selector },
      peerIP: { type: "text", format: peerAddress },
      asNumber: { type: "asNumber" },
      localASNumber: { type: "asNumber", zero: "keep" },
      peerSelector: { type: "text", format: selector },
      keepOriginalNextHop: { type: "boolean" },
      nextHopMode: { type: "text", values: ["Auto", "Self", "Keep"] },
      password: secretReference,
      sourceAddress: { type: "text", values: ["UseNodeIP", "None"] },
      maxRestartTime: { type: "text", format: duration },
      keepaliveTime: { type: "text", format: duration },
      numAllowedLocalASNumbers: { type: "integer", zero: "keep", min: 0, max: 0x7fffffff },
      ttlSecurity: { type: "integer", zero: "keep", min: 0, max: 255 },
      reachableBy: { type: "text", format: ipAddress },
      filters: { type: "list", items: { type: "text", format: resourceName } },
      localWorkloadSelector: { type: "text", format: selector },
      reversePeering: { type: "text", values: ["Auto", "Manual"] },
    },
  },
  check: checkBgpPeer,
});

/** Reads a valid spec and fills in the defaults. */
export function effectiveBgpPeer(spec: BgpPeerSpec): EffectiveBgpPeer {
  const { node, nodeSelector, peerIP, peerSelector, localWorkloadSelector, asNumber, localASNumber, reachableBy } =
    spec;
  const selectsNode = compileSelector(nodeSelector ?? "");
  const peer = peerIP === undefined ? undefined : parsePeerAddress(peerIP);
  const maxRestartTimeMs = parseDuration(spec.maxRestartTime ?? "");
  const keepaliveTimeMs = parseDuration(spec.keepaliveTime ?? "");
  return {
    appliesToNode: (nodeName, labels) => (node === undefined ? selectsNode(labels) : node === nodeName),
    ...(peer !== undefined && { peer }),
    ...(peerSelector !== undefined && { selectsPeer: compileSelector(peerSelector) }),
    ...(localWorkloadSelector !== undefined && { selectsLocalWorkload: compileSelector(localWorkloadSelector) }),
    ...(asNumber !== undefined && { asNumber }),
    ...(localASNumber !== undefined && { localAsNumber: localASNumber }),
    nextHopMode: spec.nextHopMode ?? (spec.keepOriginalNextHop === true ? "Keep" : "Auto"),
    sourceAddress: spec.sourceAddress ?? "UseNodeIP",
    ...(maxRestartTimeMs !== undefined && { maxRestartTimeMs }),
    ...(keepaliveTimeMs !== undefined && { keepaliveTimeMs }),
    numAllowedLocalAsNumbers: spec.numAllowedLocalASNumbers ?? 0,
    ...(spec.ttlSecurity && { minimumTtl: 256 - spec.ttlSecurity }),
    ...(reachableBy !== undefined && { reachableBy: IpAddress.parse(reachableBy) }),
    filters: spec.filters ?? [],
    reversePeering: spec.reversePeering ?? "Auto",
  };
}

/** Pairs of which one object may have one. */
const exclusivePairs = [
  ["nodeSelector", "node"],
  ["peerSelector", "peerIP"],
  ["localWorkloadSelector", "peerIP"],
  ["localWorkloadSelector", "peerSelector"],
  ["keepOriginalNextHop", "nextHopMode"],
] as const satisfies readonly (readonly [keyof BgpPeerSpec, keyof BgpPeerSpec])[];

function checkBgpPeer(spec: BgpPeerSpec): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const report = (field: keyof BgpPeerSpec, reason: string) => problems.push(specProblem(field, spec[field], reason));
  for (const [field, other] of exclusivePairs)
    if (spec[field] !== undefined && spec[other] !== undefined) report(field, `must not be set together with ${other}`);
  if (spec.peerSelector !== undefined && spec.asNumber !== undefined)
    report("asNumber", "must be absent with peerSelector: the AS numbers of the selected nodes are used");
  if (spec.localWorkloadSelector !== undefined && spec.asNumber === undefined)
    report("asNumber", "is required with localWorkloadSelector");
  if (spec.reachableBy !== undefined) {
    const peer = parsePeerAddress(spec.peerIP ?? "");
    if (peer === undefined) report("reachableBy", "needs peerIP");
    else if (peer.address.family !== IpAddress.parse(spec.reachableBy).family)
      report("reachableBy", `must be of the same family as peerIP ${spec.peerIP}`);
  }
  return problems;
}
