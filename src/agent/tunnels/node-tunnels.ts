import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { type NodeSpec, nodeAddress } from "../../resources/node.ts";
import { udpTunnelAnnotation } from "../../resources/node-tunnel-addresses.ts";
import type { Resource } from "../../resources/resource.ts";
import { vtepMacAddress } from "../../vxlan/mac-address.ts";
import { type VxlanPeer, vxlanGateway } from "../../vxlan/peers.ts";
import type { TunnelPeer } from "../routing/encapsulation.ts";

/** What a node's resource tells of its ends of tunnels. */
export function tunnelPeerOf(node: Resource<"Node">): TunnelPeer {
  const { metadata, spec } = node;
  const gateway = (family: AddressFamily) => {
    const end = vxlanEndOf(node, family);
    return end && vxlanGateway(end);
  };
  const [ipv4, ipv6] = [gateway(4), gateway(6)];
  const udp = udpEndOf(metadata.annotations);
  return {
    node: metadata.name,
    ipipReady: spec.bgp?.ipv4IPIPTunnelAddr !== undefined && spec.bgp.ipv4IPIPTunnelAddr !== "",
    vxlanGateways: { ...(ipv4 && { 4: ipv4 }), ...(ipv6 && { 6: ipv6 }) },
    ...(udp !== undefined && { udpPort: udp.port }),
  };
}

function udpEndOf(
  annotations: Readonly<Record<string, string>> = {},
): { address: IpAddress; port: number } | undefined {
  const [, host = "", digits = ""] = /^([\d.]+):(\d{1,5})$/.exec(annotations[udpTunnelAnnotation] ?? "") ?? [];
  const address = IpAddress.tryParse(host);
  return address && { address, port: Number(digits) };
}

/** The other end of the VXLAN tunnel of a family at a node; undefined if it has none. */
export function vxlanPeerOf(node: Resource<"Node">, family: AddressFamily): VxlanPeer | undefined {
  const end = vxlanEndOf(node, family);
  const address = nodeAddress(node.spec, family)?.address;
  return end === undefined || address === undefined ? undefined : { ...end, address };
}

/** A node's end of the tunnel. One that names no MAC address has the one that follows from the node's name. */
function vxlanEndOf(
  { metadata, spec }: Resource<"Node">,
  family: AddressFamily,
): Pick<VxlanPeer, "vtep" | "macAddress"> | undefined {
  const fields = vxlanFields[family];
  const vtep = IpAddress.tryParse(spec[fields.address] ?? "");
  return vtep && { vtep, macAddress: spec[fields.macAddress] ?? vtepMacAddress(metadata.name, family) };
}

/** Where the Node resource keeps a node's VXLAN tunnel address, and the MAC address that goes with it. */
const vxlanFields = {
  4: { address: "ipv4VXLANTunnelAddr", macAddress: "vxlanTunnelMACAddr" },
  6: { address: "ipv6VXLANTunnelAddr", macAddress: "vxlanTunnelMACAddrV6" },
} as const;

/** A tunnel as its node knows it. */
interface OwnTunnel {
  /** Undefined: no pool wants it. */
  readonly address: IpAddress | undefined;
  /** Its device works. */
  readonly ready: boolean;
}

/** A VXLAN tunnel, with what others have to know of it besides. */
export interface OwnVxlan extends OwnTunnel {
  readonly family: AddressFamily;
  readonly macAddress: string;
}

/** This node's tunnels as they stand. */
export interface OwnTunnels {
  readonly ipip: OwnTunnel;
  /** At most one of a family. */
  readonly vxlan: readonly OwnVxlan[];
  readonly udp: OwnTunnel & { readonly port: number };
}

/**
 * The Node's spec with what it may tell of its tunnels: those that are wanted (they have an address) and whose device is ready. What
 * it has told stays as long as it is wanted: at a restart the device is there, only not looked at yet, and others send to it.
 */
export function withTunnels(spec: NodeSpec, { ipip, vxlan }: Pick<OwnTunnels, "ipip" | "vxlan">): NodeSpec {
  const told = (tunnel: OwnTunnel, stored: string | undefined) =>
    toldAddress(tunnel, IpAddress.tryParse(stored ?? ""))?.toString();
  const { bgp = {}, ...others } = spec;
  const { ipv4IPIPTunnelAddr, ...otherBgp } = bgp;
  const ipipAddress = told(ipip, ipv4IPIPTunnelAddr);
  const newBgp = { ...otherBgp, ...(ipipAddress !== undefined && { ipv4IPIPTunnelAddr: ipipAddress }) };
  let rest: Omit<NodeSpec, "bgp"> = others;
  for (const family of [4, 6] as const) {
    const fields = vxlanFields[family];
    const { [fields.address]: stored, [fields.macAddress]: _mac, ...without } = rest;
    const tunnel = vxlan.find((one) => one.family === family);
    const address = tunnel && told(tunnel, stored);
    rest = {
      ...without,
      ...(address !== undefined && { [fields.address]: address, [fields.macAddress]: tunnel?.macAddress }),
    };
  }
  return { ...(Object.keys(newBgp).length > 0 && { bgp: newBgp }), ...rest };
}

/** The same for the Node's annotations, of which UDP needs one. */
export function withUdpTunnel(
  annotations: Readonly<Record<string, string>>,
  { port, ...tunnel }: OwnTunnels["udp"],
): Readonly<Record<string, string>> {
  const { [udpTunnelAnnotation]: _told, ...others } = annotations;
  const address = toldAddress(tunnel, udpEndOf(annotations)?.address);
  return address === undefined ? others : { ...others, [udpTunnelAnnotation]: `${address}:${port}` };
}

function toldAddress({ address, ready }: OwnTunnel, stored: IpAddress | undefined): IpAddress | undefined {
  return address !== undefined && (ready || stored?.equals(address) === true) ? address : undefined;
}
