import {
  ErrorCode,
  extendedMaxMessageLength,
  headerLength,
  MessageType,
  standardMaxMessageLength,
} from "./constants.ts";
import { BgpPacketError, decodeFailure } from "./errors.ts";
import type { SessionError } from "./message.ts";
import { Writer } from "./writer.ts";

export type HeaderResult =
  | { readonly ok: true; readonly type: number; readonly length: number }
  | { readonly ok: false; readonly error: SessionError };

const markerLength = 16;

/** Smallest and largest length per message type (RFC 4271 §6.1); RFC 8654 §4 leaves OPEN and KEEPALIVE at 4096. */
const lengthLimits = new Map<number, { readonly minimum: number; readonly maximum: number }>([
  [MessageType.open, { minimum: 29, maximum: standardMaxMessageLength }],
  [MessageType.update, { minimum: 23, maximum: extendedMaxMessageLength }],
  [MessageType.notification, { minimum: 21, maximum: extendedMaxMessageLength }],
  [MessageType.keepalive, { minimum: headerLength, maximum: headerLength }],
  // Which error answers another length than 23 depends on RFC 7313; the decoder of the message knows.
  [MessageType.routeRefresh, { minimum: headerLength, maximum: extendedMaxMessageLength }],
]);

/**
 * Checks marker, type and length of a message that begins at `start` of `bytes` (at least 19 octets), RFC 4271 §6.1. The rest of
 * the message need not be there. Errors are 1/1, 1/2 with the length and 1/3 with the type as data.
 */
export function readHeader(bytes: Uint8Array, maxMessageLength: number, start = 0): HeaderResult {
  if (bytes.length - start < headerLength)
    return decodeFailure(ErrorCode.header, 2, `${bytes.length - start} octets are less than a message header`);
  let marker = 0xff;
  for (let at = start; at < start + markerLength; at++) marker &= bytes[at] ?? 0;
  const length = ((bytes[start + markerLength] ?? 0) << 8) | (bytes[start + markerLength + 1] ?? 0);
  const type = bytes[start + markerLength + 2] ?? 0;
  if (marker !== 0xff) return decodeFailure(ErrorCode.header, 1, "the header's marker is not all ones");
  const limits = lengthLimits.get(type);
  if (limits === undefined)
    return decodeFailure(ErrorCode.header, 3, `message type ${type} is unknown`, new Uint8Array([type]));
  if (length < limits.minimum || length > limits.maximum || length > maxMessageLength)
    return badLength(type, length, limits.minimum, Math.min(limits.maximum, maxMessageLength));
  return { ok: true, type, length };
}

/** Calls `visit` with begin and end of each message of octets that are whole messages from `start` to `end`. */
export function eachMessage(
  octets: Uint8Array,
  start: number,
  end: number,
  visit: (start: number, end: number) => void,
): void {
  for (let at = start; at < end; ) {
    const next = at + (((octets[at + markerLength] ?? 0) << 8) | (octets[at + markerLength + 1] ?? 0));
    visit(at, next);
    at = next;
  }
}

/** 1/2 with the offending length as data. */
export function badLength(type: number, length: number, minimum: number, maximum: number) {
  return decodeFailure(
    ErrorCode.header,
    2,
    `a message of type ${type} has ${minimum} to ${maximum} octets, not ${length}`,
    new Uint8Array([length >>> 8, length]),
  );
}

/** A whole message from its type and the parts of its body. Throws `MESSAGE_TOO_LARGE`. */
export function buildMessage(
  type: number,
  parts: readonly Uint8Array[],
  maxMessageLength: number = standardMaxMessageLength,
): Uint8Array {
  let length = headerLength;
  for (const part of parts) length += part.length;
  if (length > maxMessageLength)
    throw new BgpPacketError(
      "MESSAGE_TOO_LARGE",
      `a message of ${length} octets exceeds the session's ${maxMessageLength}`,
      { length, maxMessageLength },
    );
  const writer = new Writer(length);
  for (let word = 0; word < 4; word++) writer.u32(0xffffffff);
  writer.u16(length).u8(type);
  for (const part of parts) writer.bytes(part);
  return writer.toBytes();
}
