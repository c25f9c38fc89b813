import type { Clock } from "../../core/clock.ts";
import type { TcpConnection } from "../../core/tcp.ts";
import { decodeMessage } from "../packet/decode.ts";
import { MessageFramer } from "../packet/framer.ts";
import type { OpenMessage, SessionError } from "../packet/message.ts";

export type FirstOpen =
  | { readonly kind: "open"; readonly message: OpenMessage }
  /** What came is no OPEN; the error says how to answer. */
  | { readonly kind: "error"; readonly error: SessionError }
  /** The connection is over, or nothing came in time. */
  | { readonly kind: "nothing" };

/**
 * Waits for the OPEN of whoever has connected and gives all that has been read back to the connection, so that a session finds it
 * untouched. It is paused then. Never rejects.
 */
export function readFirstOpen(connection: TcpConnection, clock: Clock, timeoutMs: number): Promise<FirstOpen> {
  const framer = new MessageFramer();
  const chunks: Uint8Array[] = [];
  let isOver = false;
  return new Promise((resolve) => {
    const finish = (result: FirstOpen) => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      connection.pause();
      if (chunks.length > 0) connection.unread(Buffer.concat(chunks));
      resolve(result);
    };
    const onOctets = (octets: Uint8Array) => {
      const chunk = octets.slice();
      chunks.push(chunk);
      framer.push(chunk);
      const framed = framer.next();
      if (framed === undefined) return;
      const decoded = framed.ok ? decodeMessage(framed.bytes, undefined) : framed;
      if (!decoded.ok) finish({ kind: "error", error: decoded.error });
      else if (decoded.message.type === "open") finish({ kind: "open", message: decoded.message });
      else finish({ kind: "error", error: notAnOpen(decoded.message.type) });
    };
    const onGone = () => finish({ kind: "nothing" });
    const timer = clock.setTimer(timeoutMs, onGone);
    connection.use({ onOctets, onEnd: onGone, onUnsent: () => {}, onError: onGone, onClosed: onGone });
  });
}

/** RFC 6608 §4: unexpected in OpenSent. */
function notAnOpen(type: string): SessionError {
  return { code: 5, subcode: 1, data: new Uint8Array(0), reason: `the first message is ${type} and not open` };
}
