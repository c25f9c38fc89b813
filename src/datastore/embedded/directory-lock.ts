import { closeSync, fstatSync, openSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { flock } from "../../sys/libc.ts";
import { DatastoreError } from "../errors.ts";

/** Tries in successive turns of the event loop, before waiting in between. A holder is usually done in 0.1 ms. */
const EAGER_TRIES = 20;
const RETRY_MS = 1;
/** Longer than any compaction; whoever holds the lock this long was stopped. */
const PATIENCE_MS = 10_000;

/**
 * The writers' lock of a store: flock(2) on its file `lock`, which the kernel releases when a process dies. It is asked
 * for without blocking and asked again, because a blocked thread would stop BGP keepalives for as long as a stopped or
 * starved holder pleases.
 */
export class DirectoryLock {
  readonly #path: string;
  readonly #random: () => number;
  #fd: number;

  /** `random` gives numbers in [0, 1) and spreads the retries of several waiters. */
  constructor(path: string, random: () => number) {
    this.#path = path;
    this.#random = random;
    this.#fd = openSync(path, "a", 0o600);
  }

  /** Throws `DATASTORE_UNAVAILABLE` after ten seconds. */
  async acquire(): Promise<void> {
    for (let tries = 0, waitedMs = 0; ; tries++) {
      if (flock(this.#fd, "exclusive", true)) {
        if (fstatSync(this.#fd).nlink > 0) return;
        // Somebody removed the file; a newcomer would lock another one of the same name.
        closeSync(this.#fd);
        this.#fd = openSync(this.#path, "a", 0o600);
        continue;
      }
      if (waitedMs > PATIENCE_MS)
        throw new DatastoreError(
          "DATASTORE_UNAVAILABLE",
          `another process has held ${this.#path} for ${PATIENCE_MS / 1_000} s; find it with: fuser -v ${this.#path}`,
          { file: this.#path },
        );
      if (tries < EAGER_TRIES) await nextTurn();
      else {
        const delayMs = RETRY_MS * (1 + this.#random());
        await sleep(delayMs);
        waitedMs += delayMs;
      }
    }
  }

  release(): void {
    flock(this.#fd, "unlock", false);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
