import { headerLength, standardMaxMessageLength } from "./constants.ts";
import { readHeader } from "./header.ts";
import type { SessionError } from "./message.ts";
import { plainBytes } from "./reader.ts";

export type FramerResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly error: SessionError };

/**
 * Cuts a byte stream into whole messages by their announced length, each with memory of its own. Who can read messages where they
 * lie finds them at `position` of `octets` and says with `skip` how many octets it has read. The header is judged as soon as it has
 * arrived. After an error the stream has no known position any more: every further `next` gives the same error.
 *
 * Holds at most one message beyond the pushed chunks, so call `next` until it is undefined before the next `push`.
 */
export class MessageFramer {
  #maxMessageLength: number;
  readonly #chunks: Uint8Array[] = [];
  /** Octets of the first chunk that are used up. */
  #consumed = 0;
  /** A message (or just its header, while the length is unknown) that spans chunks, and how much of it is there. */
  #partial: Uint8Array | undefined;
  #filled = 0;
  #failure: FramerResult | undefined;

  constructor(maxMessageLength: number = standardMaxMessageLength) {
    this.#maxMessageLength = maxMessageLength;
  }

  /**
   * The largest message to accept from now on: 65535 once the peer has our OPEN with the Extended Message capability
   * (RFC 8654 §4: having advertised it we must be able to receive them).
   */
  setMaxMessageLength(maxMessageLength: number): void {
    this.#maxMessageLength = maxMessageLength;
  }

  /** Adds received octets. They must not change until they are used up. */
  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(plainBytes(chunk));
  }

  /** What the next message begins in; undefined if its beginning has been copied already, or nothing is there. */
  get octets(): Uint8Array | undefined {
    return this.#partial === undefined ? this.#chunks[0] : undefined;
  }

  /** Where in `octets` the next message begins. */
  get position(): number {
    return this.#consumed;
  }

  /** So many of `octets`, whole messages, have been read where they lie. */
  skip(octets: number): void {
    const chunk = this.#chunks[0];
    if (chunk !== undefined && octets > 0) this.#consume(chunk, octets);
  }

  /** The next whole message, header included; undefined if more octets are needed. */
  next(): FramerResult | undefined {
    while (this.#failure === undefined) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const message =
        this.#partial === undefined ? this.#nextInside(chunk) : this.#continuePartial(this.#partial, chunk);
      if (message !== undefined) return { ok: true, bytes: message };
    }
    return this.#failure;
  }

  /** The message at the read position if this chunk holds all of it; else begins a partial one. */
  #nextInside(chunk: Uint8Array): Uint8Array | undefined {
    const start = this.#consumed;
    const available = chunk.length - start;
    let wanted = headerLength;
    if (available >= headerLength) {
      const length = this.#judgeHeader(chunk, start);
      if (length === undefined) return undefined;
      if (available >= length) {
        this.#consume(chunk, length);
        return chunk.slice(start, start + length);
      }
      wanted = length;
    }
    this.#partial = new Uint8Array(wanted);
    this.#filled = 0;
    return undefined;
  }

  #continuePartial(partial: Uint8Array, chunk: Uint8Array): Uint8Array | undefined {
    const taken = Math.min(partial.length - this.#filled, chunk.length - this.#consumed);
    partial.set(chunk.subarray(this.#consumed, this.#consumed + taken), this.#filled);
    this.#filled += taken;
    this.#consume(chunk, taken);
    if (this.#filled < partial.length) return undefined;
    if (partial.length === headerLength) {
      const length = this.#judgeHeader(partial, 0);
      if (length === undefined) return undefined;
      if (length > headerLength) {
        this.#partial = new Uint8Array(length);
        this.#partial.set(partial);
        return undefined;
      }
    }
    this.#partial = undefined;
    return partial;
  }

  #judgeHeader(bytes: Uint8Array, start: number): number | undefined {
    const header = readHeader(bytes, this.#maxMessageLength, start);
    if (header.ok) return header.length;
    this.#failure = header;
    this.#chunks.length = 0;
    return undefined;
  }

  #consume(chunk: Uint8Array, octets: number): void {
    this.#consumed += octets;
    if (this.#consumed < chunk.length) return;
    this.#chunks.shift();
    this.#consumed = 0;
  }
}
