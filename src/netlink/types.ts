import type { AddressFamily, IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";

/** Route types of rtnetlink (linux/rtnetlink.h, RTN_*). */
export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "anycast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw"
  | "nat";

/** Route protocol numbers (RTPROT_*) that others use and we recognise; 202 is ours (DESIGN §1). */
export const RouteProtocol = {
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  bird: 12,
  felix: 80,
  calibird: 202,
} as const;

/** RTA_TABLE of the main table. */
export const mainTable = 254;

export interface RouteNextHop {
  readonly gateway?: IpAddress;
  readonly interfaceIndex?: number;
  /** RTNH_F_ONLINK: the gateway is taken to be on the link even if no address says so. */
  readonly onlink: boolean;
  /** 1 … 256, only meaningful with several next hops. */
  readonly weight: number;
}

/** A route of the kernel, complete enough to write it back unchanged. */
export interface KernelRoute {
  readonly destination: Prefix;
  readonly type: RouteType;
  readonly table: number;
  /** RTPROT_*: who wrote it. */
  readonly protocol: number;
  /** RT_SCOPE_*; "universe" unless said. */
  readonly scope: "universe" | "site" | "link" | "host" | "nowhere";
  /** RTA_PRIORITY, the metric; 0 if absent (the kernel turns 0 into 1024 for IPv6). */
  readonly metric: number;
  readonly tos: number;
  readonly preferredSource?: IpAddress;
  /** RTAX_MTU in octets. */
  readonly mtu?: number;
  /** Empty for blackhole and the like; several for multipath. */
  readonly nextHops: readonly RouteNextHop[];
  /** RTM_F_CLONED, linkdown and dead flags as the kernel reports them; ignored on writes. */
  readonly linkDown?: boolean;
}

/** All of a route but where it leads to: many routes share one. */
export type RouteShape = Omit<KernelRoute, "destination">;

/**
 * What identifies a route to the kernel: (table, destination, tos, metric). In a deletion the kernel takes metric 0 of an
 * IPv4 route for any metric and deletes the lowest one that matches: say whose route it is (`protocol`) as well.
 */
export type RouteKey = Pick<KernelRoute, "destination" | "table" | "metric" | "tos">;

export type LinkKind = "veth" | "bridge" | "vxlan" | "ipip" | "tun" | "dummy" | (string & {});

export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND; absent for physical devices and lo. */
  readonly kind?: LinkKind;
  readonly mtu: number;
  /** `ee:ee:ee:ee:ee:ee`; absent where the device has none. */
  readonly macAddress?: string;
  /** IFF_UP. */
  readonly up: boolean;
  /** IFF_RUNNING / operstate up. */
  readonly running: boolean;
  readonly loopback: boolean;
  /** Index of the bridge or VRF it is enslaved to. */
  readonly masterIndex?: number;
  /** IFLA_LINK: the peer of a veth, the lower device of a vlan. */
  readonly linkIndex?: number;
  /** IFLA_LINK_NETNSID: set if `linkIndex` counts in another namespace. */
  readonly linkNamespaceId?: number;
  /** What a device of kind vxlan was made with. */
  readonly vxlan?: VxlanProperties;
  /** What a device of kind ipip was made with. */
  readonly ipip?: IpipProperties;
}

export interface VxlanProperties {
  readonly vni: number;
  /** UDP destination port. */
  readonly port: number;
  readonly local?: IpAddress;
  readonly parentIndex?: number;
  readonly learning: boolean;
  /** Options that are on and that we never switch on; absent if there are none. */
  readonly extras?: readonly VxlanExtra[];
}

/** What makes a VXLAN device answer or send otherwise than by its forwarding database alone. */
export type VxlanExtra = "group" | "proxy" | "l2miss" | "l3miss" | "external" | "gbp";

export interface IpipProperties {
  /** Absent: any. */
  readonly local?: IpAddress;
  /** Absent: any, as of a tunnel whose routes name the other end. */
  readonly remote?: IpAddress;
  /** 0: inherited from the inner packet. */
  readonly ttl: number;
  readonly pmtuDiscovery: boolean;
}

