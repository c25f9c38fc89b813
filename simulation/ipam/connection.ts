import type { Datastore, Transaction, TransactionResult, Watch, WatchHandler } from "../../src/datastore/datastore.ts";
import { DatastoreError } from "../../src/datastore/errors.ts";
import type { FaultType } from "./history.ts";
import type { Actor, Ledger } from "./ledger.ts";
import type { Scheduler } from "./scheduler.ts";

/** The process of a client died. */
export class Crash extends Error {}

/** Longer than an empty block of another node is left alone. */
const STALL_MS = 70_000;
/** A write that was given up may arrive this much later. */
const LATE_MS = 40;
/** The longest time that a change takes to a watcher. */
const WATCH_DELAY_MS = 20_000;
/** How often a watcher that is behind finds that what it has missed is gone. */
const COMPACTION_RATE = 0.1;

interface ConnectionParts {
  readonly store: Datastore;
  readonly scheduler: Scheduler;
  readonly ledger: Ledger;
  readonly client: number;
  /** By the number of the call. */
  readonly faults: ReadonlyMap<number, FaultType>;
  readonly random: () => number;
}

/** One client's way to the store, with what befalls its calls. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #late: Promise<unknown>[] = [];
  #calls = 0;
  /** Counts the client's processes; calls of those that have died fail. */
  #process = 0;
  #opened = 0;
  #actor: Actor;
  #faultsMet = 0;
  #hadTrouble = false;
  #isPeaceful = false;

  constructor(parts: ConnectionParts, actor: Actor) {
    this.#parts = parts;
    this.#actor = actor;
  }

  /** In whose name calls are made now. */
  get actor(): Actor {
    return this.#actor;
  }

  /** False if the process that was opened last has died. */
  get alive(): boolean {
    return this.#opened === this.#process;
  }

  /** How many calls something befell. */
  get faultsMet(): number {
    return this.#faultsMet;
  }

  /** The store could not be reached in the name of this actor. */
  get hadTrouble(): boolean {
    return this.#hadTrouble;
  }

  /** From now on nothing befalls a call any more. */
  makePeace(): void {
    this.#isPeaceful = true;
  }

  act(actor: Actor): void {
    this.#actor = actor;
    this.#hadTrouble = false;
  }

  /** The store as the client's present process sees it. */
  open(): Datastore {
    const process = this.#process;
    this.#opened = process;
    const { store } = this.#parts;
    const refuse = () => Promise.reject(new DatastoreError("INVALID_REQUEST", "there are no leases here"));
    return {
      reachable: true,
      get: (key) => this.#call(process, () => store.get(key)),
      list: (prefix) => this.#call(process, () => store.list(prefix)),
      transact: (transaction) =>
        transaction.success.every(({ type }) => type === "get")
          ? this.#call(process, () => store.transact(transaction))
          : this.#write(process, transaction),
      watch: (prefix, fromRevision, handler) => this.#watch(process, prefix, fromRevision, handler),
      grantLease: refuse,
      keepLeaseAlive: refuse,
      revokeLease: refuse,
      close: () => Promise.resolve(),
    };
  }

  /** The writes that were given up have arrived. */
  async settled(): Promise<void> {
    await Promise.all(this.#late);
  }

  async #call<T>(process: number, read: () => Promise<T>): Promise<T> {
    const fault = await this.#begin(process);
    if (fault !== undefined && fault !== "crash-after") throw this.#unavailable();
    const answer = await this.#parts.scheduler.outside(read());
    if (fault === "crash-after") this.#crash();
    return answer;
  }

  async #write(process: number, transaction: Transaction): Promise<TransactionResult> {
    const fault = await this.#begin(process);
    const actor = this.#actor;
    if (fault === "lost-late")
      this.#late.push(this.#parts.scheduler.sleep(LATE_MS).then(() => this.#commit(actor, transaction)));
    if (fault === "unavailable") throw this.#unavailable();
    if (fault === "lost-before" || fault === "lost-late") throw lost();
    const result = await this.#commit(actor, transaction);
    if (fault === "crash-after") this.#crash();
    if (fault === "lost-after") throw lost();
    return result;
  }

  async #commit(actor: Actor, transaction: Transaction): Promise<TransactionResult> {
    const { store, scheduler, ledger } = this.#parts;
    const result = await scheduler.outside(store.transact(transaction));
    if (result.succeeded) ledger.record(actor, transaction.success, result.revision);
    return result;
  }

  /** Waits for the turn, and meets the faults that need no call. */
  async #begin(process: number): Promise<FaultType | undefined> {
    const { scheduler, client, faults } = this.#parts;
    this.#assertAlive(process);
    const fault = this.#isPeaceful ? undefined : faults.get(this.#calls++);
    await scheduler.turn(client);
    this.#assertAlive(process);
    if (fault !== undefined) this.#faultsMet++;
    if (fault === "crash-before") this.#crash();
    if (fault !== "stall") return fault;
    await scheduler.sleep(STALL_MS);
    this.#assertAlive(process);
    return undefined;
  }

  #watch(process: number, prefix: string, fromRevision: bigint, handler: WatchHandler): Watch {
    const { store, scheduler, random } = this.#parts;
    let ended = false;
    let deliveries: Promise<void> = Promise.resolve();
    const end = () => {
      ended = true;
      watch.cancel();
    };
    const later = (deliver: () => void) => {
      const dueMs = scheduler.clock.wallMs() + random() * WATCH_DELAY_MS;
      deliveries = deliveries.then(async () => {
        await scheduler.sleep(Math.max(0, dueMs - scheduler.clock.wallMs()));
        if (!ended && process === this.#process) deliver();
      });
    };
    const watch = store.watch(prefix, fromRevision, {
      onEvents: (events, revision) =>
        later(() => {
          if (random() >= COMPACTION_RATE) return handler.onEvents(events, revision);
          end();
          handler.onCompacted(revision);
        }),
      onCompacted: (revision) => later(() => handler.onCompacted(revision)),
    });
    return { cancel: end };
  }

  #unavailable(): DatastoreError {
    this.#hadTrouble = true;
    return new DatastoreError("DATASTORE_UNAVAILABLE", "the store can't be reached");
  }

  #crash(): never {
    this.#process++;
    throw new Crash();
  }

  #assertAlive(process: number): void {
    if (process !== this.#process) throw new Crash();
  }
}

function lost(): DatastoreError {
  return new DatastoreError("OUTCOME_UNKNOWN", "the answer was lost");
}
