import { type FSWatcher, watch as watchFiles } from "node:fs";
import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type {
  DatastoreDescription,
  DatastoreFailure,
  DescribedDatastore,
  GetResult,
  LeaseId,
  ListResult,
  Transaction,
  TransactionResult,
  Watch,
  WatchHandler,
} from "../datastore.ts";
import { closedError, DatastoreError, leaseNotFound } from "../errors.ts";
import { validateLeaseTtl, validateTransaction } from "../validate.ts";
import { type CommitJob, commitJobs, type JobDecision } from "./commit.ts";
import type { DirectoryLock } from "./directory-lock.ts";
import { evaluateTransaction } from "./evaluate.ts";
import type { Journal } from "./journal.ts";
import { endingRecord, hasDueLease, renewedLease } from "./lease-rules.ts";
import type { StoreState } from "./state.ts";
import { WatchHub } from "./watch-hub.ts";

/** Look for overdue leases, and for other processes' commits where there are no file events, this often. */
const POLL_MS = 150;
/** The same where there are no leases and file events tell of commits: events can be lost, but an idle agent shall sleep. */
const IDLE_POLL_MS = 1_500;
/** Requests that share one lock and one sync. */
const MAX_BATCH = 256;

/** When and how far the journal is compacted. */
export interface CompactionLimits {
  /** Compact when the journal is longer than this and has doubled since the last time. */
  readonly journalBytes: number;
  /** Revisions of history kept for watches, as far as they fit into half of `journalBytes`. */
  readonly historyRevisions: number;
}

export interface EmbeddedParts {
  readonly directory: string;
  readonly journal: Journal;
  readonly lock: DirectoryLock;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bootId: string;
  readonly limits: CompactionLimits;
}

/**
 * A store that several processes of one machine share through files. Every process keeps all of it in memory.
 *
 *   transact, leases ─► queue ─► round: lock, catch up, decide, append, unlock, sync ─► answers
 *   file event, poll, read ─► catch up (no lock) ─► state ─► watch hub ─► handlers
 *
 * The lock is given back before the sync: a line that others can see is safe from everything but a power failure, and
 * that takes them along too; a later line can't reach the disk acknowledged without those before it, because a sync
 * writes all of the file. Requests that arrive during a sync share the next round.
 */
export class EmbeddedDatastore implements DescribedDatastore {
  readonly #parts: EmbeddedParts;
  readonly #hub: WatchHub;
  readonly #fileEvents: FSWatcher | undefined;
  #poll: Timer;
  #pollDelayMs = POLL_MS;
  #hasFileEvents = true;
  #queue: CommitJob[] = [];
  #rounds: Promise<void> | undefined;
  #closed = false;
  /** The journal could be read the last time, if need be with the lock held. */
  #readable = true;
  #lastError: DatastoreFailure | undefined;
  /** Damage that was seen with the lock held; nothing works any more. */
  #failure: DatastoreError | undefined;

  constructor(parts: EmbeddedParts) {
    this.#parts = parts;
    this.#hub = new WatchHub(() => parts.journal.state, parts.logger);
    this.#fileEvents = this.#watchDirectory();
    this.#poll = parts.clock.setTimer(POLL_MS, () => this.#onPoll());
  }

  get reachable(): boolean {
    return !this.#closed && this.#failure === undefined && this.#readable;
  }