export interface InterfaceAddress {
  readonly interfaceIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope: "universe" | "site" | "link" | "host" | "nowhere";
  /** IFA_F_NODAD: an IPv6 address that is usable at once, without duplicate address detection (RFC 4862 §5.4). */
  readonly noDuplicateDetection?: boolean;
  /** IFA_F_TEMPORARY: made by the kernel for privacy (RFC 8981) and soon replaced. Never written. */
  readonly temporary?: boolean;
  /** IFA_F_DADFAILED: another machine on the link has it, so that it is not used. Never written. */
  readonly duplicate?: boolean;
  /** IFA_F_DEPRECATED: its preferred time is over, and new connections avoid it (RFC 4862 §5.5.4). Never written. */
  readonly deprecated?: boolean;
}

export interface Neighbour {
  readonly interfaceIndex: number;
  readonly address: IpAddress;
  readonly macAddress?: string;
  readonly state: "permanent" | "noarp" | "reachable" | "stale" | "delay" | "probe" | "failed" | "incomplete" | "none";
}

/** An entry of a VXLAN device's forwarding database: frames to this MAC address go to that tunnel endpoint. */
export interface ForwardingEntry {
  readonly interfaceIndex: number;
  readonly macAddress: string;
  /** The VTEP's underlay address. */
  readonly destination: IpAddress;
  /** False for what the device learned by itself; written entries are permanent. */
  readonly permanent: boolean;
}

/** Where a link shall live: a file descriptor of a namespace file, or the process's own namespace. */
export interface NamespaceHandle {
  readonly fd: number;
}

export type LinkSpec =
  | { readonly kind: "bridge"; readonly name: string; readonly mtu?: number; readonly up?: boolean }
  | { readonly kind: "dummy"; readonly name: string; readonly mtu?: number; readonly up?: boolean }
  | {
      readonly kind: "veth";
      readonly name: string;
      readonly mtu?: number;
      readonly macAddress?: string;
      readonly up?: boolean;
      /** The other end; `namespace` puts it straight into another network namespace. */
      readonly peer: {
        readonly name: string;
        readonly mtu?: number;
        readonly macAddress?: string;
        readonly namespace?: NamespaceHandle;
      };
    }
  | {
      readonly kind: "vxlan";
      readonly name: string;
      readonly mtu?: number;
      readonly macAddress?: string;
      readonly up?: boolean;
      readonly vni: number;
      readonly port: number;
      readonly local?: IpAddress;
      readonly parentIndex?: number;
      readonly learning: boolean;
    }
  | {
      readonly kind: "ipip";
      readonly name: string;
      readonly mtu?: number;
      readonly up?: boolean;
      readonly local?: IpAddress;
      readonly remote?: IpAddress;
      readonly ttl?: number;
      readonly pmtuDiscovery?: boolean;
    };

export interface LinkChange {
  readonly up?: boolean;
  readonly mtu?: number;
  /** A new name; the link must then be given by its index. */
  readonly name?: string;
  readonly macAddress?: string;
  /** 0 takes it out of its bridge. */
  readonly masterIndex?: number;
  /** Moves the link into this namespace. */
  readonly namespace?: NamespaceHandle;
  /** Changes what the tunnel was made with; VNI, port and MTU cannot be changed this way. */
  readonly tunnel?: TunnelChange;
}

/** What is left out stays as it is. */
export interface TunnelChange {
  readonly kind: "vxlan";
  /** Of the family of the one before. */
  readonly local?: IpAddress;
  readonly parentIndex?: number;
  readonly learning?: boolean;
}

