import { IpAddress } from "../../net/address.ts";
import { type NodeSpec, nodeAddress } from "../../resources/node.ts";
import type { Resource } from "../../resources/resource.ts";
import { vtepMacAddress } from "../../vxlan/mac-address.ts";
import type { VxlanPeer } from "../../vxlan/peers.ts";
import type { TunnelPeer } from "../routing/encapsulation.ts";

/** What a node's resource tells of its ends of tunnels. */
export function tunnelPeerOf({ metadata, spec }: Resource<"Node">): TunnelPeer {
  const vtep = IpAddress.tryParse(spec.ipv4VXLANTunnelAddr ?? "");
  return {
    node: metadata.name,
    ipipReady: spec.bgp?.ipv4IPIPTunnelAddr !== undefined && spec.bgp.ipv4IPIPTunnelAddr !== "",
    ...(vtep !== undefined && { vtep }),
  };
}

/** The VTEPs of all other nodes. A node that names no MAC address has the one that follows from its name. */
export function vxlanPeersOf(nodes: readonly Resource<"Node">[], ownName: string): VxlanPeer[] {
  return nodes.flatMap(({ metadata, spec }) => {
    const vtep = IpAddress.tryParse(spec.ipv4VXLANTunnelAddr ?? "");
    const address = nodeAddress(spec, 4)?.address;
    if (metadata.name === ownName || vtep === undefined || address === undefined) return [];
    return [{ vtep, address, macAddress: spec.vxlanTunnelMACAddr ?? vtepMacAddress(metadata.name) }];
  });
}

/** Addresses that the other nodes are reached at without a tunnel. */
export function otherAddresses(nodes: readonly Resource<"Node">[], ownName: string): IpAddress[] {
  return nodes.flatMap(({ metadata, spec }) => {
    const address = metadata.name === ownName ? undefined : nodeAddress(spec, 4)?.address;
    return address === undefined ? [] : [address];
  });
}

/** One of this node's tunnels as it stands. */
interface OwnTunnel {
  /** Undefined: no pool wants it. */
  readonly address: IpAddress | undefined;
  /** Its device can carry packets. */
  readonly ready: boolean;
}

export interface OwnTunnels {
  readonly ipip: OwnTunnel;
  readonly vxlan: OwnTunnel & { readonly macAddress: string };
}

/**
 * The node's spec with what it may tell of its tunnels: those that are wanted (they have an address) and whose device is
 * ready. What it has told stays as long as it is wanted: at a restart the device is there, only not looked at yet, and others
 * send to it. Everything else stays.
 */
export function withTunnels(spec: NodeSpec, { ipip, vxlan }: OwnTunnels): NodeSpec {
  const { ipv4VXLANTunnelAddr, vxlanTunnelMACAddr: _mac, bgp, ...rest } = spec;
  const { ipv4IPIPTunnelAddr, ...bgpRest } = bgp ?? {};
  const tellsIpip = mayTell(ipip, ipv4IPIPTunnelAddr);
  const newBgp = { ...bgpRest, ...(tellsIpip && { ipv4IPIPTunnelAddr: `${ipip.address}` }) };
  return {
    ...(Object.keys(newBgp).length > 0 && { bgp: newBgp }),
    ...rest,
    ...(mayTell(vxlan, ipv4VXLANTunnelAddr) && {
      ipv4VXLANTunnelAddr: `${vxlan.address}`,
      vxlanTunnelMACAddr: vxlan.macAddress,
    }),
  };
}

function mayTell(tunnel: OwnTunnel, told: string | undefined): boolean {
  const { address, ready } = tunnel;
  return address !== undefined && (ready || IpAddress.tryParse(told ?? "")?.equals(address) === true);
}
