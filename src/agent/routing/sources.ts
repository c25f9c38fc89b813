import type { OriginatedRoute } from "../../bgp/paths.ts";
import type { RouteDemand } from "../../fib/types.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";

/** What routing must know of an IPPool. */
export interface RoutingPool {
  readonly name: string;
  readonly cidr: Prefix;
  readonly ipipMode: "Never" | "Always" | "CrossSubnet";
  readonly vxlanMode: "Never" | "Always" | "CrossSubnet";
  readonly udpMode: "Never" | "Always" | "CrossSubnet";
  readonly disableBgpExport: boolean;
}

/**
 * How things stand between a node and a block. Only `confirmed` is ownership: in the two-phase claim several nodes may be
 * `pending` for a block, and one of them gets it.
 */
export interface RoutingBlock {
  readonly block: Prefix;
  readonly node: string;
  readonly state: "confirmed" | "pending" | "pendingDeletion" | "released";
}

/** One address of a pod on this node. */
export interface RoutingWorkload {
  readonly address: Prefix;
  readonly device: string;
  /** `namespace/name`, for people. */
  readonly pod: string;
}

/** The address ranges of services. */
export interface ServiceRanges {
  /** Those whose routes are no business of the kernel's table: kube-proxy sees to these addresses. */
  readonly all: readonly Prefix[];
  /** Those for clients outside of the cluster: of external addresses and of load balancers. */
  readonly outside: readonly Prefix[];
  /** Those that this node announces. */
  readonly announced: readonly Prefix[];
}

/** How a BGP peer that is not on a link of this node is reached (BGPPeer `reachableBy`). */
export interface PeerRoute {
  /** The peer's address. */
  readonly prefix: Prefix;
  readonly gateway: IpAddress;
  /** Name of the BGPPeer. */
  readonly peer: string;
}

/** What a change of one source means for the kernel and for BGP. */
export interface RoutingChanges {
  readonly fib: { readonly set: readonly RouteDemand[]; readonly remove: readonly Prefix[] };
  readonly originate: { readonly announce: readonly OriginatedRoute[]; readonly withdraw: readonly Prefix[] };
}
