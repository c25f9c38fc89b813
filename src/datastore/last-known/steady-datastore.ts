import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { unlessAborted } from "../../core/unless-aborted.ts";
import type {
  DatastoreDescription,
  DescribedDatastore,
  GetResult,
  LeaseId,
  ListResult,
  Transaction,
  TransactionResult,
  Watch,
  WatchHandler,
} from "../datastore.ts";
import { DatastoreError } from "../errors.ts";
import { FollowedWatch } from "./followed-watch.ts";
import { Keeper } from "./keeper.ts";
import type { KeptFile } from "./kept-file.ts";
import { type KeptPolicy, KeptState } from "./kept-state.ts";
import { isReady, READY_KEY, READY_PREFIX } from "./ready-flag.ts";

/** How long a start waits for a store that neither answers nor fails, if there is something to go on with. */
const START_PATIENCE_MS = 3_000;
const PROBE_MS = 1_000;

export interface SteadyOptions {
  readonly store: DescribedDatastore;
  readonly policy: KeptPolicy;
  /** Where what is known is kept over restarts; undefined: nowhere. */
  readonly file: KeptFile | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/** Why nothing may change now. */
type Hold =
  /** The store was not reached since the start; what is read is as of then (Unix time in milliseconds). */
  | { readonly type: "away"; readonly asOfMs: number }
  /** `datastoreReady` is false. */
  | { readonly type: "locked" };

/**
 * The store as an agent wants it: one that holds still while it may not change anything, and that goes on with what was last
 * known if it can't be reached at the start.
 *
 *   reads, watches ─► store ─► whoever asked
 *                      └─────► kept state ─► file
 *   held (away, locked): reads ◄── kept state; watches tell nothing; writes are refused
 *   released: watches that have missed something end with onCompacted, so their owners list again
 */
export class SteadyDatastore implements DescribedDatastore {
  readonly #options: SteadyOptions;
  readonly #kept: KeptState;
  readonly #keeper: Keeper | undefined;
  readonly #watches = new Set<FollowedWatch>();
  /** Prefixes of which somebody was given what may be old and has not begun to watch yet. */
  readonly #stale = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #hold: Hold | undefined;
  #flagWatch: Watch | undefined;
  #probe: Timer | undefined;
  /** Somebody waits for the first release. */
  #started: (() => void) | undefined;
  /** The last failure that was logged. */
  #complaint: string | undefined;
  #closed = false;

