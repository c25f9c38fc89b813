import type { Clock } from "../../core/clock.ts";
import type { TcpConnection } from "../../core/tcp.ts";

/** How long a peer may take to read our last octets and to close its side. */
const lingerMs = 5_000;

/**
 * Sends what is queued and then `lastWords`, closes our side and waits for the peer to close its own, at most five seconds.
 * What still comes in is read and dropped: a socket that closes with unread octets sends a reset, which can destroy the
 * NOTIFICATION on its way. Resolves when the socket is gone; never rejects.
 */
export function closeGently(connection: TcpConnection, lastWords: Uint8Array | undefined, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(lingerMs, () => connection.destroy());
    connection.use({
      onOctets: () => {},
      onEnd: () => {},
      onUnsent: () => {},
      // The end of the socket follows every error.
      onError: () => {},
      onClosed: () => {
        timer.cancel();
        resolve();
      },
    });
    if (lastWords !== undefined) connection.write(lastWords);
    connection.end();
  });
}
