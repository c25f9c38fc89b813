import { NetlinkError } from "../errors.ts";
import type { LinkChange, LinkSpec, TunnelChange } from "../types.ts";
import {
  family,
  interfaceFlag,
  linkAttribute,
  linkInfo,
  skipStatistics,
  tunnelAttribute,
  vethAttribute,
  vxlanAttribute,
} from "./constants.ts";
import { interfaceIndex, interfaceName, macOctets, unsigned } from "./fields.ts";
import type { MessageWriter } from "./writer.ts";

const MAX_MTU = 0xffffffff;
const MAX_VNI = 0xffffff;

/** Payload of the RTM_NEWLINK that makes a link. Throws `INVALID_REQUEST`. */
export function encodeLink(writer: MessageWriter, link: LinkSpec): void {
  encodeHeader(writer, 0, link.up);
  encodeProperties(writer, link);
  writer.nested(linkAttribute.linkInfo, () => {
    writer.textAttribute(linkInfo.kind, link.kind);
    if (link.kind !== "bridge" && link.kind !== "dummy")
      writer.nested(linkInfo.data, () => encodeKindData(writer, link));
  });
}

/** Payload of the RTM_SETLINK that changes a link, given by index or by name. Throws `INVALID_REQUEST`. */
export function encodeLinkChange(writer: MessageWriter, link: number | string, change: LinkChange): void {
  encodeSelector(writer, link, change.up);
  if (change.name !== undefined && typeof link === "string")
    throw new NetlinkError("INVALID_REQUEST", `link: ${link} must be given by its index to be renamed`, {
      field: "link",
      value: link,
    });
  encodeProperties(writer, change);
  if (change.masterIndex !== undefined)
    writer.u32Attribute(linkAttribute.master, unsigned("masterIndex", change.masterIndex, 0x7fffffff));
  if (change.namespace !== undefined)
    writer.u32Attribute(linkAttribute.namespaceFd, unsigned("namespace.fd", change.namespace.fd, 0x7fffffff));
  const { tunnel } = change;
  if (tunnel !== undefined)
    writer.nested(linkAttribute.linkInfo, () => {
      writer.textAttribute(linkInfo.kind, tunnel.kind);
      writer.nested(linkInfo.data, () => encodeTunnelData(writer, tunnel));
    });
}

/** Payload of RTM_DELLINK. Throws `INVALID_REQUEST`. */
export function encodeLinkDeletion(writer: MessageWriter, link: number | string): void {
  encodeSelector(writer, link, undefined);
}

/** Payload of a dump's RTM_GETLINK. */
export function encodeLinkDump(writer: MessageWriter): void {
  encodeHeader(writer, 0, undefined);
  writer.u32Attribute(linkAttribute.extendedMask, skipStatistics);
}

function encodeSelector(writer: MessageWriter, link: number | string, up: boolean | undefined): void {
  encodeHeader(writer, typeof link === "number" ? interfaceIndex("link", link) : 0, up);
  if (typeof link === "string") writer.textAttribute(linkAttribute.name, interfaceName("link", link));
}

/** struct ifinfomsg; `up` undefined leaves the flag as it is. */
function encodeHeader(writer: MessageWriter, index: number, up: boolean | undefined): void {
  writer.u8(family.unspecified);
  writer.u8(0);
  writer.u16(0);
  writer.u32(index);
  writer.u32(up === true ? interfaceFlag.up : 0);
  writer.u32(up === undefined ? 0 : interfaceFlag.up);
}

function encodeProperties(
  writer: MessageWriter,
  properties: { readonly name?: string; readonly mtu?: number; readonly macAddress?: string },
): void {
  const { name, mtu, macAddress } = properties;
  if (name !== undefined) writer.textAttribute(linkAttribute.name, interfaceName("name", name));
  if (mtu !== undefined) writer.u32Attribute(linkAttribute.mtu, unsigned("mtu", mtu, MAX_MTU));
  if (macAddress !== undefined)
    writer.attribute(linkAttribute.address, () => writer.octets(macOctets("macAddress", macAddress)));
}

function encodeKindData(writer: MessageWriter, link: Extract<LinkSpec, { kind: "veth" | "vxlan" | "ipip" }>): void {
  switch (link.kind) {
    case "veth":
      writer.nested(vethAttribute.peer, () => {
        encodeHeader(writer, 0, undefined);
        encodeProperties(writer, link.peer);
        if (link.peer.namespace !== undefined)
          writer.u32Attribute(
            linkAttribute.namespaceFd,
            unsigned("peer.namespace.fd", link.peer.namespace.fd, 0x7fffffff),
          );
      });
      break;
    case "vxlan":
      writer.u32Attribute(vxlanAttribute.vni, unsigned("vni", link.vni, MAX_VNI));
      writer.u16beAttribute(vxlanAttribute.port, unsigned("port", link.port, 0xffff));
      encodeTunnelData(writer, link);
      break;
    case "ipip":
      encodeTunnelData(writer, link);
      break;
  }
}

/** What can be said of a tunnel when it is made, and changed afterwards. */
function encodeTunnelData(writer: MessageWriter, tunnel: TunnelChange | Extract<LinkSpec, { kind: "ipip" }>): void {
  const { local } = tunnel;
  if (tunnel.kind === "vxlan") {
    if (tunnel.learning !== undefined) writer.u8Attribute(vxlanAttribute.learning, tunnel.learning ? 1 : 0);
    if (tunnel.parentIndex !== undefined)
      writer.u32Attribute(vxlanAttribute.link, interfaceIndex("parentIndex", tunnel.parentIndex));
    if (local !== undefined)
      writer.addressAttribute(local.family === 4 ? vxlanAttribute.local : vxlanAttribute.local6, local);
  } else {
    if (local !== undefined) writer.addressAttribute(tunnelAttribute.local, local);
    if (tunnel.remote !== undefined) writer.addressAttribute(tunnelAttribute.remote, tunnel.remote);
    if (tunnel.ttl !== undefined) writer.u8Attribute(tunnelAttribute.ttl, unsigned("ttl", tunnel.ttl, 255));
    if (tunnel.pmtuDiscovery !== undefined)
      writer.u8Attribute(tunnelAttribute.pmtuDiscovery, tunnel.pmtuDiscovery ? 1 : 0);
  }
}
