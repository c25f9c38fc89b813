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
      node: {
        description: "The one node that has this peering. Not together with nodeSelector.",
        default: "all nodes",
        type: "text",
        format: resourceName,
      },
      nodeSelector: {
        description: "The nodes that have this peering, by their labels.",
        default: "all nodes",
        type: "text",
        format: selector,
      },
      peerIP: {
        description:
          "The peer's address, with a port as in 10.0.0.1:1790 or [fd00::1]:1790, or with a device as in fe80::1%eth0.",
        type: "text",
        format: peerAddress,
      },
      asNumber: {
        description: "The peer's AS number. Absent with peerSelector: the selected nodes' own.",
        type: "asNumber",
      },
      localASNumber: {
        description: "The AS number that we use towards this peer.",
        default: "the node's",
        type: "asNumber",
        zero: "keep",
      },
      peerSelector: {
        description: "The nodes that are peers, by their labels. Not together with peerIP.",
        type: "text",
        format: selector,
      },
      keepOriginalNextHop: {
        description: "Deprecated: nextHopMode Keep takes its place.",
        default: "false",
        type: "boolean",
      },
      nextHopMode: {
        description:
          "The next hop of the routes that we tell: Self is our address, Keep what we have learned, Auto is Self for eBGP and Keep for iBGP.",
        default: "Auto",
        type: "text",
        values: ["Auto", "Self", "Keep"],
      },
      password: {
        ...secretReference,
        description: "The password of the session (TCP MD5, RFC 2385).",
        default: "none",
      },
      sourceAddress: {
        description: "Our address of the session: the node's, or None for the one that the kernel chooses.",
        default: "UseNodeIP",
        type: "text",
        values: ["UseNodeIP", "None"],
      },
      maxRestartTime: {
        description: "How long routes of the peer stay while it restarts (RFC 4724).",
        default: "the node's",
        type: "text",
        format: duration,
      },
      keepaliveTime: {
        description: "How often we send a keepalive.",
        default: "a third of the hold time",
        type: "text",
        format: duration,
      },
      numAllowedLocalASNumbers: {
        description: "How often our own AS number may be in the path of a route that we accept.",
        default: "0",
        type: "integer",
        zero: "keep",
        min: 0,
        max: 0x7fffffff,
      },
      ttlSecurity: {
        description:
          "How many hops away the peer may be; packets from further away are dropped (RFC 5082). 0 for any distance.",
        default: "0",
        unit: "hops",
        type: "integer",
        zero: "keep",
        min: 0,
        max: 255,
      },
      reachableBy: {
        description: "The gateway through which the peer is reached. Needs peerIP of the same family.",
        default: "as the kernel routes",
        type: "text",
        format: ipAddress,
      },
      filters: {
        description: "BGPFilters for the routes of this peering, in this order. They must exist.",
        default: "none",
        type: "list",
        items: { type: "text", format: resourceName },
      },
      localWorkloadSelector: {
        description:
          "Pods on the node that are peers, by their labels. Needs asNumber; not together with peerIP or peerSelector.",
        type: "text",
        format: selector,
      },
      reversePeering: {
        description:
          "Auto: a node that is a peer by peerSelector or peerIP gets the session back without a BGPPeer of its own.",
        default: "Auto",
        type: "text",
        values: ["Auto", "Manual"],
      },
    },
  },
  check: checkBgpPeer,
});

/** By the spec, which never changes: selectors are compiled once, not at every change of another object. */
const effectivePeers = new WeakMap<BgpPeerSpec, EffectiveBgpPeer>();

/** Reads a valid spec and fills in the defaults. The same object for the same spec. */
export function effectiveBgpPeer(spec: BgpPeerSpec): EffectiveBgpPeer {
  const known = effectivePeers.get(spec);
  if (known !== undefined) return known;
  const effective = readBgpPeer(spec);
  effectivePeers.set(spec, effective);
  return effective;
}

function readBgpPeer(spec: BgpPeerSpec): EffectiveBgpPeer {
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