  constructor(options: SteadyOptions) {
    this.#options = options;
    const { store, policy, file, clock, logger } = options;
    this.#kept = new KeptState(policy);
    if (file === undefined) return;
    const content = () => ({
      items: [...this.#kept.items],
      revisions: new Map(this.#kept.revisions),
      places: store.description.places,
    });
    const isCurrent = () => this.#hold === undefined && store.reachable;
    this.#keeper = new Keeper({ file, content, isCurrent, clock, logger });
  }

  /**
   * Looks for the store. Resolves when it is there and not locked; or soon, if what was kept of it has to do until then. Throws
   * the reason of `giveUp`.
   */
  async start(giveUp: AbortSignal): Promise<void> {
    const { file, clock, logger, store } = this.#options;
    const before = file?.read();
    if (before !== undefined) this.#kept.restore(before);
    const asOfMs = before !== undefined && this.#kept.isComplete ? before.asOfMs : undefined;
    this.#hold = { type: "away", asOfMs: asOfMs ?? clock.wallMs() };
    const there = new Promise<void>((resolve) => {
      this.#started = resolve;
      void this.#look();
    });
    if (asOfMs === undefined) {
      await unlessAborted(giveUp, there);
      return;
    }
    const patience = new Promise<void>((resolve) => void clock.setTimer(START_PATIENCE_MS, resolve));
    await unlessAborted(giveUp, Promise.race([there, patience]));
    const hold: Hold | undefined = this.#hold;
    if (hold === undefined) return;
    const facts = { asOf: new Date(asOfMs).toISOString(), hold: hold.type, lastError: store.description.lastError };
    logger.warn(facts, "starting with the last known state of the datastore");
  }

  get reachable(): boolean {
    return this.#hold?.type !== "away" && this.#options.store.reachable;
  }

  get description(): DatastoreDescription {
    return this.#options.store.description;
  }

  /** `datastoreReady` is false: nothing is changed until it is true again. */
  get locked(): boolean {
    return this.#hold?.type === "locked";
  }

  /** Since when what is known may have become old (Unix time in milliseconds); undefined if it is current. */
  get asOfMs(): number | undefined {
    const { store } = this.#options;
    if (this.#hold?.type === "away") return this.#hold.asOfMs;
    return store.description.unreachableSinceMs;
  }

  /** Nothing may change now. */
  get isHeld(): boolean {
    return this.#hold !== undefined;
  }

  /** Calls the listener whenever the store is there again, or is not locked any more. */
  onRelease(listener: () => void): void {
    this.#listeners.add(listener);
  }

  async get(key: string): Promise<GetResult> {
    const known = this.#hold && this.#kept.get(key);
    if (known !== undefined) return known;
    this.#requireContact();
    const result = await this.#options.store.get(key);
    this.#learned(this.#hold === undefined && this.#kept.learnItem(key, result.item));
    return result;
  }

  async list(prefix: string): Promise<ListResult> {
    const known = this.#hold && this.#kept.list(prefix);
    if (known !== undefined) {
      this.#stale.add(prefix);
      return known;
    }
    this.#requireContact();
    const result = await this.#options.store.list(prefix);
    this.#stale.delete(prefix);
    this.#learned(this.#hold === undefined && this.#kept.learnList(prefix, result));
    return result;
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    const known = this.#hold && this.#knownAnswer(transaction);
    if (known !== undefined) return known;
    this.#requireContact();
    const isWrite = [...transaction.success, ...(transaction.failure ?? [])].some(({ type }) => type !== "get");
    if (isWrite) this.#requireUnlocked();
    const result = await this.#options.store.transact(transaction);
    if (this.#hold === undefined && this.#kept.learnTransaction(transaction, result)) {
      this.#options.file?.append(this.#kept.changesOf(transaction, result));
      this.#learned(true);
    }
    return result;
  }

  watch(prefix: string, fromRevision: bigint, handler: WatchHandler): Watch {
    const { store } = this.#options;
    const isStale = this.#stale.delete(prefix);
    const followed: FollowedWatch = new FollowedWatch(
      {
        store,
        prefix,
        handler,
        isHeld: () => this.#hold !== undefined,
        onEvents: (events, revision) => this.#learned(this.#kept.learnEvents(prefix, events, revision)),
        onEnd: () => void this.#watches.delete(followed),
      },
      isStale || this.#hold?.type === "away" ? undefined : fromRevision,
    );
    this.#watches.add(followed);
    // Released since it was listed: what is old has to be listed again.
    if (isStale && this.#hold === undefined) this.#options.clock.setTimer(0, () => followed.release());
    return followed;
  }

  async grantLease(ttlSec: number): Promise<LeaseId> {
    this.#requireContact();
    this.#requireUnlocked();
    return this.#options.store.grantLease(ttlSec);
  }

  async keepLeaseAlive(lease: LeaseId): Promise<void> {
    this.#requireContact();
    await this.#options.store.keepLeaseAlive(lease);
  }

  async revokeLease(lease: LeaseId): Promise<void> {
    this.#requireContact();
    await this.#options.store.revokeLease(lease);
  }

  /** Writes what is known to its file and closes the store. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#probe?.cancel();
    this.#flagWatch?.cancel();
    for (const watch of [...this.#watches]) watch.cancel();
    await this.#keeper?.close();
    await this.#options.store.close();
  }

  /** Reads the flag, and watches it from then on; tries again for as long as that fails. */
  async #look(): Promise<void> {
    const { store, clock, random, logger } = this.#options;
    try {
      const listed = await store.list(READY_PREFIX);
      const { items, revision } = listed;
      if (this.#closed) return;
      this.#learned(this.#kept.learnList(READY_PREFIX, listed));
      this.#flagIs(isReady(items.find(({ key }) => key === READY_KEY)));
      this.#flagWatch = store.watch(READY_PREFIX, revision + 1n, {
        onEvents: (events, covered) => {
          this.#learned(this.#kept.learnEvents(READY_PREFIX, events, covered));
          for (const event of events) {
            const key = event.type === "put" ? event.item.key : event.key;
            if (key === READY_KEY) this.#flagIs(isReady(event.type === "put" ? event.item : undefined));
          }
        },
        onCompacted: () => void this.#look(),
      });
    } catch (error) {
      if (this.#closed) return;
      const message = errorMessage(error);
      if (message !== this.#complaint) logger.warn({ error: message }, "the datastore can't be read; trying again");
      this.#complaint = message;
      if (this.#kept.isComplete) this.#begin();
      this.#probe = clock.setTimer(PROBE_MS * (0.5 + random()), () => void this.#look());
    }
  }

  #flagIs(ready: boolean): void {
    const { logger } = this.#options;
    const before = this.#hold;
    if (ready && before === undefined) return;
    if (!ready) {
      if (before?.type === "locked") return;
      logger.warn(
        { key: READY_KEY },
        "the datastore is locked (datastoreReady: false); nothing changes until it is not",
      );
      this.#hold = { type: "locked" };
      // Where nothing is kept, what is there has to do.
      if (this.#kept.isComplete || this.#options.file === undefined) this.#begin();
      return;
    }
    this.#hold = undefined;
    this.#complaint = undefined;
    if (this.#started === undefined || before?.type === "locked") logger.info({}, "the datastore can be used again");
    this.#begin();
    for (const watch of [...this.#watches]) watch.release();
    for (const listener of this.#listeners) listener();
  }

  #begin(): void {
    this.#started?.();
    this.#started = undefined;
  }

  /** The answer to a transaction that only reads, and only what is known. */
  #knownAnswer({ compares, success, failure = [] }: Transaction): TransactionResult | undefined {
    if (compares.length > 0 || failure.length > 0) return undefined;
    const found = success.map(({ type, key }) => (type === "get" ? this.#kept.get(key) : undefined));
    const known = found.filter((result) => result !== undefined);
    const [first] = known;
    if (first === undefined || known.length < success.length) return undefined;
    const responses = known.map(({ item }) => ({ type: "get" as const, ...(item !== undefined && { item }) }));
    return { succeeded: true, revision: first.revision, responses };
  }

  #requireContact(): void {
    if (this.#hold?.type !== "away") return;
    const { lastError } = this.#options.store.description;
    const reason = lastError === undefined ? "it has not answered yet" : lastError.message;
    const since = new Date(this.#hold.asOfMs).toISOString();
    throw new DatastoreError(
      "DATASTORE_UNAVAILABLE",
      `the datastore can't be reached (${reason}); the agent goes on with what was known at ${since}; try again later`,
      { asOf: since },
    );
  }

  #requireUnlocked(): void {
    if (!this.locked) return;
    throw new DatastoreError(
      "DATASTORE_LOCKED",
      "the datastore is locked (datastoreReady: false), as during a migration; try again when it is unlocked",
      { key: READY_KEY },
    );
  }

  #learned(changed: boolean): void {
    if (changed && this.#kept.isComplete) this.#keeper?.changed();
  }
}
