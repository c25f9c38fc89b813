import { setImmediate } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { noRow, type PrefixIndex } from "../net/prefix-index.ts";
import type { RouteShape } from "../netlink/types.ts";
import { DelayQueue } from "./delay-queue.ts";
import { sameDemand, sameShape } from "./diff.ts";
import type { EntryTable } from "./entry-table.ts";
import type { ChangeCause, KernelTable } from "./kernel-table.ts";
import { isOwn, type Ownership } from "./ownership.ts";
import { installedReason, planPrefix, usualStep, type Wanted } from "./plan.ts";
import { Progress } from "./progress.ts";
import { RowQueue } from "./row-queue.ts";
import { type Held, isList, shapesIn } from "./shapes.ts";
import { inSlices } from "./slices.ts";
import { refusal } from "./status.ts";
import type { FibUpdate, RouteSink, RouteWish } from "./types.ts";
import type { SharedWish, WishTable } from "./wish-table.ts";
import type { Flight, Outcome, Writer } from "./writer.ts";

/** Rows of a netlink batch, and how many batches are planned between two turns of the event loop: a few milliseconds' work. */
const batchSize = 512;
const batchesPerTurn = 4;

/** Batches on their way to the kernel: it shall not run out of work while a turn of the loop reads what peers send. */
const maxFlights = 16;

const beingRemoved = "being removed";

/** An event is given this long to be followed by the one that explains it (a replaced route, our own echo). */
const settleMs = 25;

interface ReconcilerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ownership: Ownership;
  readonly index: PrefixIndex;
  readonly table: KernelTable;
  readonly wishes: WishTable;
  readonly writer: Writer;
  /** Rows that changed; they keep their prefixes until it returns. */
  readonly onChange: (rows: readonly number[]) => void;
  /** The table may be wrong: dump it. */
  readonly requestDump: () => void;
}

/**
 * Holds the desired routes and brings the kernel to them, level-triggered: whatever happens to a prefix, its row is marked,
 * and then planned from what is desired and what the table says the kernel has. Marked rows are worked off in bounded
 * batches, a few of them in flight at a time.
 */
export class Reconciler {
  readonly #logger: Logger;
  readonly #ownership: Ownership;
  readonly #index: PrefixIndex;
  readonly #table: KernelTable;
  readonly #wishes: WishTable;
  readonly #writer: Writer;
  readonly #onChange: ReconcilerOptions["onChange"];
  readonly #requestDump: () => void;

