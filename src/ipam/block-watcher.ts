import type { Clock, Timer } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Datastore, Watch } from "../datastore/datastore.ts";
import type { Prefix } from "../net/prefix.ts";
import { type AffinityState, decodeAffinity } from "./codec.ts";
import { AFFINITIES_PREFIX, parseAffinityKey } from "./keys.ts";

const RETRY_MS = 1_000;

/** How things stand between a node and a block. Only `confirmed` is ownership; `released` ends what was said before. */
export interface BlockOwnership {
  readonly block: Prefix;
  readonly node: string;
  readonly state: AffinityState | "released";
}

/** Follows which node owns which block, all over the cluster. */
export class BlockWatcher {
  readonly #datastore: Datastore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onChange: (changes: readonly BlockOwnership[]) => void;
  /** What was reported, by key. */
  readonly #known = new Map<string, BlockOwnership>();
  #watch: Watch | undefined;
  #retry: Timer | undefined;
  #stopped = false;

  /** `onChange` is first given all that is (perhaps nothing), then every change, in batches. */
  constructor(options: {
    readonly datastore: Datastore;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly onChange: (changes: readonly BlockOwnership[]) => void;
  }) {
    this.#datastore = options.datastore;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#onChange = options.onChange;
  }

  /** Resolves once `onChange` has been given the present state, or a first try to read it has failed. */
  async start(): Promise<void> {
    await this.#relist();
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#watch?.cancel();
  }

  /** Reads everything, reports the difference to what was known, and watches from there. */
  async #relist(): Promise<void> {
    try {
      const { items, revision } = await this.#datastore.list(AFFINITIES_PREFIX);
      if (this.#stopped) return;
      const present = new Set(items.map((item) => item.key));
      const gone = [...this.#known.keys()].filter((key) => !present.has(key));
      const changes = [
        ...gone.flatMap((key) => this.#learn(key, undefined)),
        ...items.flatMap((item) => this.#learn(item.key, item.value)),
      ];
      this.#onChange(changes);
      this.#watch = this.#datastore.watch(AFFINITIES_PREFIX, revision + 1n, {
        onEvents: (events) => {
          const learned = events.flatMap((event) =>
            event.type === "put" ? this.#learn(event.item.key, event.item.value) : this.#learn(event.key, undefined),
          );
          if (learned.length > 0) this.#onChange(learned);
        },
        onCompacted: () => void this.#relist(),
      });
    } catch (error) {
      if (this.#stopped) return;
      this.#logger.warn({ error: errorMessage(error) }, "block affinities can't be read; trying again");
      this.#retry = this.#clock.setTimer(RETRY_MS, () => void this.#relist());
    }
  }

  /** Takes note of a key's value; what has to be reported about it, if anything. */
  #learn(key: string, value: string | undefined): BlockOwnership[] {
    const parsed = parseAffinityKey(key);
    if (parsed === undefined) return [];
    const state = value === undefined ? "released" : this.#stateOf(key, value);
    if ((this.#known.get(key)?.state ?? "released") === state) return [];
    const ownership = { ...parsed, state };
    if (state === "released") this.#known.delete(key);
    else this.#known.set(key, ownership);
    return [ownership];
  }

  /** A value that makes no sense is no ownership. */
  #stateOf(key: string, value: string): BlockOwnership["state"] {
    try {
      return decodeAffinity(key, value) ?? "released";
    } catch (error) {
      this.#logger.warn({ key, error: errorMessage(error) }, "a block affinity is ignored");
      return "released";
    }
  }
}
