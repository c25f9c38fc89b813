import type { PeerConfig } from "../../bgp/types.ts";
import type { IpAddress } from "../../net/address.ts";
import type { SecretKeySelector } from "../../resources/secret-reference.ts";
import type { PeerAddress } from "../../resources/text-formats.ts";
import type { PeerOptions } from "./peer-options.ts";
import type { PeerPolicies } from "./policy-book.ts";
import type { SecretAnswer, TransportWish } from "./transport.ts";

/** What peering must know of a Node. */
export interface PeeringNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ipv4Address?: IpAddress;
  readonly ipv6Address?: IpAddress;
  /** The node's own AS number; the cluster's if absent. */
  readonly asNumber?: number;
  readonly routeReflectorClusterId?: string;
  /** The node's own listen port (BGPConfiguration `node.<name>`); the cluster's if absent. */
  readonly listenPort?: number;
}

/** The cluster-wide part of the BGPConfiguration `default`, with its defaults filled in. */
export interface ClusterBgp {
  readonly asNumber: number;
  readonly meshEnabled: boolean;
  readonly meshRestartTimeSec: number;
  readonly listenPort: number;
  /** Of all sessions of the mesh. */
  readonly meshPassword?: TransportWish["password"];
  /** What the sessions of the mesh have beyond Calico's schema. */
  readonly meshOptions?: PeerOptions;
}

/** A BGPPeer resource with its selectors compiled and its texts parsed. */
export interface ExplicitPeer extends Omit<TransportWish, "device"> {
  readonly name: string;
  /** Which nodes this applies to; "global" is every node. */
  readonly appliesTo: "global" | ((node: PeeringNode) => boolean);
  /** Who is at the other end: an address, or all nodes that a selector matches. */
  readonly target:
    | ({ readonly kind: "address" } & PeerAddress)
    | { readonly kind: "nodes"; readonly matches: (node: PeeringNode) => boolean };
  readonly asNumber?: number;
  readonly localAsNumber?: number;
  readonly nextHopMode: "auto" | "self" | "keep";
  /** Use the node's address as source, which is the default; false leaves it to the kernel. */
  readonly sourceIsNodeAddress: boolean;
  readonly restartTimeSec?: number;
  readonly keepaliveTimeSec?: number;
  readonly allowLocalAs: number;
  /** The gateway by which the peer's address is reached (BGPPeer `reachableBy`). */
  readonly reachableBy?: IpAddress;
  /** Make the mirror session at the other end, where that is a node of the cluster. */
  readonly reverse: boolean;
  /** Names of BGPFilters, in the order in which they are asked. */
  readonly filters: readonly string[];
  /** What its sessions have beyond Calico's schema. */
  readonly options?: PeerOptions;
}

export interface PeeringInput {
  readonly ownName: string;
  readonly nodes: readonly PeeringNode[];
  readonly cluster: ClusterBgp;
  /** In the order of their names. */
  readonly explicit: readonly ExplicitPeer[];
  /** What holds for all sessions of BGPPeers. */
  readonly peerDefaults: Pick<PeerConfig, "maxPrefix" | "treatment">;
  /** The policies of a session with these filters; sessions of the mesh have none. */
  /** Present: all sessions are administratively down, and peers are told why. */
  readonly shutdown?: NonNullable<PeerConfig["shutdown"]>;
  readonly policiesFor: (filters: readonly string[]) => PeerPolicies;
  readonly secretOf: (reference: SecretKeySelector) => SecretAnswer;
  /** Why no socket can be as a session wants it. */
  readonly refusal: (peer: PeerConfig) => string | undefined;
}
