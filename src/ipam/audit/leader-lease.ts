import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Datastore, LeaseId } from "../../datastore/datastore.ts";
import { DatastoreError } from "../../datastore/errors.ts";

interface LeaderLeaseOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where the leader's name stands, for as long as its lease lives. */
  readonly key: string;
  readonly name: string;
  readonly ttlSec: number;
}

/**
 * Makes one of several agents the leader: the one whose name is stored under a key that is bound to a lease. It leads only
 * while its lease is certain to live, by its own clock, so that there are never two.
 */
export class LeaderLease {
  readonly #options: LeaderLeaseOptions;
  #lease: LeaseId | undefined;
  /** Monotonic time until which the lease lives at least. */
  #ledUntilMs = 0;
  #timer: Timer | undefined;
  #stopped = false;
  #current: Promise<void> = Promise.resolve();
  #leader: string | undefined;

  constructor(options: LeaderLeaseOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#lease !== undefined && this.#options.clock.monotonicMs() < this.#ledUntilMs;
  }

  /** Who leads, as far as this agent has heard. */
  get leader(): string | undefined {
    return this.isLeader ? this.#options.name : this.#leader;
  }

  /** Begins to try; resolves after the first try. */
  start(): Promise<void> {
    this.#current = this.#renewAndWait();
    return this.#current;
  }

  /** Gives the place to somebody else. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#current;
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) await this.#options.datastore.revokeLease(lease).catch(() => undefined);
  }

  async #renewAndWait(): Promise<void> {
    const { clock, logger, ttlSec } = this.#options;
    try {
      await (this.#lease === undefined ? this.#apply() : this.#renew(this.#lease));
    } catch (error) {
      // The lease may live on; whether it does is seen at the next try.
      logger.debug({ error: errorMessage(error) }, "the lease of the IPAM collection could not be had or renewed");
    }
    if (this.#stopped) return;
    this.#timer = clock.setTimer((ttlSec * 1_000) / 3, () => {
      this.#current = this.#renewAndWait();
    });
  }

  async #renew(lease: LeaseId): Promise<void> {
    const { datastore, clock, ttlSec } = this.#options;
    const askedMs = clock.monotonicMs();
    try {
      await datastore.keepLeaseAlive(lease);
      this.#ledUntilMs = askedMs + ttlSec * 1_000;
    } catch (error) {
      if (!(error instanceof DatastoreError && error.code === "LEASE_NOT_FOUND")) throw error;
      this.#lease = undefined;
    }
  }

  /** Takes the place if it is free. */
  async #apply(): Promise<void> {
    const { datastore, clock, key, name, ttlSec } = this.#options;
    this.#leader = (await datastore.get(key)).item?.value;
    if (this.#leader !== undefined) return;
    const askedMs = clock.monotonicMs();
    const lease = await datastore.grantLease(ttlSec);
    let succeeded = false;
    try {
      const result = await datastore.transact({
        compares: [{ key, target: "version", result: "equal", value: 0n }],
        success: [{ type: "put", key, value: name, lease }],
        failure: [{ type: "get", key }],
      });
      succeeded = result.succeeded;
      const [response] = result.responses;
      if (response?.type === "get") this.#leader = response.item?.value;
    } finally {
      // A put whose answer was lost goes with the lease.
      if (!succeeded) await datastore.revokeLease(lease).catch(() => undefined);
    }
    if (!succeeded) return;
    this.#lease = lease;
    this.#ledUntilMs = askedMs + ttlSec * 1_000;
  }
}