/** One change of the kernel's network state. */
export type NetlinkRequest =
  /** NLM_F_CREATE|NLM_F_REPLACE: written whether or not a route with this key exists, without a gap. */
  | { readonly op: "route-replace"; readonly route: KernelRoute }
  /** NLM_F_CREATE|NLM_F_EXCL: fails with EEXIST if the key is taken. */
  | { readonly op: "route-add"; readonly route: KernelRoute }
  /** Deletes the route with this key and, if given, only if it has this protocol and type (for IPv6 no type counts). */
  | {
      readonly op: "route-delete";
      readonly key: RouteKey;
      readonly protocol?: number;
      readonly type?: RouteType;
    }
  | { readonly op: "link-add"; readonly link: LinkSpec }
  | { readonly op: "link-set"; readonly link: number | string; readonly change: LinkChange }
  | { readonly op: "link-delete"; readonly link: number | string }
  | { readonly op: "address-replace"; readonly address: InterfaceAddress }
  | { readonly op: "address-delete"; readonly address: InterfaceAddress }
  | { readonly op: "neighbour-replace"; readonly neighbour: Neighbour }
  | { readonly op: "neighbour-delete"; readonly neighbour: Pick<Neighbour, "interfaceIndex" | "address"> }
  | { readonly op: "forwarding-replace"; readonly entry: Omit<ForwardingEntry, "permanent"> }
  | { readonly op: "forwarding-delete"; readonly entry: Omit<ForwardingEntry, "permanent"> };

/** What the kernel answered to one request. */
export type NetlinkResult =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** Positive errno, e.g. 17. */
      readonly errno: number;
      /** e.g. "EEXIST"; "UNKNOWN" if the acknowledgement was lost (then dump and compare). */
      readonly code: string;
      /** The kernel's extended-ack text, or the errno's meaning; for EINVAL also which field of the request is wrong. */
      readonly message: string;
    };

export type NetlinkEvent =
  | {
      readonly type: "route";
      readonly action: "new" | "delete";
      readonly route: KernelRoute;
      readonly replaced?: boolean;
    }
  | { readonly type: "link"; readonly action: "new" | "delete"; readonly link: Link }
  | { readonly type: "address"; readonly action: "new" | "delete"; readonly address: InterfaceAddress }
  | { readonly type: "neighbour"; readonly action: "new" | "delete"; readonly neighbour: Neighbour }
  | { readonly type: "forwarding"; readonly action: "new" | "delete"; readonly entry: ForwardingEntry }
  /** Events were lost (ENOBUFS): dump and compare everything. */
  | { readonly type: "overrun" };

export type NetlinkEventGroup = "link" | "address" | "route" | "neighbour" | "forwarding";

export interface RouteFilter {
  readonly family?: AddressFamily;
  /** Default: the main table. */
  readonly table?: number;
  readonly protocol?: number;
}

/**
 * The kernel's network state in one network namespace. Requests of one `execute` call reach the kernel in order and each
 * gets its own result; the promise rejects only if the worker or the socket itself is gone.
 */
export interface Netlink {
  execute(requests: readonly NetlinkRequest[]): Promise<readonly NetlinkResult[]>;
  routes(filter?: RouteFilter): Promise<readonly KernelRoute[]>;
  /** `ip route get`: how the kernel would send to this address now; undefined if it would not. */
  routeTo(address: IpAddress): Promise<KernelRoute | undefined>;
  links(): Promise<readonly Link[]>;
  addresses(): Promise<readonly InterfaceAddress[]>;
  /** Of one device, or of all. */
  neighbours(interfaceIndex?: number): Promise<readonly Neighbour[]>;
  /** Subscribes to multicast events; the listener is called with batches in the kernel's order. Returns the end of it. */
  subscribe(
    groups: readonly NetlinkEventGroup[],
    listener: (events: readonly NetlinkEvent[]) => void,
  ): Promise<() => void>;
  close(): Promise<void>;
}

/** A Netlink that tells of no changes. */
export type NetlinkAccess = Omit<Netlink, "subscribe">;

/** What only VXLAN asks of the kernel besides. */
export interface ForwardingDatabase {
  /** The entries of one VXLAN device. */
  forwardingEntries(interfaceIndex: number): Promise<readonly ForwardingEntry[]>;
}
