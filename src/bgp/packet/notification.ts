import { ErrorCode, headerLength, MessageType, standardMaxMessageLength } from "./constants.ts";
import { requireInteger } from "./errors.ts";
import { buildMessage } from "./header.ts";
import type { DecodeResult, NotificationMessage } from "./message.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** Subcodes of Cease that carry, or may carry, a text (RFC 9003 §2, RFC 8538 §3.1). */
const CeaseSubcode = { administrativeShutdown: 2, administrativeReset: 4, hardReset: 9 } as const;

const maxDataLength = standardMaxMessageLength - headerLength - 2;
const maxTextLength = 255;

/** The body of a NOTIFICATION (RFC 4271 §4.5). Unknown codes are no error: there is no answer to a NOTIFICATION. */
export function decodeNotification(body: Reader): DecodeResult<NotificationMessage> {
  const code = body.u8();
  const subcode = body.u8();
  return { ok: true, message: { type: "notification", code, subcode, data: body.copyRest() } };
}

/**
 * A whole NOTIFICATION. Data that would make it longer than 4096 octets is cut, because it goes out on the way to closing
 * the connection and must not fail there. Throws `VALUE_OUT_OF_RANGE` for codes beyond one octet.
 */
export function encodeNotification(notification: Omit<NotificationMessage, "type">): Uint8Array {
  const codes = new Uint8Array([
    requireInteger("code", notification.code, 0, 255),
    requireInteger("subcode", notification.subcode, 0, 255),
  ]);
  return buildMessage(MessageType.notification, [codes, notification.data.subarray(0, maxDataLength)]);
}

/** Data of a Cease 6/2 or 6/4: one length octet and UTF-8, cut to 255 octets between characters (RFC 9003 §2). */
export function encodeShutdownCommunication(text: string): Uint8Array {
  const octets = new TextEncoder().encode(text);
  let length = Math.min(octets.length, maxTextLength);
  // 0b10xxxxxx continues a character that began earlier.
  while (length > 0 && length < octets.length && ((octets[length] ?? 0) & 0xc0) === 0x80) length--;
  return new Writer(length + 1).u8(length).bytes(octets.subarray(0, length)).toBytes();
}

/**
 * The operator's text in a Cease 6/2 or 6/4, also inside a hard reset, made safe for a log: control characters are
 * escaped, and data that breaks RFC 9003 is shown in hexadecimal. Undefined if there is none.
 */
export function shutdownCommunication(notification: Omit<NotificationMessage, "type">): string | undefined {
  const { code, subcode, data } = notification;
  if (code !== ErrorCode.cease) return undefined;
  if (subcode === CeaseSubcode.hardReset && data.length >= 2) {
    const inner = Reader.of(data);
    const innerCode = inner.u8();
    const innerSubcode = inner.u8();
    // RFC 8538 §3.1 wraps any NOTIFICATION but another hard reset.
    if (innerSubcode === CeaseSubcode.hardReset) return undefined;
    return shutdownCommunication({ code: innerCode, subcode: innerSubcode, data: inner.copyRest() });
  }
  if (subcode !== CeaseSubcode.administrativeShutdown && subcode !== CeaseSubcode.administrativeReset) return undefined;
  const reader = Reader.of(data);
  const length = reader.u8();
  if (length === 0) return undefined;
  const text = reader.take(length);
  if (reader.overran) return `(malformed: 0x${toHex(data)})`;
  try {
    return escapeControls(new TextDecoder("utf-8", { fatal: true }).decode(text.copyRest()));
  } catch {
    // RFC 9003 §4: what is no UTF-8 is for a hexadecimal dump.
    return `(malformed: 0x${toHex(data)})`;
  }
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** C0 and C1 controls, line separators and bidirectional controls: all that can forge or hide a part of a log line. */
const unsafeCharacters = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function escapeControls(text: string): string {
  return text.replace(unsafeCharacters, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
