import { extendedMaxMessageLength, headerLength, MessageType } from "./constants.ts";
import { badLength, readHeader } from "./header.ts";
import type { CodecContext, DecodeResult } from "./message.ts";
import { decodeNotification } from "./notification.ts";
import { decodeOpen } from "./open.ts";
import { plainBytes, Reader } from "./reader.ts";
import { decodeRouteRefresh } from "./route-refresh.ts";
import { decodeUpdate } from "./update-decode.ts";

/**
 * Decodes one whole message, header included, as `MessageFramer` yields it; the result keeps no view of `bytes`. Never
 * throws. `context` is what the two OPENs agreed on; without it an UPDATE is read as between speakers that have no
 * capabilities. The session's maximum message length is the framer's to enforce.
 */
export function decodeMessage(bytes: Uint8Array, context: CodecContext | undefined): DecodeResult {
  const plain = plainBytes(bytes);
  const header = readHeader(plain, extendedMaxMessageLength);
  if (!header.ok) return header;
  if (header.length !== plain.length) return badLength(header.type, header.length, plain.length, plain.length);
  const body = Reader.of(plain);
  body.take(headerLength);
  switch (header.type) {
    case MessageType.open:
      return decodeOpen(body);
    case MessageType.update:
      return decodeUpdate(body, context);
    case MessageType.notification:
      return decodeNotification(body);
    case MessageType.routeRefresh:
      return decodeRouteRefresh(plain, context);
    default:
      return { ok: true, message: { type: "keepalive" } };
  }
}