  get description(): DatastoreDescription {
    const lastError = this.#lastError;
    return {
      kind: "embedded",
      places: [this.#parts.directory],
      ...(lastError !== undefined && { lastError, ...(!this.reachable && { unreachableSinceMs: lastError.atMs }) }),
    };
  }

  async get(key: string): Promise<GetResult> {
    const state = await this.#currentState();
    const item = state.get(key);
    return { revision: state.revision, ...(item !== undefined && { item }) };
  }

  async list(prefix: string): Promise<ListResult> {
    const state = await this.#currentState();
    return { items: state.list(prefix), revision: state.revision };
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    validateTransaction(transaction);
    return this.#submit((state) => {
      const { succeeded, responses, record } = evaluateTransaction(state, transaction);
      const revision = record?.revision ?? state.revision;
      return { answer: { succeeded, responses, revision }, ...(record !== undefined && { record }) };
    });
  }

  watch(prefix: string, fromRevision: bigint, handler: WatchHandler): Watch {
    this.#assertUsable();
    return this.#hub.add(prefix, fromRevision, handler);
  }

  async grantLease(ttlSec: number): Promise<LeaseId> {
    validateLeaseTtl(ttlSec);
    return this.#submit((state) => {
      const lease = this.#renewed({ id: state.nextLease, ttlMs: ttlSec * 1_000 });
      return { answer: lease.id, record: { lease } };
    });
  }

  async keepLeaseAlive(id: LeaseId): Promise<void> {
    await this.#submit((state) => {
      const lease = state.lease(id);
      if (lease === undefined) throw leaseNotFound(id);
      return { answer: undefined, record: { lease: this.#renewed(lease) } };
    });
  }

  async revokeLease(id: LeaseId): Promise<void> {
    await this.#submit((state) => {
      const lease = state.lease(id);
      if (lease === undefined) throw leaseNotFound(id);
      return { answer: undefined, record: endingRecord(state, lease) };
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.cancel();
    this.#fileEvents?.close();
    this.#hub.clear();
    await this.#rounds;
    for (const job of this.#queue.splice(0)) job.reject(closedError());
    this.#parts.journal.close();
    this.#parts.lock.close();
  }

  #renewed(lease: { readonly id: LeaseId; readonly ttlMs: number }) {
    return renewedLease(lease, this.#parts.clock.wallMs(), this.#parts.bootId);
  }

  #submit<T>(decide: (state: StoreState) => JobDecision<T>): Promise<T> {
    this.#assertUsable();
    return new Promise((resolve, reject) => {
      const prepare = (state: StoreState) => {
        const { answer, record } = decide(state);
        return { resolve: () => resolve(answer), record };
      };
      this.#queue.push({ prepare, reject });
      this.#rounds ??= this.#runRounds();
    });
  }

  async #runRounds(): Promise<void> {
    // What is submitted in the same turn of the event loop shares the first round.
    await Promise.resolve();
    while (this.#queue.length > 0 && !this.#closed) {
      const jobs = this.#queue.splice(0, MAX_BATCH);
      try {
        await this.#runRound(jobs);
        this.#readable = true;
      } catch (error) {
        this.#readable = this.#catchUp();
        const reason = this.#asDatastoreError(error);
        this.#lastError = { atMs: this.#parts.clock.wallMs(), message: reason.message };
        for (const job of jobs) job.reject(reason);
      }
    }
    this.#rounds = undefined;
  }

  async #runRound(jobs: readonly CommitJob[]): Promise<void> {
    const { journal, lock, clock, bootId, logger, limits } = this.#parts;
    await lock.acquire();
    let commit: ReturnType<typeof commitJobs>;
    try {
      commit = commitJobs(journal, jobs, { nowMs: clock.wallMs(), bootId, logger });
      if (journal.end > Math.max(limits.journalBytes, 2 * journal.compactedSize)) await this.#compact();
    } finally {
      lock.release();
    }
    this.#hub.notify();
    try {
      if (commit.wrote) await journal.sync();
      for (const answer of commit.answers) answer.resolve();
    } catch (error) {
      const message = `${journal.path} could not be synced to the disk: ${errorMessage(error)}; read before you repeat`;
      const unknown = new DatastoreError("OUTCOME_UNKNOWN", message, { file: journal.path }, error);
      for (const answer of commit.answers) answer.reject(unknown);
    }
  }

  /** A failed compaction costs disk space and nothing else; the next round tries again. */
  async #compact(): Promise<void> {
    const { journal, limits, logger } = this.#parts;
    const before = journal.end;
    try {
      await journal.compact(limits.historyRevisions, limits.journalBytes / 2);
      logger.info({ file: journal.path, before, after: journal.end }, "compacted the journal");
    } catch (error) {
      logger.warn({ file: journal.path, error: errorMessage(error) }, "the journal could not be compacted");
    }
  }

  /** The state with everything that was committed before this call. */
  async #currentState(): Promise<StoreState> {
    this.#assertUsable();
    // What a reader can't make sense of, a round looks at again with the lock held.
    if (!this.#catchUp()) await this.#submit(() => ({ answer: undefined }));
    return this.#parts.journal.state;
  }

  /** Reads what others appended; false if that did not work without the lock. */
  #catchUp(): boolean {
    try {
      if (this.#parts.journal.catchUp()) this.#hub.notify();
      this.#readable = true;
      return true;
    } catch (error) {
      this.#parts.logger.debug({ error: errorMessage(error) }, "reading the journal without its lock failed");
      return false;
    }
  }

  #onPoll(): void {
    if (this.#closed || this.#failure !== undefined) return;
    const { clock, journal, bootId } = this.#parts;
    const needsRound = !this.#catchUp() || hasDueLease(journal.state, clock.wallMs(), bootId);
    // A round ends what is due before it does anything else, so an empty one will do.
    if (needsRound && this.#rounds === undefined)
      this.#submit(() => ({ answer: undefined })).catch((error: unknown) =>
        this.#parts.logger.warn({ error: errorMessage(error) }, "the store could not be looked after"),
      );
    this.#pollAgain();
  }

  #pollAgain(mayWait = true): void {
    const hasLease = this.#parts.journal.state.leases()[Symbol.iterator]().next().done !== true;
    this.#pollDelayMs = mayWait && this.#hasFileEvents && this.#readable && !hasLease ? IDLE_POLL_MS : POLL_MS;
    this.#poll.cancel();
    this.#poll = this.#parts.clock.setTimer(this.#pollDelayMs, () => this.#onPoll());
  }

  #watchDirectory(): FSWatcher | undefined {
    const { directory, logger } = this.#parts;
    const giveUp = (error: unknown) => {
      this.#hasFileEvents = false;
      logger.warn({ directory, error: errorMessage(error) }, "no file events; polling finds changes a little later");
    };
    try {
      const watcher = watchFiles(directory, { persistent: false }, () => {
        if (this.#closed || this.#failure !== undefined) return;
        const caughtUp = this.#catchUp();
        // There may be a lease now, or something that needs a second look.
        if (this.#pollDelayMs > POLL_MS) this.#pollAgain(caughtUp);
      });
      return watcher.on("error", giveUp);
    } catch (error) {
      giveUp(error);
      return undefined;
    }
  }

  #assertUsable(): void {
    if (this.#closed) throw closedError();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #asDatastoreError(error: unknown): DatastoreError {
    const { logger, journal } = this.#parts;
    if (error instanceof DatastoreError) {
      if (error.code === "CORRUPT_JOURNAL") {
        this.#failure = error;
        logger.error({ ...error.details, error: error.message }, "the journal is damaged");
      }
      return error;
    }
    const message = `${journal.path} can't be used: ${errorMessage(error)}`;
    return new DatastoreError("DATASTORE_UNAVAILABLE", message, { file: journal.path }, error);
  }
}
