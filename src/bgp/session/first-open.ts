import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
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
 * Waits for the OPEN of whoever has connected and puts all that has been read back into the socket, so that a session finds the
 * connection untouched. The socket is paused then. Never rejects.
 */
export function readFirstOpen(socket: Socket, clock: Clock, timeoutMs: number): Promise<FirstOpen> {
  const framer = new MessageFramer();
  const chunks: Uint8Array[] = [];
  return new Promise((resolve) => {
    const finish = (result: FirstOpen) => {
      timer.cancel();
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.off("end", onClose);
      socket.pause();
      if (chunks.length > 0 && !socket.destroyed) socket.unshift(Buffer.concat(chunks));
      resolve(result);
    };
    const onData = (chunk: Uint8Array) => {
      chunks.push(chunk);
      framer.push(chunk);
      const framed = framer.next();
      if (framed === undefined) return;
      const decoded = framed.ok ? decodeMessage(framed.bytes, undefined) : framed;
      if (!decoded.ok) finish({ kind: "error", error: decoded.error });
      else if (decoded.message.type === "open") finish({ kind: "open", message: decoded.message });
      else finish({ kind: "error", error: notAnOpen(decoded.message.type) });
    };
    const onClose = () => finish({ kind: "nothing" });
    const timer = clock.setTimer(timeoutMs, onClose);
    socket.on("data", onData);
    socket.once("close", onClose);
    socket.once("end", onClose);
  });
}

/** RFC 6608 §4: unexpected in OpenSent. */
function notAnOpen(type: string): SessionError {
  return { code: 5, subcode: 1, data: new Uint8Array(0), reason: `the first message is ${type} and not open` };
}
