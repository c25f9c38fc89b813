import { assertNever } from "../../core/errors.ts";
import type {
  AddPathFamily,
  Capability,
  ExtendedNextHopFamily,
  GracefulRestartFamily,
  LongLivedFamily,
} from "./capability.ts";
import { maxUint32 } from "./constants.ts";
import { BgpPacketError, requireInteger } from "./errors.ts";
import type { AfiSafi } from "./family.ts";
import type { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** Capability codes (RFC 5492, IANA "Capability Codes"). */
const CapabilityCode = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedNextHop: 5,
  extendedMessage: 6,
  role: 9,
  gracefulRestart: 64,
  fourOctetAs: 65,
  addPath: 69,
  enhancedRouteRefresh: 70,
  longLivedGracefulRestart: 71,
} as const;

/** The code that a capability has on the wire. */
export function capabilityCode(capability: Capability): number {
  switch (capability.kind) {
    case "multiprotocol":
      return CapabilityCode.multiprotocol;
    case "route-refresh":
      return CapabilityCode.routeRefresh;
    case "extended-next-hop":
      return CapabilityCode.extendedNextHop;
    case "extended-message":
      return CapabilityCode.extendedMessage;
    case "role":
      return CapabilityCode.role;
    case "graceful-restart":
      return CapabilityCode.gracefulRestart;
    case "four-octet-as":
      return CapabilityCode.fourOctetAs;
    case "add-path":
      return CapabilityCode.addPath;
    case "enhanced-route-refresh":
      return CapabilityCode.enhancedRouteRefresh;
    case "long-lived-graceful-restart":
      return CapabilityCode.longLivedGracefulRestart;
    case "unknown":
      return requireInteger("capability code", capability.code, 0, 255);
  }
}

const addPathModes: readonly AddPathFamily["mode"][] = ["receive", "send", "both"];

/** RFC 4724 §3 and RFC 8538 §2: the first octet's R and N bits, a family's F bit (also RFC 9494 §3). */
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
    case CapabilityCode.extendedNextHop:
      return length % 6 === 0 ? { kind: "extended-next-hop", families: decodeExtendedNextHop(value) } : "ignored";
    case CapabilityCode.role:
      return length === 1 ? { kind: "role", value: value.u8() } : "ignored";
    case CapabilityCode.longLivedGracefulRestart:
      return length % 7 === 0 ? { kind: "long-lived-graceful-restart", families: decodeLongLived(value) } : "ignored";
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

/** RFC 8950 §4: the SAFI takes two octets here. One above 255 is none that could ever be negotiated. */
function decodeExtendedNextHop(value: Reader): readonly ExtendedNextHopFamily[] {
  const families: ExtendedNextHopFamily[] = [];
  while (value.remaining > 0) {
    const family = { afi: value.u16(), safi: value.u16(), nextHopAfi: value.u16() };
    if (family.safi <= 255) families.push(family);
  }
  return families;
}

function decodeLongLived(value: Reader): readonly LongLivedFamily[] {
  const families: LongLivedFamily[] = [];
  while (value.remaining > 0) {
    const afi = value.u16();
    const safi = value.u8();
    const forwardingPreserved = (value.u8() & forwardingStateBit) !== 0;
    families.push({ afi, safi, forwardingPreserved, staleTimeSec: (value.u8() << 16) | value.u16() });
  }
  return families;
}

/** Appends code, length and value. Throws `VALUE_OUT_OF_RANGE`. */
export function encodeCapability(writer: Writer, capability: Capability): void {
  const code = capabilityCode(capability);
  const value = new Writer();
  encodeValue(value, capability);
  if (value.length > 255)
    throw new BgpPacketError(
      "VALUE_OUT_OF_RANGE",
      `capability ${code} has ${value.length} octets, but its length field holds at most 255`,
      { field: "capability", value: value.length },
    );
  writer.u8(code).u8(value.length).bytes(value.toBytes());
}

function encodeValue(writer: Writer, capability: Capability): void {
  switch (capability.kind) {
    case "multiprotocol":
      checkFamily(capability);
      writer.u16(capability.afi).u8(0).u8(capability.safi);
      return;
    case "route-refresh":
    case "extended-message":
    case "enhanced-route-refresh":
      return;
    case "four-octet-as":
      writer.u32(requireInteger("capability four-octet-as", capability.asNumber, 1, maxUint32));
      return;
    case "graceful-restart": {
      const flags = (capability.restarting ? restartStateBit : 0) | (capability.notification ? notificationBit : 0);
      writer.u16((flags << 8) | requireInteger("restartTimeSec", capability.restartTimeSec, 0, 4095));
      for (const family of capability.families) {
        checkFamily(family);
        writer.u16(family.afi).u8(family.safi);
        writer.u8(family.forwardingPreserved ? forwardingStateBit : 0);
      }
      return;
    }
    case "add-path":
      for (const family of capability.families) {
        checkFamily(family);
        writer.u16(family.afi).u8(family.safi);
        writer.u8(addPathModes.indexOf(family.mode) + 1);
      }
      return;
    case "extended-next-hop":
      for (const family of capability.families) {
        checkFamily(family);
        writer.u16(family.afi).u16(family.safi);
        writer.u16(requireInteger("nextHopAfi", family.nextHopAfi, 0, 65535));
      }
      return;
    case "role":
      writer.u8(requireInteger("role", capability.value, 0, 255));
      return;
    case "long-lived-graceful-restart":
      for (const family of capability.families) {
        checkFamily(family);
        const staleTimeSec = requireInteger("staleTimeSec", family.staleTimeSec, 0, 0xffffff);
        writer.u16(family.afi).u8(family.safi);
        writer.u8(family.forwardingPreserved ? forwardingStateBit : 0);
        writer.u8(staleTimeSec >>> 16).u16(staleTimeSec & 0xffff);
      }
      return;
    case "unknown":
      writer.bytes(capability.value);
      return;
    default:
      assertNever(capability, "capability");
  }
}

function checkFamily(family: AfiSafi): void {
  requireInteger("afi", family.afi, 0, 65535);
  requireInteger("safi", family.safi, 0, 255);
}
