import { connect, type Socket } from "node:net";
import type { PeerConfig } from "../types.ts";

/**
 * Opens a TCP connection to a peer. Rejects with the error of the system, or when `signal` aborts; then no socket is left
 * behind. There is no time limit of its own: the session aborts a dial that takes longer than its retry time.
 */
export type Dial = (peer: PeerConfig, signal: AbortSignal) => Promise<Socket>;

/** Dials by node's `net`, from the configured local address if there is one. */
export const dialTcp: Dial = (peer, signal) =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host: peer.address.toString(),
      port: peer.port,
      noDelay: true,
      ...(peer.localAddress === undefined ? {} : { localAddress: peer.localAddress.toString() }),
    });
    const onAbort = () => socket.destroy(new Error("the dial was given up"));
    signal.addEventListener("abort", onAbort);
    // Stays: an error that comes before the session has taken the socket over must not be an uncaught one.
    socket.on("error", (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    });
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      resolve(socket);
    });
    if (signal.aborted) onAbort();
  });
