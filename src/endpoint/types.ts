import type { IpAddress } from "../net/address.ts";
import type { InterfaceAddress, KernelRoute, Link, Neighbour } from "../netlink/types.ts";

/** The MAC address of every host end, so that all pods may know their gateway's without asking. */
export const hostMacAddress = "ee:ee:ee:ee:ee:ee";

/** How a pod shall be wired. */
export interface EndpointSpec {
  /** File of the pod's network namespace, e.g. `/run/netns/cni-…`. */
  readonly namespacePath: string;
  /** Interface in the pod, e.g. `eth0`. */
  readonly containerInterfaceName: string;
  /** Interface on the host, e.g. `cali` and 11 hex digits; see `podInterfaceName`. */
  readonly hostInterfaceName: string;
  /** The pod's addresses, at least one; each becomes a /32 or /128. */
  readonly addresses: readonly IpAddress[];
  /** Of both ends, in octets; default is the kernel's. */
  readonly mtu?: number;
  /** Of the pod's end; default is random. */
  readonly containerMacAddress?: string;
  /** Whether the pod may forward packets between interfaces of its own; default false. */
  readonly allowForwarding?: boolean;
}

/** A pod that is wired, as the kernel has it. */
export interface WiredEndpoint {
  readonly host: Link;
  readonly container: Link;
  readonly containerMacAddress: string;
  /**
   * Whether the veth was made now; false if the pod was wired before. The host's routes to the pod's addresses (mode
   * `device`, this host interface) are not made here but are the FIB's business.
   */
  readonly created: boolean;
}

/** What `inspect` found of an endpoint. */
export interface EndpointInspection {
  /** `absent`: there is no veth between the two; `differs`: there is, but not all is as it shall be. */
  readonly state: "wired" | "differs" | "absent";
  /** For people: what is missing or in the way. */
  readonly differences: readonly string[];
  readonly host?: Link;
  readonly container?: Link;
}

/** Everything of an endpoint that the kernel shows. */
export interface ObservedEndpoint {
  readonly hostLink?: Link;
  /** The link-local IPv6 address of the host end, the pod's IPv6 gateway. */
  readonly hostLinkLocal?: IpAddress;
  /** Present values of the host interface's settings by `sysctlName`; undefined for one that does not exist. */
  readonly hostSysctls: ReadonlyMap<string, string | undefined>;
  readonly podLink?: Link;
  readonly podLoopback?: Link;
  readonly podAddresses: readonly InterfaceAddress[];
  /** Of the pod's interface only. */
  readonly podNeighbours: readonly Neighbour[];
  /** The pod's whole main table. */
  readonly podRoutes: readonly KernelRoute[];
}
