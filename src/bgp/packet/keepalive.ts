import { MessageType } from "./constants.ts";
import { buildMessage } from "./header.ts";

/** A whole KEEPALIVE (RFC 4271 §4.4). */
export function encodeKeepalive(): Uint8Array {
  return buildMessage(MessageType.keepalive, []);
}
