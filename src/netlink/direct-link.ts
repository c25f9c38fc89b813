import { closeSync } from "node:fs";
import { NetlinkError } from "./errors.ts";
import type { KernelLink } from "./kernel-netlink.ts";
import { RequestChannel } from "./request-channel.ts";
import type { BatchOutcome, QueryOutcome } from "./worker-messages.ts";

/** The way to the kernel without a worker: each call blocks the calling thread while the kernel works. Owns the socket. */
export class DirectLink implements KernelLink {
  readonly #fd: number;
  readonly #channel: RequestChannel;
  #isClosed = false;

  constructor(fd: number) {
    this.#fd = fd;
    this.#channel = new RequestChannel(fd);
  }

  async exchange(bytes: Uint8Array<ArrayBuffer>, lastSequence: number): Promise<BatchOutcome> {
    return this.#open().exchange(bytes, lastSequence);
  }

  async query(bytes: Uint8Array<ArrayBuffer>, sequence: number): Promise<QueryOutcome> {
    return this.#open().query(bytes, sequence, () => {});
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }

  /** The number may be another file's by now. */
  #open(): RequestChannel {
    if (this.#isClosed) throw new NetlinkError("CLOSED", "this netlink has been closed");
    return this.#channel;
  }
}
