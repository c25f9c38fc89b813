import type { Clock, Timer } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";

const retryMs = 5_000;

interface OwnNodeKeeperOptions {
  /** Whether this node is among the cluster's nodes now. */
  readonly isThere: () => boolean;
  /** Writes this node; does nothing if it is there already. */
  readonly write: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Writes this node again if somebody deletes it while its agent runs: without it every other node ends its session. */
export class OwnNodeKeeper {
  readonly #options: OwnNodeKeeperOptions;
  #wasThere = false;
  #retry: Timer | undefined;
  #stopped = false;

  constructor(options: OwnNodeKeeperOptions) {
    this.#options = options;
  }

  /** To be called after every change of the cluster's nodes. */
  check(): void {
    const { isThere, logger } = this.#options;
    const wasThere = this.#wasThere;
    this.#wasThere = isThere();
    // What has just been written may not have been heard of yet.
    if (this.#wasThere || !wasThere) return;
    logger.warn(
      {},
      "this node was deleted while its agent runs; it is written again. Stop the agent before you delete it",
    );
    this.write();
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
  }

  /** Writes this node, and tries again for as long as that fails. */
  write(): void {
    if (this.#stopped) return;
    const { clock, logger, write } = this.#options;
    this.#retry?.cancel();
    write().catch((error: unknown) => {
      logger.error({ error: errorMessage(error), retryMs }, "this node could not be written again; trying again");
      if (!this.#stopped) this.#retry = clock.setTimer(retryMs, () => this.write());
    });
  }
}
