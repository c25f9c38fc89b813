import type { AddPathFamily, Capability, GracefulRestartFamily } from "./capability.ts";
import { maxUint32 } from "./constants.ts";
import { BgpPacketError, requireInteger } from "./errors.ts";
import type { AfiSafi } from "./family.ts";
import type { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** Capability codes (RFC 5492, IANA "Capability Codes"). */
const CapabilityCode = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedMessage: 6,
  gracefulRestart: 64,
  fourOctetAs: 65,
  addPath: 69,
  enhancedRouteRefresh: 70,
} as const;

const addPathModes: readonly AddPathFamily["mode"][] = ["receive", "send", "both"];

/** RFC 4724 §3 and RFC 8538 §2: the first octet's R and N bits, a family's F bit. */
const restartStateBit = 0x80;
const notificationBit = 0x40;
const forwardingStateBit = 0x80;

/**
 * One capability from its code and value. A wrong length is `malformed` where the session depends on the capability
 * (multiprotocol, four-octet AS); any other such capability is `ignored`, as if it had not been sent.
 */
export function decodeCapability(code: number, value: Reader): Capability | "malformed" | "ignored" {
  const length = value.remaining;
  switch (code) {
    case CapabilityCode.multiprotocol:
      return length === 4 ? { kind: "multiprotocol", ...decodeMultiprotocol(value) } : "malformed";
    case CapabilityCode.fourOctetAs:
      return length === 4 ? { kind: "four-octet-as", asNumber: value.u32() } : "malformed";
    case CapabilityCode.routeRefresh:
      return length === 0 ? { kind: "route-refresh" } : "ignored";
    case CapabilityCode.extendedMessage:
      return length === 0 ? { kind: "extended-message" } : "ignored";
    case CapabilityCode.enhancedRouteRefresh:
      return length === 0 ? { kind: "enhanced-route-refresh" } : "ignored";
    case CapabilityCode.gracefulRestart:
      return length >= 2 && length % 4 === 2 ? decodeGracefulRestart(value) : "ignored";
    case CapabilityCode.addPath:
      return length % 4 === 0 ? { kind: "add-path", families: decodeAddPathFamilies(value) } : "ignored";
    default:
      return { kind: "unknown", code, value: value.copyRest() };
  }
}

function decodeMultiprotocol(value: Reader): AfiSafi {
  const afi = value.u16();
  value.u8();
  return { afi, safi: value.u8() };
}

function decodeGracefulRestart(value: Reader): Capability {
  const flagsAndTime = value.u16();
  const families: GracefulRestartFamily[] = [];
  while (value.remaining > 0) {
    const afi = value.u16();
    const safi = value.u8();
    families.push({ afi, safi, forwardingPreserved: (value.u8() & forwardingStateBit) !== 0 });
  }
  return {
    kind: "graceful-restart",
    restarting: ((flagsAndTime >> 8) & restartStateBit) !== 0,
    notification: ((flagsAndTime >> 8) & notificationBit) !== 0,
    restartTimeSec: flagsAndTime & 0x0fff,
    families,
  };
}

/** RFC 7911 §4: a tuple with another value than 1 … 3 is ignored. */
function decodeAddPathFamilies(value: Reader): readonly AddPathFamily[] {
  const families: AddPathFamily[] = [];
  while (value.remaining > 0) {
    const afi = value.u16();
    const safi = value.u8();
    const mode = addPathModes[value.u8() - 1];
    if (mode !== undefined) families.push({ afi, safi, mode });
  }
  return families;
}

/** Appends code, length and value. Throws `VALUE_OUT_OF_RANGE`. */
export function encodeCapability(writer: Writer, capability: Capability): void {
  const value = new Writer();
  const code = encodeValue(value, capability);
  if (value.length > 255)
    throw new BgpPacketError(
      "VALUE_OUT_OF_RANGE",
      `capability ${code} has ${value.length} octets, but its length field holds at most 255`,
      { field: "capability", value: value.length },
    );
  writer.u8(code).u8(value.length).bytes(value.toBytes());
}

function encodeValue(writer: Writer, capability: Capability): number {
  switch (capability.kind) {
    case "multiprotocol":
      checkFamily(capability);
      writer.u16(capability.afi).u8(0).u8(capability.safi);
      return CapabilityCode.multiprotocol;
    case "route-refresh":
      return CapabilityCode.routeRefresh;
    case "extended-message":
      return CapabilityCode.extendedMessage;
    case "enhanced-route-refresh":
      return CapabilityCode.enhancedRouteRefresh;
    case "four-octet-as":
      writer.u32(requireInteger("capability four-octet-as", capability.asNumber, 1, maxUint32));
      return CapabilityCode.fourOctetAs;
    case "graceful-restart": {
      const flags = (capability.restarting ? restartStateBit : 0) | (capability.notification ? notificationBit : 0);
      writer.u16((flags << 8) | requireInteger("restartTimeSec", capability.restartTimeSec, 0, 4095));
      for (const family of capability.families) {
        checkFamily(family);
        writer.u16(family.afi).u8(family.safi);
        writer.u8(family.forwardingPreserved ? forwardingStateBit : 0);
      }
      return CapabilityCode.gracefulRestart;
    }
    case "add-path":
      for (const family of capability.families) {
        checkFamily(family);
        writer.u16(family.afi).u8(family.safi);
        writer.u8(addPathModes.indexOf(family.mode) + 1);
      }
      return CapabilityCode.addPath;
    case "unknown":
      writer.bytes(capability.value);
      return requireInteger("capability code", capability.code, 0, 255);
  }
}

function checkFamily(family: AfiSafi): void {
  requireInteger("afi", family.afi, 0, 65535);
  requireInteger("safi", family.safi, 0, 255);
}
