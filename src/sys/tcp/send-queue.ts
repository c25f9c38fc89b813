import { constants } from "node:os";
import { sendOctets } from "./calls.ts";

/** What is shorter is put together with what follows in the same turn; what is longer goes out by itself. */
const blockOctets = 4096;
const mostSpareBlocks = 256;

/** Short pieces that have to wait are sent together, as many as make this up. */
const joinedOctets = 64 * 1024;

const { EAGAIN } = constants.errno;

/** Blocks that no queue needs. */
const spareBlocks: Uint8Array[] = [];

/**
 * What is to be sent over one socket, in order:
 *
 *     waiting (refused by the kernel, copied, in pieces)  then  block (what this turn has written, not yet tried)
 *
 * Written octets are copied or taken by the kernel before `write` returns. While something waits, everything else waits behind it,
 * and there is no block.
 */
export class SendQueue {
  readonly #fd: number;
  #block: Uint8Array | undefined;
  #blockLength = 0;
  #waiting: Uint8Array[] = [];
  #waitingOctets = 0;
  /** The errno of the first failure; then nothing is sent or kept any more. */
  #errno = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get octets(): number {
    return this.#waitingOctets + this.#blockLength;
  }

  /** Octets that the kernel did not take yet. */
  get waitingOctets(): number {
    return this.#waitingOctets;
  }

  get errno(): number {
    return this.#errno;
  }

  /** True if the owner has to `flush`, or to look what has become of it: octets wait, or it has failed. */
  write(octets: Uint8Array): boolean {
    if (this.#errno !== 0) return false;
    if (this.#blockLength + octets.length > blockOctets) this.#sendBlock();
    if (this.#waitingOctets > 0 || octets.length > blockOctets) this.#send(octets);
    else {
      this.#block ??= spareBlocks.pop() ?? new Uint8Array(blockOctets);
      this.#block.set(octets, this.#blockLength);
      this.#blockLength += octets.length;
    }
    return this.octets > 0 || this.#errno !== 0;
  }

  /** Sends what this turn has written. */
  flush(): void {
    this.#sendBlock();
  }

  /** The kernel has room again. */
  goOn(): void {
    while (this.#waitingOctets > 0 && this.#errno === 0) {
      const piece = this.#joinFirst();
      const taken = this.#try(piece);
      this.#waitingOctets -= taken;
      if (taken === piece.length) continue;
      this.#waiting.unshift(piece.subarray(taken));
      break;
    }
    if (this.#errno !== 0) this.clear();
  }

  /** Forgets everything. */
  clear(): void {
    this.#waiting = [];
    this.#waitingOctets = 0;
    this.#releaseBlock();
  }

  /** Takes the first piece off the list, with those that follow if they are short. */
  #joinFirst(): Uint8Array {
    let octets = this.#waiting[0]?.length ?? 0;
    let count = 1;
    for (; count < this.#waiting.length; count++) {
      octets += this.#waiting[count]?.length ?? 0;
      if (octets > joinedOctets) break;
    }
    const first = this.#waiting.splice(0, count);
    return first.length === 1 && first[0] !== undefined ? first[0] : Buffer.concat(first);
  }

  #sendBlock(): void {
    const block = this.#block;
    if (block === undefined) return;
    const written = block.subarray(0, this.#blockLength);
    this.#releaseBlock();
    this.#send(written);
  }

  #releaseBlock(): void {
    if (this.#block !== undefined && spareBlocks.length < mostSpareBlocks) spareBlocks.push(this.#block);
    this.#block = undefined;
    this.#blockLength = 0;
  }

  #send(octets: Uint8Array): void {
    const taken = this.#waitingOctets > 0 ? 0 : this.#try(octets);
    if (this.#errno === 0 && taken < octets.length) this.#wait(octets.subarray(taken));
  }

  #wait(octets: Uint8Array): void {
    this.#waiting.push(octets.slice());
    this.#waitingOctets += octets.length;
  }

  #try(octets: Uint8Array): number {
    const taken = sendOctets(this.#fd, octets);
    if (taken >= 0) return taken;
    if (taken !== -EAGAIN) this.#errno = -taken;
    return 0;
  }
}
