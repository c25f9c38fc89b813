import type { ResourceClient } from "../../datastore/resource-client.ts";
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

/** This node's tunnels as they stand; undefined takes an entry out of the Node. */
export interface OwnTunnels {
  readonly ipip: IpAddress | undefined;
  readonly vxlan: { readonly address: IpAddress; readonly macAddress: string } | undefined;
}

/**
 * What a node may tell of its tunnels: those that are wanted (they have an address) and whose device is ready. What it has
 * told stays as long as it is wanted: at a restart the device is there, only not looked at yet, and others send to it.
 */
export function tunnelsToTell(
  { spec }: Resource<"Node">,
  {
    ipip,
    vxlan,
  }: {
    readonly ipip: { readonly address: IpAddress | undefined; readonly ready: boolean };
    readonly vxlan: { readonly address: IpAddress | undefined; readonly ready: boolean; readonly macAddress: string };
  },
): OwnTunnels {
  const isTold = (address: IpAddress | undefined, text: string | undefined): boolean =>
    address !== undefined && IpAddress.tryParse(text ?? "")?.equals(address) === true;
  const { address, macAddress } = vxlan;
  return {
    ipip: ipip.ready || isTold(ipip.address, spec.bgp?.ipv4IPIPTunnelAddr) ? ipip.address : undefined,
    vxlan:
      address !== undefined && (vxlan.ready || isTold(address, spec.ipv4VXLANTunnelAddr))
        ? { address, macAddress }
        : undefined,
  };
}

/**
 * Writes the node's tunnel addresses into its resource, unless they stand there already. Everything else stays. Throws
 * `UPDATE_CONFLICT` if `own` is not the newest state.
 */
export async function publishTunnels(
  client: ResourceClient,
  own: Resource<"Node">,
  tunnels: OwnTunnels,
): Promise<void> {
  const spec = withTunnels(own.spec, tunnels);
  if (JSON.stringify(spec) === JSON.stringify(own.spec)) return;
  await client.update({ ...own, spec });
}

function withTunnels(spec: NodeSpec, { ipip, vxlan }: OwnTunnels): NodeSpec {
  const { ipv4VXLANTunnelAddr: _address, vxlanTunnelMACAddr: _mac, bgp, ...rest } = spec;
  const { ipv4IPIPTunnelAddr: _tunnel, ...bgpRest } = bgp ?? {};
  const newBgp = { ...bgpRest, ...(ipip !== undefined && { ipv4IPIPTunnelAddr: ipip.toString() }) };
  return {
    ...(Object.keys(newBgp).length > 0 && { bgp: newBgp }),
    ...rest,
    ...(vxlan !== undefined && {
      ipv4VXLANTunnelAddr: vxlan.address.toString(),
      vxlanTunnelMACAddr: vxlan.macAddress,
    }),
  };
}
