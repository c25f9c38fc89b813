import { enlarged, type PrefixIndex } from "../net/prefix-index.ts";
import type { RouteOperation } from "../netlink/codec/route-template.ts";
import type { RouteBatch, RouteWriter } from "../netlink/route-batch.ts";
import type { Failure } from "../netlink/slices.ts";
import type { RouteShape } from "../netlink/types.ts";
import { sameShape } from "./diff.ts";
import { holder } from "./holders.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { SharedWish } from "./wish-table.ts";

/** Steps on their way to the kernel in one batch; at most one step per row, which may be several deletions. */
export class Flight {
  readonly batch: RouteBatch;
  /** By entry of the batch what it was planned for; undefined: nothing is desired. */
  readonly wishes: (SharedWish | undefined)[] = [];

  constructor(batch: RouteBatch) {
    this.batch = batch;
  }
}

/** What became of a row's step. */
export interface Outcome {
  readonly row: number;
  readonly wish: SharedWish | undefined;
  /** The route that was to be written; undefined for deletions. */
  readonly written: RouteShape | undefined;
  /** Absent: all of it was done. */
  readonly failure: Failure | undefined;
  /** Others wrote the prefix before the answer came, perhaps before the kernel dealt with the step and perhaps after. */
  readonly isContested: boolean;
  /** Something has happened since it was planned. */
  readonly isDisturbed: boolean;
}

/** Of a row whose answer is awaited. */
const flying = 1;
/** The kernel's own notice of the change has come before the answer to the request. */
const echoed = 2;
const disturbed = 4;
const contested = 8;

/**
 * Carries steps to the kernel and enters what it acknowledged into the table.
 *
 * Answers and events come by different sockets, and the events of our own writes may be hidden. If the event of a write has
 * been seen when its answer arrives, the table knows more than the answer does (somebody may have changed the route since)
 * and the answer leaves it alone; otherwise the answer goes in first and the event, if there is one, will find nothing left
 * to change. Somebody else's event that comes before the answer may tell of a change before ours or after it.
 */
export class Writer {
  readonly #netlink: RouteWriter;
  readonly #table: KernelTable;
  readonly #index: PrefixIndex;
  readonly #inTheAir = new Set<Flight>();
  #flags = new Uint8Array(0);

  constructor(netlink: RouteWriter, table: KernelTable, index: PrefixIndex) {
    this.#netlink = netlink;
    this.#table = table;
    this.#index = index;
  }

  /** True while the kernel's answer for this row is awaited. */
  inFlight(row: number): boolean {
    return this.#flagsOf(row) !== 0;
  }

  /** Something has happened to a row whose answer is awaited. */
  disturb(row: number): void {
    if (this.inFlight(row)) this.#flags[row] = this.#flagsOf(row) | disturbed;
  }

  /** To be shown every route event before the table applies it. */
  observe(row: number, action: "new" | "delete", shape: RouteShape): void {
    if (!this.inFlight(row)) return;
    const what = this.#askedFor(row, action, shape) ? echoed : disturbed | contested;
    this.#flags[row] = this.#flagsOf(row) | what;
  }

  flight(): Flight {
    return new Flight(this.#netlink.routeBatch(this.#index));
  }

  /** Adds something for a row that is not in flight. */
  board(flight: Flight, operation: RouteOperation, row: number, shape: RouteShape, wish: SharedWish | undefined): void {
    if (row >= this.#flags.length) this.#flags = enlarged(this.#flags, this.#index.capacity);
    this.#flags[row] = flying;
    this.#index.holdRow(row, holder.flight);
    flight.batch.add(operation, row, shape);
    flight.wishes.push(wish);
  }

  /**
   * Sends a flight and calls `conclude` for each row, whose answer is awaited no longer then. Rejects, having called nothing,
   * only if netlink itself is gone.
   */
  async carry(flight: Flight, conclude: (outcome: Outcome) => void): Promise<void> {
    const { batch } = flight;
    this.#inTheAir.add(flight);
    const failures: (Failure | undefined)[] = [];
    try {
      for (const { entry, failure } of await this.#netlink.writeRoutes(batch)) failures[entry] = failure;
    } catch (error) {
      for (let entry = 0; entry < batch.count; entry++) this.#land(batch.rowAt(entry));
      throw error;
    } finally {
      this.#inTheAir.delete(flight);
    }
    let failure: Failure | undefined;
    for (let entry = 0; entry < batch.count; entry++) {
      const row = batch.rowAt(entry);
      failure ??= this.#enter(batch, entry, failures[entry]);
      if (batch.rowAt(entry + 1) === row) continue;
      const flags = this.#flagsOf(row);
      const written = batch.operationAt(entry) === "route-delete" ? undefined : batch.shapeAt(entry);
      const isContested = (flags & contested) !== 0;
      this.#flags[row] = 0;
      const wish = flight.wishes[entry];
      conclude({ row, wish, written, failure, isContested, isDisturbed: (flags & disturbed) !== 0 });
      this.#index.release(row, holder.flight);
      failure = undefined;
    }
  }

  #land(row: number): void {
    this.#flags[row] = 0;
    this.#index.release(row, holder.flight);
  }

  /** Enters what an entry has done; returns what it failed of. */
  #enter(batch: RouteBatch, entry: number, failure: Failure | undefined): Failure | undefined {
    const operation = batch.operationAt(entry);
    // Somebody was quicker: the route is gone, which is all we want.
    const isDone = failure === undefined || (operation === "route-delete" && failure.code === "ESRCH");
    const row = batch.rowAt(entry);
    const shape = batch.shapeAt(entry);
    if (!isDone || shape === undefined) return failure;
    if ((this.#flagsOf(row) & echoed) !== 0) return undefined;
    if (operation === "route-delete") this.#table.erase(row, shape, "answer");
    else this.#table.write(row, shape, true, "answer");
    return undefined;
  }

  #askedFor(row: number, action: "new" | "delete", shape: RouteShape): boolean {
    for (const { batch } of this.#inTheAir)
      for (let entry = 0; entry < batch.count; entry++) {
        if (batch.rowAt(entry) !== row) continue;
        const asked = batch.shapeAt(entry);
        const isDeletion = batch.operationAt(entry) === "route-delete";
        if (asked !== undefined && isDeletion === (action === "delete") && sameShape(asked, shape)) return true;
      }
    return false;
  }

  #flagsOf(row: number): number {
    return this.#flags[row] ?? 0;
  }
}
