/** As much as a session handles in one turn if none of it has to be decoded; libuv reads a quarter of it at once. */
const bufferOctets = 256 * 1024;

/** So many are kept for the next use. */
const mostSpare = 4;

/**
 * Memory to receive into, the same again and again. A connection that is not done with what it got keeps the memory, and gives it
 * back when it is.
 */
export class ReceiveBuffers {
  readonly #spare: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(bufferOctets);
  }

  giveBack(buffer: Uint8Array): void {
    if (this.#spare.length < mostSpare) this.#spare.push(buffer);
  }
}
