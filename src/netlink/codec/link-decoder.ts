import type { IpAddress } from "../../net/address.ts";
import type { IpipProperties, Link, VxlanExtra, VxlanProperties } from "../types.ts";
import { family, interfaceFlag, linkAttribute, linkInfo, tunnelAttribute, vxlanAttribute } from "./constants.ts";
import type { ByteReader } from "./reader.ts";

type Mutable<Shape> = { -readonly [Key in keyof Shape]: Shape[Key] };

/**
 * Reads the payload of RTM_NEWLINK or RTM_DELLINK. Undefined for what a bridge says about one of its ports, which comes
 * under the same types. Throws `MALFORMED_MESSAGE`.
 */
export function decodeLink(payload: ByteReader): Link | undefined {
  const ofFamily = payload.u8();
  payload.skip(3);
  const index = payload.u32();
  const flags = payload.u32();
  payload.skip(4);
  if (ofFamily !== family.unspecified) return undefined;
  const link: Mutable<Link> = {
    index,
    name: "",
    mtu: 0,
    up: (flags & interfaceFlag.up) !== 0,
    running: (flags & interfaceFlag.running) !== 0,
    loopback: (flags & interfaceFlag.loopback) !== 0,
  };
  payload.attributes((attribute, value) => readAttribute(link, attribute, value));
  return link;
}

function readAttribute(link: Mutable<Link>, attribute: number, value: ByteReader): void {
  switch (attribute) {
    case linkAttribute.name:
      link.name = value.text();
      break;
    case linkAttribute.mtu:
      link.mtu = value.u32();
      break;
    case linkAttribute.address:
      // Tunnels have their local IPv4 address here, and tun devices nothing.
      if (value.remaining === 6) link.macAddress = value.macAddress();
      break;
    case linkAttribute.master:
      link.masterIndex = value.u32();
      break;
    case linkAttribute.link: {
      const lower = value.u32();
      if (lower !== 0) link.linkIndex = lower;
      break;
    }
    case linkAttribute.linkNamespaceId:
      link.linkNamespaceId = value.i32();
      break;
    case linkAttribute.linkInfo:
      readLinkInfo(link, value);
      break;
  }
}

/** IFLA_INFO_KIND comes before IFLA_INFO_DATA, whose meaning depends on it. */
function readLinkInfo(link: Mutable<Link>, info: ByteReader): void {
  info.attributes((attribute, value) => {
    if (attribute === linkInfo.kind) link.kind = value.text();
    else if (attribute === linkInfo.data && link.kind === "vxlan") link.vxlan = readVxlan(value);
    else if (attribute === linkInfo.data && link.kind === "ipip") link.ipip = readIpip(value);
  });
}

function readVxlan(data: ByteReader): VxlanProperties {
  const vxlan: Mutable<VxlanProperties> = { vni: 0, port: 0, learning: false };
  const extras: VxlanExtra[] = [];
  data.attributes((attribute, value) => {
    if (attribute === vxlanAttribute.vni) vxlan.vni = value.u32();
    else if (attribute === vxlanAttribute.port) vxlan.port = value.u16be();
    else if (attribute === vxlanAttribute.learning) vxlan.learning = value.u8() !== 0;
    else if (attribute === vxlanAttribute.link) vxlan.parentIndex = value.u32();
    else if (attribute === vxlanAttribute.local || attribute === vxlanAttribute.local6) vxlan.local = value.address();
    else if (isSwitchedOn(attribute, value)) extras.push(extraNames[attribute] ?? "group");
  });
  return extras.length === 0 ? vxlan : { ...vxlan, extras };
}

const extraNames: Readonly<Record<number, VxlanExtra>> = {
  [vxlanAttribute.group]: "group",
  [vxlanAttribute.group6]: "group",
  [vxlanAttribute.proxy]: "proxy",
  [vxlanAttribute.l2miss]: "l2miss",
  [vxlanAttribute.l3miss]: "l3miss",
  [vxlanAttribute.gbp]: "gbp",
  [vxlanAttribute.external]: "external",
};

/** Flags without a value (gbp) are on by being there, and so are addresses. */
function isSwitchedOn(attribute: number, value: ByteReader): boolean {
  return attribute in extraNames && (value.remaining !== 1 || value.u8() !== 0);
}

function readIpip(data: ByteReader): IpipProperties {
  const ipip: Mutable<IpipProperties> = { ttl: 0, pmtuDiscovery: false };
  data.attributes((attribute, value) => {
    if (attribute === tunnelAttribute.local) assignUnlessAny(ipip, "local", value.address());
    else if (attribute === tunnelAttribute.remote) assignUnlessAny(ipip, "remote", value.address());
    else if (attribute === tunnelAttribute.ttl) ipip.ttl = value.u8();
    else if (attribute === tunnelAttribute.pmtuDiscovery) ipip.pmtuDiscovery = value.u8() !== 0;
  });
  return ipip;
}

/** The kernel reports "any" as 0.0.0.0. */
function assignUnlessAny(ipip: Mutable<IpipProperties>, end: "local" | "remote", address: IpAddress): void {
  if (address.w0 !== 0) ipip[end] = address;
}
