import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";

/** How long a peer may take to read our last octets and to close its side. */
const lingerMs = 5_000;

/**
 * Sends what is queued and then `lastWords`, closes our side and waits for the peer to close its own, at most five seconds.
 * What still comes in is read and dropped: a socket that closes with unread octets sends a reset, which can destroy the
 * NOTIFICATION on its way. Resolves when the socket is gone; never rejects. The caller has removed its own listeners.
 */
export function closeGently(socket: Socket, lastWords: Uint8Array | undefined, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) {
      resolve();
      return;
    }
    const timer = clock.setTimer(lingerMs, () => socket.destroy());
    // The close event follows every error.
    socket.on("error", () => {});
    socket.once("close", () => {
      timer.cancel();
      resolve();
    });
    socket.resume();
    if (lastWords !== undefined && socket.writable) socket.end(lastWords);
    else socket.end();
  });
}
