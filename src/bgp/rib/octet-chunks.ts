/** Large enough for the largest attribute list, small enough that a speaker with few routes stays small. */
const chunkBits = 18;
const chunkSize = 1 << chunkBits;
/** Pieces are multiples of this, so that a freed one fits others of about its length. */
const grain = 8;

/**
 * Pieces of up to 65535 octets at addresses (numbers), in chunks that never move: growing costs no copy.
 *
 * Invariants: a piece lies within one chunk and begins at a multiple of `grain`; freed pieces wait in a list for their rounded
 * length and are given to the next piece of that length.
 */
export class OctetChunks {
  readonly #chunks: Uint8Array[] = [];
  /** The same memory. */
  readonly #words: Int32Array[] = [];
  readonly #free: number[][] = [];
  /** Where the unused rest of the last chunk begins. */
  #next = 0;

  /** Room for `length` octets. */
  allocate(length: number): number {
    const grains = grainsOf(length);
    const freed = this.#free[grains]?.pop();
    if (freed !== undefined) return freed;
    const size = grains * grain;
    if (this.#chunks.length === 0 || (this.#next & (chunkSize - 1)) + size > chunkSize || this.#isFull)
      this.#addChunk();
    const address = this.#next;
    this.#next += size;
    return address;
  }

  release(address: number, length: number): void {
    const grains = grainsOf(length);
    const list = this.#free[grains];
    if (list === undefined) this.#free[grains] = [address];
    else list.push(address);
  }

  /** The memory that an address lies in, and `offsetOf` says where. */
  chunkOf(address: number): Uint8Array {
    return this.#chunks[address >>> chunkBits] ?? noOctets;
  }

  /** The same as `chunkOf` in words of four octets; the piece begins at a quarter of `offsetOf`. */
  wordsOf(address: number): Int32Array {
    return this.#words[address >>> chunkBits] ?? noWords;
  }

  offsetOf(address: number): number {
    return address & (chunkSize - 1);
  }

  get #isFull(): boolean {
    return this.#next === this.#chunks.length * chunkSize;
  }

  #addChunk(): void {
    this.#next = this.#chunks.length * chunkSize;
    const chunk = new Uint8Array(chunkSize);
    this.#chunks.push(chunk);
    this.#words.push(new Int32Array(chunk.buffer));
  }
}

const noOctets = new Uint8Array(0);
const noWords = new Int32Array(0);

function grainsOf(length: number): number {
  return (length + grain - 1) >>> 3;
}
