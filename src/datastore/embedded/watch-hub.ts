import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Watch, WatchEvent, WatchHandler } from "../datastore.ts";
import type { StoreState } from "./state.ts";

/** Revisions looked at per call of a handler, so that a long replay leaves the event loop to others in between. */
const REVISIONS_PER_TURN = 1_000;

interface Watcher {
  readonly prefix: string;
  readonly handler: WatchHandler;
  /** The first revision not yet delivered. */
  next: bigint;
}

/** The watches of one process: each has a position in the history and is moved along it, never from inside a caller. */
export class WatchHub {
  readonly #state: () => StoreState;
  readonly #logger: Logger;
  readonly #watchers = new Set<Watcher>();
  #scheduled = false;

  constructor(state: () => StoreState, logger: Logger) {
    this.#state = state;
    this.#logger = logger;
  }

  add(prefix: string, fromRevision: bigint, handler: WatchHandler): Watch {
    const watcher: Watcher = { prefix, handler, next: fromRevision < 1n ? 1n : fromRevision };
    this.#watchers.add(watcher);
    this.notify();
    return { cancel: () => void this.#watchers.delete(watcher) };
  }

  /** The state may have moved: deliver in the next turn of the event loop. */
  notify(): void {
    if (this.#scheduled || this.#watchers.size === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      let behind = false;
      for (const watcher of this.#watchers) behind = this.#advance(watcher) || behind;
      if (behind) this.notify();
    });
  }

  clear(): void {
    this.#watchers.clear();
  }

  /** Delivers one turn's worth; true if more is left. */
  #advance(watcher: Watcher): boolean {
    const state = this.#state();
    if (watcher.next <= state.compactRevision) {
      this.#watchers.delete(watcher);
      this.#call(() => watcher.handler.onCompacted(state.compactRevision));
      return false;
    }
    const limit = watcher.next + BigInt(REVISIONS_PER_TURN);
    const end = state.revision + 1n < limit ? state.revision + 1n : limit;
    const events: WatchEvent[] = [];
    let last = watcher.next;
    for (let revision = watcher.next; revision < end; revision++)
      for (const event of state.eventsOf(revision))
        if ((event.type === "put" ? event.item.key : event.key).startsWith(watcher.prefix)) {
          events.push(event);
          last = revision;
        }
    if (end > watcher.next) watcher.next = end;
    if (events.length > 0) this.#call(() => watcher.handler.onEvents(events, last));
    return this.#watchers.has(watcher) && watcher.next <= state.revision;
  }

  #call(deliver: () => void): void {
    try {
      deliver();
    } catch (error) {
      this.#logger.error({ error: errorMessage(error) }, "a watch handler threw; its watch goes on");
    }
  }
}
