import { type AddressFamily, IpAddress } from "../net/address.ts";
import { Prefix, parseCidr } from "../net/prefix.ts";
import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import { addressOrCidr, dottedQuad, ipv4Address, ipv6Address, macAddress } from "./text-formats.ts";

/** A member of the cluster as routing sees it. */
export interface NodeSpec {
  /** Absent: the node does not take part in BGP. Never empty. */
  readonly bgp?: NodeBgpSpec;
  readonly ipv4VXLANTunnelAddr?: string;
  readonly vxlanTunnelMACAddr?: string;
  readonly ipv6VXLANTunnelAddr?: string;
  readonly vxlanTunnelMACAddrV6?: string;
  readonly orchRefs?: readonly { readonly nodeName?: string; readonly orchestrator: string }[];
  readonly wireguard?: { readonly interfaceIPv4Address?: string; readonly interfaceIPv6Address?: string };
  readonly addresses?: readonly NodeAddressEntry[];
  readonly interfaces?: readonly { readonly name: string; readonly addresses: readonly string[] }[];
}

export interface NodeBgpSpec {
  /** Overrides the cluster's AS number. */
  readonly asNumber?: number;
  /** With the length of the node's subnet, which decides about CrossSubnet; a bare address counts as /32. */
  readonly ipv4Address?: string;
  readonly ipv6Address?: string;
  readonly ipv4IPIPTunnelAddr?: string;
  /** The node is a route reflector of this cluster: it leaves the mesh. */
  readonly routeReflectorClusterID?: string;
}

export interface NodeAddressEntry {
  readonly address: string;
  readonly type?: "CalicoNodeIP" | "InternalIP" | "ExternalIP";
}

export const nodeKind = defineKind<NodeSpec>({
  kind: "Node",
  description:
    "A member of the cluster as routing sees it: its addresses, AS number and tunnels. Every agent writes its own.",
  plural: "nodes",
  namespaced: false,
  aliases: ["node", "no", "nos"],
  status: "always",
  spec: {
    type: "object",
    fields: {
      bgp: {
        description: "What the node's BGP speaker is like. Never empty.",
        default: "the node has no BGP",
        type: "object",
        fields: {
          asNumber: {
            description: "The node's AS number.",
            default: "BGPConfiguration.spec.asNumber",
            type: "asNumber",
            zero: "keep",
          },
          ipv4Address: {
            description: "The node's IPv4 address with the length of its subnet, which decides about CrossSubnet.",
            default: "none",
            type: "text",
            format: addressOrCidr,
          },
          ipv6Address: {
            description: "The node's IPv6 address with the length of its subnet.",
            default: "none",
            type: "text",
            format: addressOrCidr,
          },
          ipv4IPIPTunnelAddr: {
            description: "The address of tunl0. Set by the agent.",
            default: "none",
            type: "text",
            format: ipv4Address,
          },
          routeReflectorClusterID: {
            description:
              "Makes the node a route reflector of the cluster with this ID, a dotted quad; it leaves the mesh.",
            default: "none",
            type: "text",
            format: dottedQuad,
          },
        },
      },
      ipv4VXLANTunnelAddr: {
        description: "The IPv4 address of vxlan.calico. Set by the agent.",
        default: "none",
        type: "text",
        format: ipv4Address,
      },
      vxlanTunnelMACAddr: {
        description: "The MAC address of vxlan.calico. Set by the agent.",
        default: "none",
        type: "text",
        format: macAddress,
      },
      ipv6VXLANTunnelAddr: {
        description: "The IPv6 address of vxlan-v6.calico. Set by the agent.",
        default: "none",
        type: "text",
        format: ipv6Address,
      },
      vxlanTunnelMACAddrV6: {
        description: "The MAC address of vxlan-v6.calico. Set by the agent.",
        default: "none",
        type: "text",
        format: macAddress,
      },
      orchRefs: {
        description: "What the node is called in orchestrators.",
        default: "none",
        type: "list",
        items: {
          type: "object",
          fields: {
            nodeName: { description: "Its name there.", type: "text" },
            orchestrator: { description: "The orchestrator: k8s.", type: "text", required: true },
          },
        },
      },
      wireguard: {
        description: "Addresses of the node's WireGuard devices. Set by Calico.",
        default: "none",
        type: "object",
        fields: {
          interfaceIPv4Address: { description: "That of the IPv4 device.", type: "text", format: ipv4Address },
          interfaceIPv6Address: { description: "That of the IPv6 device.", type: "text", format: ipv6Address },
        },
      },
      addresses: {
        description: "Addresses of the node.",
        default: "none",
        type: "list",
        items: {
          type: "object",
          fields: {
            address: {
              description: "The address, alone or with the length of its subnet.",
              type: "text",
              required: true,
              format: addressOrCidr,
            },
            type: {
              description: "Where it comes from.",
              type: "text",
              values: ["CalicoNodeIP", "InternalIP", "ExternalIP"],
            },
          },
        },
      },
      interfaces: {
        description: "Devices of the node and their addresses. Set by the agent.",
        default: "none",
        type: "list",
        items: {
          type: "object",
          fields: {
            name: { description: "The device.", type: "text", required: true },
            addresses: {
              description: "Its addresses.",
              type: "list",
              zero: "fill",
              items: { type: "text", format: addressOrCidr },
            },
          },
        },
      },
    },
  },
  check: checkNode,
});

/** The node's own address of a family and the prefix of the subnet it lies in; undefined if it has none. */
export function nodeAddress(spec: NodeSpec, family: AddressFamily): { address: IpAddress; subnet: Prefix } | undefined {
  const text = family === 4 ? spec.bgp?.ipv4Address : spec.bgp?.ipv6Address;
  const { address, length } = text === undefined ? {} : splitAddress(text);
  if (address === undefined || length === undefined || address.family !== family) return undefined;
  return { address, subnet: Prefix.of(address, length) };
}

function splitAddress(text: string): { address: IpAddress; length: number } {
  const bare = IpAddress.tryParse(text);
  return bare === undefined ? parseCidr(text) : { address: bare, length: bare.bits };
}

const unusable = [
  { range: Prefix.parse("0.0.0.0/32"), what: "the unspecified address" },
  { range: Prefix.parse("127.0.0.0/8"), what: "a loopback address" },
  { range: Prefix.parse("::/128"), what: "the unspecified address" },
  { range: Prefix.parse("::1/128"), what: "a loopback address" },
  { range: Prefix.parse("fe80::/10"), what: "a link-local address" },
];

function checkNode(spec: NodeSpec): FieldProblem[] {
  if (spec.bgp === undefined) return [];
  if (Object.keys(spec.bgp).length === 0)
    return [specProblem("bgp", spec.bgp, "must not be empty: give an address or AS number, or leave bgp out")];
  return [
    ...checkNodeAddress("bgp.ipv4Address", spec.bgp.ipv4Address, 4),
    ...checkNodeAddress("bgp.ipv6Address", spec.bgp.ipv6Address, 6),
  ];
}

function checkNodeAddress(field: string, text: string | undefined, family: AddressFamily): FieldProblem[] {
  if (text === undefined) return [];
  const { address, length } = splitAddress(text);
  if (address.family !== family) return [specProblem(field, text, `must be an IPv${family} address`)];
  for (const { range, what } of unusable)
    if (range.containsAddress(address))
      return [specProblem(field, text, `must be an address of the node, not ${what}`)];
  if (length < address.bits - 1 && Prefix.of(address, length).address.equals(address))
    return [
      specProblem(field, text, "must be the node's address with the length of its subnet, not the subnet itself"),
    ];
  return [];
}
