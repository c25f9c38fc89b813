import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { KeptContent, KeptFile } from "./kept-file.ts";

/** Changes come in bursts: what has changed is written once they have had time to end. */
const WRITE_DELAY_MS = 2_000;
const RETRY_MS = 30_000;
/** A large state is written less often: of the time this share at most. */
const LARGEST_SHARE = 1 / 20;
/** How often a file that needs no change is said to be still true. */
const CONFIRM_MS = 60_000;

interface KeeperOptions {
  readonly file: KeptFile;
  readonly content: () => KeptContent;
  /** Whether what is known is true now. */
  readonly isCurrent: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Writes what is known to its file, a while after each change, and one write at a time. */
export class Keeper {
  readonly #options: KeeperOptions;
  #dirty = false;
  #timer: Timer | undefined;
  #confirming: Timer;
  #writing: Promise<void> | undefined;
  #failed = false;
  #lastTookMs = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#confirming = this.#confirmLater();
  }

  changed(): void {
    this.#dirty = true;
    if (this.#writing !== undefined) return;
    this.#timer ??= this.#options.clock.setTimer(this.#delayMs, () => void this.#write());
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    this.#confirming.cancel();
    await this.#writing;
    this.#timer?.cancel();
    if (this.#dirty) await this.#writeOnce();
  }

  get #delayMs(): number {
    return this.#failed ? RETRY_MS : Math.max(WRITE_DELAY_MS, this.#lastTookMs / LARGEST_SHARE);
  }

  #write(): Promise<void> {
    this.#timer = undefined;
    this.#writing = this.#writeOnce().finally(() => {
      this.#writing = undefined;
      if (this.#dirty) this.changed();
    });
    return this.#writing;
  }

  async #writeOnce(): Promise<void> {
    const { file, content, clock, logger } = this.#options;
    this.#dirty = false;
    const began = clock.monotonicMs();
    try {
      await file.write(content);
      this.#failed = false;
      this.#lastTookMs = clock.monotonicMs() - began;
    } catch (error) {
      if (!this.#failed)
        logger.warn({ error: errorMessage(error) }, "what is known of the datastore can't be kept on the disk");
      this.#failed = true;
      this.#dirty = true;
    }
  }

  #confirmLater(): Timer {
    const { file, isCurrent, clock } = this.#options;
    return clock.setTimer(CONFIRM_MS, () => {
      // A file that could not be written is not there, or is old.
      if (isCurrent() && !this.#failed && !this.#dirty) void file.confirm(clock.wallMs()).catch(() => undefined);
      this.#confirming = this.#confirmLater();
    });
  }
}
