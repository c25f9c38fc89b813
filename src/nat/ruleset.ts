import type { AddressFamily, IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { mergeIntervals, prefixInterval } from "./intervals.ts";
import type { NatChain, NatRule, NatSet, NatTable, Statement, TableFamily } from "./table.ts";

/** A run of ports, both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Calico's settings of address translation; the defaults are Calico's, too, where it has any. */
export interface NatOptions {
  /** Which destinations see a pod's own address: those in pools, or nodes as well. Default IPPoolsOnly. */
  readonly natOutgoingExclusions: "IPPoolsOnly" | "IPPoolsAndHostIPs";
  /** Source ports for TCP and UDP; default: the kernel's choice. */
  readonly natPortRange?: PortRange;
  /** Source address for packets of its family; default: the address of the interface that the packet leaves by. */
  readonly natOutgoingAddress?: IpAddress;
  /** Only packets that leave by this interface are translated; a trailing `+` or `*` stands for anything. */
  readonly outInterfaceFilter?: string;
  /**
   * Drops IPIP, and VXLAN and UDP tunnels where this node uses them, coming from an address that is no node's. Default false. A firewall
   * of the host that drops these packets has to accept them itself: no table can accept what another one drops.
   */
  readonly protectEncapsulation: boolean;
  /** UDP port of VXLAN. */
  readonly vxlanPort: number;
  /** UDP port of UDP tunnels. */
  readonly udpPort: number;
}

export interface TunnelDevice {
  readonly name: string;
  readonly family: AddressFamily;
  readonly encapsulation: "ipip" | "vxlan" | "udp";
}

/** Everything that address translation depends on. */
export interface NatState {
  readonly pools: readonly { readonly cidr: Prefix; readonly natOutgoing: boolean }[];
  /** Of all nodes, both families. */
  readonly nodeAddresses: readonly IpAddress[];
  /** The tunnels that this node uses. They need not exist yet. */
  readonly tunnelDevices: readonly TunnelDevice[];
  readonly options: NatOptions;
}

/** Priorities of the hooks (linux/netfilter_ipv4.h); kube-proxy's translation comes before ours, as before Calico's. */
const postroutingPriority = 100 + 10;
const inputPriority = 0;
const ipipProtocol = 4;

const masqueradedPools = "masq-ipam-pools";
const allPools = "all-ipam-pools";
const allHosts = "all-hosts-net";

/** The wanted tables of both families. */
export function natTables(state: NatState): NatTable[] {
  return ([4, 6] as const).map((family) => natTable(state, family));
}

function natTable(all: NatState, family: AddressFamily): NatTable {
  const state = { ...all, tunnelDevices: all.tunnelDevices.filter((device) => device.family === family) };
  const pools = state.pools.filter(({ cidr }) => cidr.family === family);
  const masqueraded = pools.filter((pool) => pool.natOutgoing);
  const hosts = state.nodeAddresses.filter((address) => address.family === family);
  const { protectEncapsulation } = state.options;
  return {
    family: family === 4 ? "ip" : "ip6",
    needed: masqueraded.length > 0 || state.tunnelDevices.length > 0 || (protectEncapsulation && hosts.length > 0),
    sets: [
      addressSet(
        masqueradedPools,
        masqueraded.map(({ cidr }) => cidr),
      ),
      addressSet(
        allPools,
        pools.map(({ cidr }) => cidr),
      ),
      addressSet(
        allHosts,
        hosts.map((address) => Prefix.host(address)),
      ),
    ],
    chains: [postroutingChain(state, family), ...(protectEncapsulation ? [inputChain(state, family)] : [])],
  };
}

function addressSet(name: string, prefixes: readonly Prefix[]): NatSet {
  return { name, elements: mergeIntervals(prefixes.map(prefixInterval)) };
}

function postroutingChain(state: NatState, family: AddressFamily): NatChain {
  return {
    name: "nat-postrouting",
    type: "nat",
    hook: "postrouting",
    priority: postroutingPriority,
    rules: [...outgoingRules(state, family), ...state.tunnelDevices.map(tunnelRule)],
  };
}

/**
 * Packets of pods to the world. Packets between pods match no rule, since both ends lie in pools; those to a service reach
 * us with the backend as destination. Each rule that translates is the last one that a packet sees.
 */
function outgoingRules({ options, tunnelDevices }: NatState, family: AddressFamily): NatRule[] {
  const { natOutgoingExclusions, natPortRange, outInterfaceFilter } = options;
  const protocol = nftFamily(family);
  const matches = [
    ...(outInterfaceFilter === undefined ? [] : [outInterface(outInterfaceFilter.replace(/\+$/, "*"))]),
    inSet(protocol, "saddr", masqueradedPools),
    notInSet(protocol, "daddr", allPools),
    ...(natOutgoingExclusions === "IPPoolsAndHostIPs" ? [notInSet(protocol, "daddr", allHosts)] : []),
  ];
  // An answer to a tunnel's port would end in the tunnel instead of in the pod.
  const udpRange = tunnelPorts(options, tunnelDevices).reduce<PortRange | undefined>(
    (range, { port }) => portsWithout(range ?? { first: 1024, last: 65_535 }, port),
    natPortRange,
  );
  const outgoing = (transport: string, range: PortRange | undefined): NatRule => ({
    comment: `natOutgoing${transport === "" ? "" : ` of ${transport}`}`,
    statements: [
      ...matches,
      ...(transport === "" ? [] : [equals({ meta: { key: "l4proto" } }, transport)]),
      translate(options.natOutgoingAddress, family, range),
    ],
  });
  return [
    ...(natPortRange === undefined ? [] : [outgoing("tcp", natPortRange)]),
    ...(udpRange === undefined ? [] : [outgoing("udp", udpRange)]),
    outgoing("", undefined),
  ];
}

/**
 * A process of the host that chose the network card's address before the packet was routed into a tunnel would be answered
 * outside of the tunnel: such packets get the tunnel's address.
 */
function tunnelRule({ name }: TunnelDevice): NatRule {
  const addressType = (...flags: string[]) => ({ fib: { result: "type", flags } });
  return {
    comment: `source of what enters ${name}`,
    statements: [
      outInterface(name),
      { match: { op: "!=", left: addressType("saddr", "oif"), right: "local" } },
      equals(addressType("saddr"), "local"),
      { masquerade: { flags: "fully-random" } },
    ],
  };
}

function inputChain({ options, tunnelDevices }: NatState, family: AddressFamily): NatChain {
  const protocol = nftFamily(family);
  const foreign = notInSet(protocol, "saddr", allHosts);
  const rules: NatRule[] = [];
  if (family === 4)
    rules.push({
      comment: "IPIP from others than nodes",
      statements: [equals({ meta: { key: "l4proto" } }, ipipProtocol), foreign, { drop: null }],
    });
  for (const { what, port } of tunnelPorts(options, tunnelDevices))
    rules.push({
      comment: `${what} from others than nodes`,
      statements: [equals({ payload: { protocol: "udp", field: "dport" } }, port), foreign, { drop: null }],
    });
  return { name: "encapsulation-input", type: "filter", hook: "input", priority: inputPriority, rules };
}

function translate(address: IpAddress | undefined, family: AddressFamily, range: PortRange | undefined): Statement {
  const choice = { ...(range !== undefined && { port: portExpression(range) }), flags: "fully-random" };
  return address?.family === family ? { snat: { addr: address.toString(), ...choice } } : { masquerade: choice };
}

function portExpression({ first, last }: PortRange): unknown {
  return first === last ? first : { range: [first, last] };
}

/** The larger part of the range below or above a port; the range itself if the port is all there is. */
function portsWithout(range: PortRange, port: number): PortRange {
  if (port < range.first || port > range.last || range.first === range.last) return range;
  const below = port - range.first;
  return below > range.last - port ? { ...range, last: port - 1 } : { ...range, first: port + 1 };
}

/** The UDP ports that tunnels of this node take packets on. */
function tunnelPorts(
  { vxlanPort, udpPort }: NatOptions,
  devices: readonly TunnelDevice[],
): { readonly what: string; readonly port: number }[] {
  const uses = (wanted: TunnelDevice["encapsulation"]) => devices.some(({ encapsulation }) => encapsulation === wanted);
  return [
    ...(uses("vxlan") ? [{ what: "VXLAN", port: vxlanPort }] : []),
    ...(uses("udp") ? [{ what: "UDP tunnel", port: udpPort }] : []),
  ];
}

function nftFamily(family: AddressFamily): TableFamily {
  return family === 4 ? "ip" : "ip6";
}

function outInterface(name: string): Statement {
  return equals({ meta: { key: "oifname" } }, name);
}

function inSet(protocol: TableFamily, field: "saddr" | "daddr", set: string): Statement {
  return equals({ payload: { protocol, field } }, `@${set}`);
}

function notInSet(protocol: TableFamily, field: "saddr" | "daddr", set: string): Statement {
  return { match: { op: "!=", left: { payload: { protocol, field } }, right: `@${set}` } };
}

function equals(left: unknown, right: unknown): Statement {
  return { match: { op: "==", left, right } };
}
