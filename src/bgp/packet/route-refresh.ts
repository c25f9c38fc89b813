import { ErrorCode, headerLength, MessageType } from "./constants.ts";
import { decodeFailure, requireInteger } from "./errors.ts";
import { afiSafiOf, type Family } from "./family.ts";
import { badLength, buildMessage } from "./header.ts";
import type { CodecContext, DecodeResult, RouteRefreshMessage } from "./message.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const messageLength = headerLength + 4;

/** A whole ROUTE-REFRESH (RFC 2918 §3). A wrong length is 7/1 for the subtypes of RFC 7313 where agreed on, else 1/2. */
export function decodeRouteRefresh(
  bytes: Uint8Array,
  context: CodecContext | undefined,
): DecodeResult<RouteRefreshMessage> {
  const reader = Reader.of(bytes);
  reader.take(headerLength);
  const afi = reader.u16();
  const subtype = reader.u8();
  if (bytes.length !== messageLength) {
    // RFC 7313 §5 speaks of beginning and end only, and wants the whole message as data.
    if (context?.enhancedRouteRefresh === true && (subtype === 1 || subtype === 2))
      return decodeFailure(
        ErrorCode.routeRefresh,
        1,
        `a ROUTE-REFRESH has ${messageLength} octets, not ${bytes.length}`,
        bytes.slice(),
      );
    return badLength(MessageType.routeRefresh, bytes.length, messageLength, messageLength);
  }
  return { ok: true, message: { type: "route-refresh", afi, safi: reader.u8(), subtype } };
}

/** A whole ROUTE-REFRESH. Throws `VALUE_OUT_OF_RANGE`. */
export function encodeRouteRefresh(message: Omit<RouteRefreshMessage, "type">): Uint8Array {
  const body = new Writer(4)
    .u16(requireInteger("afi", message.afi, 0, 65535))
    .u8(requireInteger("subtype", message.subtype, 0, 255))
    .u8(requireInteger("safi", message.safi, 0, 255));
  return buildMessage(MessageType.routeRefresh, [body.toBytes()]);
}

/** Beginning or end of the answer to a request for a family (RFC 7313 §3.2): BoRR or EoRR. */
export function encodeDemarcation(family: Family, subtype: number): Uint8Array {
  return encodeRouteRefresh({ ...afiSafiOf(family), subtype });
}
