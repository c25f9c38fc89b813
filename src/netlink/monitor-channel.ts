import { setGroupMembership } from "../sys/netlink-socket.ts";
import { receiveInto } from "./request-channel.ts";
import type { WorkerReport } from "./worker-messages.ts";

/** One notification is far smaller; a datagram never holds more than this. */
const DATAGRAM_BYTES = 65_536;
/** About 500 routes, which the main thread decodes in a millisecond or two. */
const REPORT_BYTES = 65_536;
/** Reports that the main thread may have before it, many times those that it acknowledges at once; beyond that the kernel drops messages, and says so. */
const MAX_UNCONSUMED = 64;

/**
 * The monitor socket as the worker uses it: multicast messages are gathered into reports. When the main thread falls
 * behind, the socket is left alone until it has caught up; what the kernel cannot hold meanwhile becomes an overrun.
 */
export class MonitorChannel {
  readonly #fd: number;
  readonly #report: (report: WorkerReport, transfer: readonly ArrayBuffer[]) => void;
  readonly #buffer = new Uint8Array(REPORT_BYTES + DATAGRAM_BYTES);
  #unconsumed = 0;

  constructor(fd: number, report: (report: WorkerReport, transfer: readonly ArrayBuffer[]) => void) {
    this.#fd = fd;
    this.#report = report;
  }

  /** True while the main thread has enough to do with what it was given. */
  get isPaused(): boolean {
    return this.#unconsumed >= MAX_UNCONSUMED;
  }

  /** The main thread has dealt with so many reports. */
  consumed(reports: number): void {
    this.#unconsumed -= reports;
  }

  /** Throws SyscallError. */
  setMembership(groups: readonly number[], isMember: boolean): void {
    for (const group of groups) setGroupMembership(this.#fd, group, isMember);
  }

  /** Reports what has arrived, until there is no more or the main thread has enough. Throws SyscallError. */
  drain(): void {
    let gathered = 0;
    while (!this.isPaused) {
      const datagram = receiveInto(this.#fd, this.#buffer.subarray(gathered));
      if (typeof datagram !== "string") gathered += datagram.length;
      if (datagram === "overrun" || datagram === "empty" || gathered >= REPORT_BYTES) {
        this.#flush(gathered);
        gathered = 0;
      }
      if (datagram === "overrun") this.#report({ kind: "overrun" }, []);
      if (datagram === "empty") return;
    }
  }

  #flush(octets: number): void {
    if (octets === 0) return;
    const bytes = this.#buffer.slice(0, octets);
    this.#unconsumed++;
    this.#report({ kind: "events", bytes }, [bytes.buffer]);
  }
}
