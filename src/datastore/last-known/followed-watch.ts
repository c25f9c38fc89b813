import type { Datastore, Watch, WatchEvent, WatchHandler } from "../datastore.ts";

export interface FollowedWatchOptions {
  readonly store: Pick<Datastore, "watch">;
  readonly prefix: string;
  readonly handler: WatchHandler;
  /** Whether nothing may be told now. */
  readonly isHeld: () => boolean;
  readonly onEvents: (events: readonly WatchEvent[], revision: bigint) => void;
  /** Called once, when no handler will run any more. */
  readonly onEnd: () => void;
}

/**
 * A watch that can be held: while it is, it tells nothing, and if it has missed something it ends with `onCompacted`
 * afterwards, so that whoever watches lists again and finds out what has become different.
 */
export class FollowedWatch implements Watch {
  readonly #options: FollowedWatchOptions;
  #inner: Watch | undefined;
  #missed = false;
  #ended = false;

  /** Without `fromRevision` nothing is watched: whoever asked has been given what may be old. */
  constructor(options: FollowedWatchOptions, fromRevision: bigint | undefined) {
    this.#options = options;
    const { store, prefix, handler, isHeld, onEvents } = options;
    if (fromRevision === undefined) {
      this.#missed = true;
      return;
    }
    this.#inner = store.watch(prefix, fromRevision, {
      onEvents: (events, revision) => {
        if (this.#missed || isHeld()) {
          this.#missed = true;
          return;
        }
        onEvents(events, revision);
        handler.onEvents(events, revision);
      },
      onCompacted: (revision) => {
        this.#missed = true;
        if (!isHeld()) this.#end(revision);
      },
    });
  }

  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#inner?.cancel();
    this.#options.onEnd();
  }

  /** It is not held any more. */
  release(): void {
    if (this.#missed) this.#end(0n);
  }

  #end(compactRevision: bigint): void {
    if (this.#ended) return;
    this.cancel();
    this.#options.handler.onCompacted(compactRevision);
  }
}
