import type { Clock, Timer } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { retryDelayMs } from "../fib/delay-queue.ts";
import { diffTable } from "./diff.ts";
import { NatError } from "./errors.ts";
import { readTable, readTables } from "./listing.ts";
import type { NftRunner } from "./program.ts";
import { type NatState, natTables } from "./ruleset.ts";
import { imageOf, type NatTable, type NftCommand, type TableFamily, type TableImage, tableName } from "./table.ts";

/** Between two looks whether the tables are still as they were written; somebody's `nft flush ruleset` removes them. */
const checkMs = 60_000;

export interface NatManagerOptions {
  readonly run: NftRunner;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}

export interface NatStatus {
  /** True if the kernel has what the last `update` asked for, as far as is known. */
  readonly applied: boolean;
  /** Why it has not; undefined if it has, if nothing was tried yet, or if nothing needs nft. */
  readonly error: NatError | undefined;
  /** How many times what others had changed was written again. */
  readonly repairs: number;
}

/**
 * Keeps the tables `ip calibird` and `ip6 calibird` as wanted: reads them once, then writes differences, one run of nft at a
 * time. A change that cannot be written is tried again, with the state of that time. Never throws.
 */
export class NatManager {
  readonly #options: NatManagerOptions;
  #wanted: readonly NatTable[] | undefined;
  /** What is in the kernel; undefined if that has to be read first. */
  #present: ReadonlyMap<TableFamily, TableImage> | undefined;
  /** Whether everything was as wanted once, so that a difference found later is somebody else's doing. */
  #settled = false;
  #working: Promise<void> | undefined;
  #again = false;
  #timer: Timer | undefined;
  #failures = 0;
  #error: NatError | undefined;
  #applied = false;
  #repairs = 0;

  constructor(options: NatManagerOptions) {
    this.#options = options;
  }

  /** Sets the wanted state. Several calls in a row are written at once. */
  update(state: NatState): void {
    this.#wanted = natTables(state);
    this.#applied = false;
    this.#settled = false;
    this.#work();
  }

  status(): NatStatus {
    return { applied: this.#applied, error: this.#isNeeded ? this.#error : undefined, repairs: this.#repairs };
  }

  /** Writes no more; the tables stay. Resolves when nft has ended. */
  async stop(): Promise<void> {
    this.#wanted = undefined;
    this.#cancelTimer();
    await this.#working;
  }

  /** Stops, and removes our tables. Rejects with a NatError. */
  async remove(): Promise<void> {
    await this.stop();
    this.#present = undefined;
    const present = await this.#read();
    const commands = [...present.keys()].map((family) => ({ delete: { table: { family, name: tableName } } }));
    if (commands.length > 0) await this.#options.run(commands);
  }

  #work(): void {
    this.#again = true;
    this.#working ??= this.#loop();
  }

  async #loop(): Promise<void> {
    // Calls of one moment become one change.
    await Promise.resolve();
    while (this.#again && this.#wanted !== undefined) {
      this.#again = false;
      const wanted = this.#wanted;
      try {
        await this.#reconcile(wanted);
        this.#succeeded(wanted);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#working = undefined;
  }

  async #reconcile(wanted: readonly NatTable[]): Promise<void> {
    const remembered = this.#present;
    if (remembered === undefined) return this.#bring(wanted, await this.#read());
    try {
      await this.#bring(wanted, remembered);
    } catch (error) {
      if (!(error instanceof NatError) || error.code !== "NFT_REFUSED") throw error;
      // Others may have changed the tables since they were read, so that the difference fits no more.
      await this.#bring(wanted, await this.#read());
    }
  }

  async #bring(wanted: readonly NatTable[], present: ReadonlyMap<TableFamily, TableImage>): Promise<void> {
    const commands = wanted.flatMap((table) => diffTable(present.get(table.family), table));
    if (commands.length > 0) await this.#write(commands);
    const written = wanted.filter((table) => table.needed || present.has(table.family));
    this.#present = new Map(written.map((table) => [table.family, imageOf(table)]));
  }

  async #write(commands: readonly NftCommand[]): Promise<void> {
    const { logger, run } = this.#options;
    if (this.#settled) {
      this.#repairs++;
      logger.warn({ commands: commands.length }, "somebody changed the tables named calibird; they are written again");
    }
    await run(commands);
    logger.info({ commands: commands.length }, "address translation was changed");
  }

  async #read(): Promise<ReadonlyMap<TableFamily, TableImage>> {
    const { run } = this.#options;
    const images = new Map<TableFamily, TableImage>();
    for (const family of readAnswer(readTables, await run([{ list: { tables: null } }])))
      images.set(family, readAnswer(readTable, await run([{ list: { table: { family, name: tableName } } }])));
    return images;
  }

  #succeeded(wanted: readonly NatTable[]): void {
    if (this.#error !== undefined) this.#options.logger.info({}, "address translation works again");
    this.#error = undefined;
    this.#failures = 0;
    // Without a table there is nothing that others could change. Frequent updates must not put the check off.
    if (this.#present !== undefined && this.#present.size > 0 && this.#timer === undefined)
      this.#later(checkMs * (0.9 + 0.2 * this.#options.random()));
    if (wanted !== this.#wanted) return;
    this.#applied = true;
    this.#settled = true;
  }

  #failed(error: unknown): void {
    const known = error instanceof NatError;
    const reason = known ? error : new NatError("NFT_FAILED", errorMessage(error), {}, error);
    const isNew = this.#error?.message !== reason.message;
    this.#present = undefined;
    // Where nft never was there are no tables of ours either.
    this.#applied = reason.code === "NFT_MISSING" && !this.#isNeeded;
    if (this.#applied) return;
    this.#error = reason;
    if (isNew)
      this.#options.logger.warn({ code: reason.code, error: reason.message }, "address translation cannot be changed");
    this.#later(retryDelayMs(this.#failures++));
  }

  /** Reads the tables anew after a while, and writes what differs. */
  #later(delayMs: number): void {
    if (this.#wanted === undefined) return;
    this.#cancelTimer();
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#present = undefined;
      this.#work();
    });
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  get #isNeeded(): boolean {
    return this.#wanted?.some((table) => table.needed) === true;
  }
}

function readAnswer<Result>(read: (output: string) => Result, output: string): Result {
  try {
    return read(output);
  } catch (error) {
    throw new NatError("NFT_FAILED", `nft gave an answer that cannot be read: ${errorMessage(error)}`, {}, error);
  }
}
