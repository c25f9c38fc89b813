import { closeSync } from "node:fs";
import { constants } from "node:os";
import { connectSocket, getSocketOption, SyscallError } from "../libc.ts";
import { type Polled, type Poller, sendable } from "./poller.ts";

const SOL_SOCKET = 1;
const SO_ERROR = 4;
const { EINPROGRESS } = constants.errno;

/**
 * Connects a socket to this sockaddr, and hands it over to what `use` makes of it. Rejects with SyscallError or, when `signal` aborts,
 * with an Error, and has closed the socket then.
 */
export function dialSocket<Member extends Polled>(
  fd: number,
  remote: Uint8Array,
  { poller, signal, use }: { readonly poller: Poller; readonly signal: AbortSignal; readonly use: () => Member },
): Promise<Member> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      signal.removeEventListener("abort", onAbort);
      poller.remove(fd);
      closeSync(fd);
      reject(error);
    };
    const onAbort = () => fail(new Error("the dial was given up"));
    const onReady = (events: number) => {
      if ((events & sendable) === 0) return;
      const errno = getSocketOption(fd, SOL_SOCKET, SO_ERROR);
      if (errno !== 0) {
        fail(new SyscallError("connect", errno));
        return;
      }
      signal.removeEventListener("abort", onAbort);
      const member = use();
      poller.handOver(fd, member);
      // What has come with the event is not told again.
      member.onReady(events);
      resolve(member);
    };
    try {
      connect(fd, remote);
      poller.add(fd, { onReady, flush: () => {} });
    } catch (error) {
      closeSync(fd);
      reject(error);
      return;
    }
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}

function connect(fd: number, remote: Uint8Array): void {
  try {
    connectSocket(fd, remote);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EINPROGRESS) throw error;
  }
}
