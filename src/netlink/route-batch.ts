import type { PrefixIndex } from "../net/prefix-index.ts";
import { hostIsLittleEndian } from "../sys/byte-order.ts";
import { errnoName } from "../sys/errno.ts";
import { messageFlag } from "./codec/constants.ts";
import { complete, type RouteOperation, type RouteTemplates, requestOf } from "./codec/route-template.ts";
import { NetlinkError } from "./errors.ts";
import { EINVAL, type Failure, type RefusedEntry, SLICE_BYTES, SLICE_REQUESTS, type Slice } from "./slices.ts";
import type { NetlinkRequest, RouteShape } from "./types.ts";

const FLAGS_OFFSET = 6;

/** Writes routes in batches, without a request and a result object for each. */
export interface RouteWriter {
  /** An empty batch for rows of this index. */
  routeBatch(index: PrefixIndex): RouteBatch;
  /**
   * Sends a batch; its entries reach the kernel in order, and all that are not among the refused have happened. The batch is
   * of no use any more. Rejects only if the worker or the socket itself is gone.
   */
  writeRoutes(batch: RouteBatch): Promise<readonly RefusedEntry[]>;
}

/** Changes of routes for one send, as bytes from the beginning. */
export class RouteBatch {
  readonly #index: PrefixIndex;
  readonly #templates: RouteTemplates;
  readonly #firstSequence: number;
  readonly #rows: number[] = [];
  readonly #operations: RouteOperation[] = [];
  readonly #shapes: RouteShape[] = [];
  readonly #rejected = new Map<number, Failure>();
  #words = new Uint32Array(SLICE_BYTES / 4);
  #view = new DataView(this.#words.buffer);
  /** Octets, and where the last message begins. */
  #length = 0;
  #lastStart = 0;
  #lastSequence: number;

  /** Takes `SLICE_REQUESTS` sequence numbers from `firstSequence` on. */
  constructor(index: PrefixIndex, templates: RouteTemplates, firstSequence: number) {
    this.#index = index;
    this.#templates = templates;
    this.#firstSequence = firstSequence;
    this.#lastSequence = firstSequence;
  }

  /** Entries so far. */
  get count(): number {
    return this.#rows.length;
  }

  /** True if the batch is to be sent before there are more entries than fit into one send. */
  get isFull(): boolean {
    return this.count >= SLICE_REQUESTS || this.#length >= SLICE_BYTES;
  }

  /** Adds an entry for a row's prefix. */
  add(operation: RouteOperation, row: number, shape: RouteShape): void {
    const entry = this.count;
    this.#rows.push(row);
    this.#operations.push(operation);
    this.#shapes.push(shape);
    try {
      this.#append(this.#templates.wordsFor(operation, shape, this.#index, row), row, this.#firstSequence + entry);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      this.#rejected.set(entry, { ok: false, errno: EINVAL, code: errnoName(EINVAL), message: error.message });
    }
  }

  rowAt(entry: number): number {
    return this.#rows[entry] ?? -1;
  }

  operationAt(entry: number): RouteOperation {
    return this.#operations[entry] ?? "route-delete";
  }

  shapeAt(entry: number): RouteShape | undefined {
    return this.#shapes[entry];
  }

  /** All entries, as `Netlink.execute` takes them. */
  requests(): NetlinkRequest[] {
    return this.#shapes.map((shape, entry) =>
      requestOf(this.operationAt(entry), this.#index.prefixOf(this.rowAt(entry)), shape),
    );
  }

  /** The batch as it is sent: the last message asks for an acknowledgement. */
  finish(): Slice {
    if (this.#length > 0) {
      const flags = this.#view.getUint16(this.#lastStart + FLAGS_OFFSET, hostIsLittleEndian);
      this.#view.setUint16(this.#lastStart + FLAGS_OFFSET, flags | messageFlag.acknowledge, hostIsLittleEndian);
    }
    return {
      bytes: new Uint8Array(this.#words.buffer, 0, this.#length),
      firstSequence: this.#firstSequence,
      lastSequence: this.#lastSequence,
      count: this.count,
      rejected: this.#rejected,
    };
  }

  #append(message: Uint32Array, row: number, sequence: number): void {
    const start = this.#length / 4;
    if (start + message.length > this.#words.length) this.#grow(start + message.length);
    const words = this.#words;
    for (let word = 0; word < message.length; word++) words[start + word] = message[word] ?? 0;
    complete(this.#view, this.#length, sequence, this.#index, row);
    this.#lastStart = this.#length;
    this.#lastSequence = sequence;
    this.#length += message.length * 4;
  }

  #grow(needed: number): void {
    const larger = new Uint32Array(Math.max(needed, this.#words.length * 2));
    larger.set(this.#words);
    this.#words = larger;
    this.#view = new DataView(larger.buffer);
  }
}
