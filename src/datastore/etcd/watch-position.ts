import type { IEvent, IKeyValue, IWatchResponse } from "etcd3";
import type { WatchEvent } from "../datastore.ts";
import { decodeItem } from "./wire.ts";

/** Events to hand over, and the last revision they cover. */
export interface WatchDelivery {
  readonly events: readonly WatchEvent[];
  readonly revision: bigint;
}

/**
 * How far a watch has come, over all the streams it uses one after the other. Only what was handed over moves it: not the
 * revision in the header of a response, which is the store's and may be far ahead of the events still to come.
 */
export class WatchPosition {
  #next: bigint;
  /** The events of a response that etcd has split, until its last part is there. */
  #held: WatchEvent[] = [];
  /** What the last progress notification promised. */
  #promised: bigint | undefined;

  constructor(fromRevision: bigint) {
    this.#next = fromRevision < 1n ? 1n : fromRevision;
  }

  /** The first revision not yet handed over: where the next stream begins. */
  get next(): bigint {
    return this.#next;
  }

  /** A new stream begins at `next`; what the last one left unfinished comes again. */
  beginStream(): void {
    this.#held = [];
    this.#promised = undefined;
  }

  /** Takes a response with events or a progress notification; answers what is to be handed over now, if anything. */
  take(response: IWatchResponse): WatchDelivery | undefined {
    if (response.events.length === 0 && !response.fragment && this.#held.length === 0) {
      this.#progress(BigInt(response.header.revision));
      return undefined;
    }
    for (const event of response.events)
      if (BigInt(event.kv.mod_revision) >= this.#next) this.#held.push(decodeEvent(event));
    if (response.fragment) return undefined;
    const events = this.#held;
    this.#held = [];
    const last = events.at(-1);
    if (last === undefined) return undefined;
    const revision = last.type === "put" ? last.item.modRevision : last.modRevision;
    this.#next = revision + 1n;
    return { events, revision };
  }

  /**
   * A notification says that all events up to its revision were sent, but some versions of etcd 3.4 and 3.5 let it overtake
   * events. So each is believed only when the next has come.
   */
  #progress(revision: bigint): void {
    if (this.#promised !== undefined && this.#promised >= this.#next) this.#next = this.#promised + 1n;
    this.#promised = revision;
  }
}

function decodeEvent(event: IEvent): WatchEvent {
  const before: IKeyValue | null = event.prev_kv;
  const previous = before === null ? {} : { previous: decodeItem(before) };
  if (event.type === "Put") return { type: "put", item: decodeItem(event.kv), ...previous };
  return { type: "delete", key: event.kv.key.toString(), modRevision: BigInt(event.kv.mod_revision), ...previous };
}