  readonly #progress: Progress;
  readonly #entries: EntryTable;
  /** Own routes from before the restart that nobody desired yet. */
  readonly #adopted = new Set<number>();
  #adopting = true;
  readonly #marked = new RowQueue();
  readonly #settling: DelayQueue;
  /** The last two wishes that were compared: where one takes the other's place, it does so for many prefixes. */
  #compared: { readonly before: RouteWish; readonly after: RouteWish; readonly areSame: boolean } | undefined;
  #phase: "idle" | "running" | "stopped" = "idle";
  #draining = false;
  /** Walks over rows that are under way. */
  #background = 0;
  #flushed: (() => void)[] = [];
  readonly #sink: RouteSink = {
    want: (row, wish) => this.#set(row, wish),
    drop: (row) => this.#unset(row),
  };

  constructor(options: ReconcilerOptions) {
    this.#logger = options.logger;
    this.#ownership = options.ownership;
    this.#index = options.index;
    this.#table = options.table;
    this.#wishes = options.wishes;
    this.#writer = options.writer;
    this.#onChange = options.onChange;
    this.#requestDump = options.requestDump;
    const markAll = (rows: readonly number[]): void => {
      for (const row of rows) this.#marked.add(row);
      this.#kick();
    };
    this.#settling = new DelayQueue(options.clock, settleMs, markAll);
    const { clock, logger, index } = options;
    this.#progress = new Progress({ clock, logger, index, retry: markAll });
    this.#entries = this.#progress.entries;
  }

  /** Starts writing; the table must have its first dump. */
  start(): void {
    this.#phase = "running";
    this.#kick();
  }

  stop(): void {
    this.#phase = "stopped";
    this.#settling.clear();
    this.#progress.stop();
    for (const resolve of this.#flushed.splice(0)) resolve();
  }

  update(update: FibUpdate): void {
    for (const { prefix, wish } of update.set) this.#set(this.#index.hold(prefix, 0), wish);
    for (const prefix of update.remove) this.#unset(this.#index.find(prefix));
    this.#kick();
  }

  updateRows(give: (sink: RouteSink) => void): void {
    give(this.#sink);
    this.#kick();
  }

  /** Ends the time in which routes from before the restart are kept: those that nobody desired are deleted. */
  sweep(): void {
    this.#adopting = false;
    this.#inBackground(this.#adopted, (row) => {
      this.#adopted.delete(row);
      this.#marked.add(row);
    });
  }

  /** How things stand with each row. */
  get entries(): Omit<EntryTable, "add" | "delete" | "setState" | "setPresent" | "setFailures" | "setRepairs"> {
    return this.#entries;
  }

  /** What every prefix shall be in the kernel. */
  *wanted(): IterableIterator<[Prefix, Wanted]> {
    for (const row of this.#entries.rows()) yield [this.#index.prefixOf(row), this.#wanted(row)];
  }

  /** The row of the most specific desired route that contains the address, or `noRow`. */
  lookup(address: IpAddress): number {
    return this.#index.longestMatch(address, (row) => this.#entries.has(row));
  }

  /** Resolves when everything that was marked has been written or refused; retries are not waited for. */
  flush(): Promise<void> {
    if (this.#phase === "stopped" || this.#isQuiet()) return Promise.resolve();
    return new Promise((resolve) => this.#flushed.push(resolve));
  }

  /** The table changed at this row, and holds this now. */
  tableChanged(row: number, cause: ChangeCause, held: Held): void {
    // The step that asked for it is about to be concluded.
    if (cause === "answer") return;
    if (this.#writer.inFlight(row)) {
      if (cause !== "event") this.#writer.disturb(row);
      return;
    }
    if (!this.#entries.has(row)) {
      if (!shapesIn(held).some((route) => isOwn(route, this.#ownership))) return;
      this.#entries.add(row);
      if (this.#adopting) {
        this.#adopted.add(row);
        // Known as stale at once: who asks right after the start must learn that there are routes from before.
        this.#plan(row, undefined);
      }
    } else if (cause !== "event") {
      // Lost with its device or unnoticed: to be written again, but nobody is fighting over it.
      this.#entries.setPresent(row, undefined);
    }
    this.#settling.add(row);
  }

  /** The next hops of these wishes resolve differently now. */
  nextHopsChanged(wishes: Iterable<SharedWish>): void {
    this.#inBackground(this.#wishes.refresh(wishes), (row) => this.#settling.add(row));
  }

  /** Links, addresses or foreign routes changed: what was refused may be accepted now. */
  surroundingsChanged(): void {
    this.#inBackground(this.#progress.refused, (row) => {
      this.#progress.refused.delete(row);
      this.#settling.add(row);
    });
  }

  /** `row` becomes an entry, if it is none yet, so that nobody else needs to hold it. */
  #set(row: number, wish: RouteWish): void {
    if (this.#entries.has(row)) {
      const before = this.#wishes.of(row)?.wish;
      this.#wishes.set(row, wish);
      if (before !== undefined && !this.#areSame(before, wish)) this.#progress.renew(row, "being written");
      this.#entries.touch(row);
    } else {
      this.#entries.add(row);
      this.#wishes.set(row, wish);
    }
    this.#adopted.delete(row);
    this.#marked.add(row);
  }

  #areSame(before: RouteWish, after: RouteWish): boolean {
    if (before === after) return true;
    if (this.#compared?.before !== before || this.#compared.after !== after)
      this.#compared = { before, after, areSame: sameDemand(before, after) };
    return this.#compared.areSame;
  }

  #unset(row: number): void {
    if (row === noRow || !this.#entries.has(row)) return;
    this.#wishes.delete(row);
    this.#progress.renew(row, beingRemoved);
    this.#adopted.delete(row);
    this.#marked.add(row);
  }

  #isQuiet(): boolean {
    return this.#marked.size === 0 && this.#settling.size === 0 && !this.#draining && this.#background === 0;
  }

  /** Goes through many rows in slices; `flush` waits for it. The first slice is done at once. */
  #inBackground(rows: Iterable<number>, each: (row: number) => void): void {
    this.#background++;
    void inSlices(rows, each).then(() => {
      this.#background--;
      this.#kick();
    });
  }

  #kick(): void {
    if (this.#phase !== "running" || this.#draining) return;
    this.#draining = true;
    void this.#drain().then(() => {
      this.#draining = false;
      // Marked after the last look, when kicking had no effect.
      if (this.#marked.size > 0) this.#kick();
      else if (this.#isQuiet()) for (const resolve of this.#flushed.splice(0)) resolve();
    });
  }

  async #drain(): Promise<void> {
    const flights: Promise<void>[] = [];
    while (this.#phase === "running" && (this.#marked.size > 0 || flights.length > 0)) {
      if (this.#marked.size === 0 || flights.length >= maxFlights) {
        await flights.shift();
        continue;
      }
      await setImmediate();
      // Several at once: a turn is long while a peer sends a table, and the kernel would have to wait for each.
      for (let batch = 0; batch < batchesPerTurn && this.#marked.size > 0 && flights.length < maxFlights; batch++) {
        const flight = this.#writer.flight();
        for (const row of this.#marked.take(batchSize))
          if (flight.batch.isFull) this.#marked.add(row);
          else this.#plan(row, flight);
        if (flight.batch.count > 0) flights.push(this.#carryOut(flight));
      }
      this.#report();
    }
  }

  async #carryOut(flight: Flight): Promise<void> {
    try {
      await this.#writer.carry(flight, (outcome) => this.#conclude(outcome));
    } catch (error) {
      const reason = errorMessage(error);
      const { count } = flight.batch;
      this.#logger.error({ routes: count, err: reason }, "routes could not be handed to the kernel");
      for (let entry = 0; entry < count; entry++) this.#progress.failed(flight.batch.rowAt(entry), "pending", reason);
    }
    this.#report();
  }

  #report(): void {
    const rows = this.#entries.takeChanges();
    if (rows.length === 0) return;
    try {
      this.#onChange(rows);
    } catch (error) {
      this.#logger.error({ err: errorMessage(error) }, "a listener for route statuses failed");
    }
    this.#entries.changesTold(rows);
  }

  /** Plans one row, and adds the step to the kernel to the flight if one is needed; without a flight none is taken. */
  #plan(row: number, flight: Flight | undefined): void {
    // Planned again when the answer is there.
    if (this.#writer.inFlight(row)) this.#writer.disturb(row);
    else if (this.#entries.has(row) && !this.#planUsual(row, flight)) this.#planAny(row, flight);
  }

  /** Deals with a row as most are; false if this one is not. */
  #planUsual(row: number, flight: Flight | undefined): boolean {
    const wish = this.#wishes.of(row);
    const target = wish?.shapeFor(this.#index.familyOf(row));
    const isRemoval = wish === undefined && !this.#adopted.has(row);
    if (target === undefined && !isRemoval) return false;
    const held = this.#table.held(row);
    const step = usualStep(target, held, this.#ownership);
    if (step === undefined) return false;
    if (wish === undefined || target === undefined) {
      if (held === undefined) this.#forget(row);
      else for (const route of shapesIn(held)) this.#remove(row, route, flight);
    } else if (step === "done") this.#installed(row, wish, target, installedReason);
    else if (flight !== undefined && this.#progress.mayWrite(row, target))
      this.#writer.board(flight, step, row, target, wish);
    return true;
  }

  #remove(row: number, route: RouteShape, flight: Flight | undefined): void {
    this.#entries.setPresent(row, undefined);
    this.#progress.setState(row, "pending", beingRemoved);
    if (flight !== undefined) this.#writer.board(flight, "route-delete", row, route, undefined);
  }

  #planAny(row: number, flight: Flight | undefined): void {
    const wish = this.#wishes.of(row);
    const held = shapesIn(this.#table.held(row));
    const plan = planPrefix(this.#wanted(row), held, this.#ownership, () => this.#index.prefixOf(row));
    if (plan.write !== undefined) {
      const { op, route } = plan.write;
      if (flight !== undefined && this.#progress.mayWrite(row, route)) this.#writer.board(flight, op, row, route, wish);
      return;
    }
    if (plan.state === undefined) {
      this.#forget(row);
      return;
    }
    if (plan.state === "installed" && wish !== undefined && plan.present !== undefined)
      this.#installed(row, wish, plan.present, plan.reason);
    else {
      this.#entries.setPresent(row, undefined);
      this.#progress.setState(row, plan.state, plan.reason);
    }
    if (flight !== undefined)
      for (const route of plan.remove) this.#writer.board(flight, "route-delete", row, route, wish);
  }

  #wanted(row: number): Wanted {
    const wish = this.#wishes.of(row);
    if (wish === undefined)
      return this.#adopted.has(row) ? { kind: "adopted" } : { kind: "nothing", reason: beingRemoved };
    const { forwarding, reason } = wish.wish;
    if (forwarding.mode === "none") return { kind: "nothing", state: forwarding.state, reason };
    const { resolution } = wish;
    const route = wish.shapeFor(this.#index.familyOf(row));
    if (resolution.ok && route !== undefined) return { kind: "route", route };
    return { kind: "nothing", state: "unresolved", reason: resolution.ok ? reason : resolution.reason };
  }

  #conclude({ row, wish, written, failure, isContested, isDisturbed }: Outcome): void {
    if (isContested) this.#requestDump();
    if (failure !== undefined) {
      const { state, reason } = refusal(failure);
      this.#progress.failed(row, state, reason);
      // The table missed something. An event may be on its way to tell; a dump will in any case.
      if (failure.code === "EEXIST" || failure.code === "UNKNOWN") this.#requestDump();
      else this.#progress.refused.add(row);
    }
    if (failure === undefined && this.#isDone(row, wish, written) && !isDisturbed) return;
    // Planned again: to see what is there now, and to delete what a write has left over.
    if (failure === undefined || isDisturbed) this.#marked.add(row);
  }

  /** The usual case: the prefix now holds just what the step was for, so that planning it again would find nothing to do. */
  #isDone(row: number, wish: SharedWish | undefined, written: RouteShape | undefined): boolean {
    if (!this.#entries.has(row) || this.#wishes.of(row) !== wish) return false;
    const held = this.#table.held(row);
    if (written === undefined || wish === undefined) {
      if (held !== undefined || wish !== undefined || written !== undefined) return false;
      this.#forget(row);
      return true;
    }
    if (held === undefined || isList(held) || !sameShape(held, written)) return false;
    this.#installed(row, wish, held, installedReason);
    return true;
  }

  #installed(row: number, wish: SharedWish, present: RouteShape, reason: string): void {
    const { note } = wish;
    const state = wish.wish.stale === true ? "stale" : "installed";
    this.#progress.succeeded(row, present, state, note === "" ? reason : `${reason}${note}`);
  }

  #forget(row: number): void {
    this.#progress.forget(row);
    this.#adopted.delete(row);
  }
}
