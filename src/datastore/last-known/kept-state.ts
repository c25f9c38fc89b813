import type { GetResult, KeyValue, ListResult, Transaction, TransactionResult, WatchEvent } from "../datastore.ts";
import type { KeptChange, KeptContent } from "./kept-file.ts";

/** What of the store is kept. */
export interface KeptPolicy {
  /** Prefixes below which everything is followed, so that what is not kept is known not to be there. */
  readonly complete: readonly string[];
  /** Whether a key below a complete prefix, or any other that happens to be read or written, is kept. */
  readonly keeps: (item: Pick<KeyValue, "key" | "value">) => boolean;
}

/** What has been seen of the store, as far as it is kept. All methods that learn tell whether something has changed. */
export class KeptState {
  readonly #policy: KeptPolicy;
  readonly #items = new Map<string, KeyValue>();
  /** Up to which revision each complete prefix is known; those that were never listed are not in it. */
  readonly #revisions = new Map<string, bigint>();

  constructor(policy: KeptPolicy) {
    this.#policy = policy;
  }

  /** Every complete prefix has been listed once. */
  get isComplete(): boolean {
    return this.#policy.complete.every((prefix) => this.#revisions.has(prefix));
  }

  get items(): Iterable<KeyValue> {
    return this.#items.values();
  }

  get revisions(): ReadonlyMap<string, bigint> {
    return this.#revisions;
  }

  /** Undefined if it is not known whether the key exists. */
  get(key: string): GetResult | undefined {
    const item = this.#items.get(key);
    const revision = this.#revisionOf(key);
    if (item !== undefined) return { item, revision: revision ?? item.modRevision };
    return revision === undefined ? undefined : { revision };
  }

  /** Undefined if not all keys below the prefix are known. */
  list(prefix: string): ListResult | undefined {
    const revision = this.#revisionOf(prefix);
    if (revision === undefined) return undefined;
    const items = [...this.#items.values()].filter(({ key }) => key.startsWith(prefix));
    return { items: items.sort((left, right) => compareBytes(left.key, right.key)), revision };
  }

  learnList(prefix: string, { items, revision }: ListResult): boolean {
    const listed = new Set(items.map(({ key }) => key));
    let changed = false;
    for (const key of [...this.#items.keys()])
      if (key.startsWith(prefix) && !listed.has(key)) changed = this.#items.delete(key) || changed;
    for (const item of items) changed = this.#put(item) || changed;
    if (this.#policy.complete.includes(prefix)) {
      changed ||= !this.#revisions.has(prefix);
      this.#revisions.set(prefix, revision);
    }
    return changed;
  }

  learnItem(key: string, item: KeyValue | undefined): boolean {
    return item === undefined ? this.#items.delete(key) : this.#put(item);
  }

  /** Events of a watch of `prefix`, which cover everything until `revision`. */
  learnEvents(prefix: string, events: readonly WatchEvent[], revision: bigint): boolean {
    const known = this.#revisions.get(prefix);
    let changed = false;
    for (const event of events) {
      // Two watches of one prefix need not be equally far.
      if (known !== undefined && revisionOf(event) <= known) continue;
      changed = (event.type === "put" ? this.#put(event.item) : this.#items.delete(event.key)) || changed;
    }
    if (known !== undefined && revision > known) this.#revisions.set(prefix, revision);
    return changed;
  }

  learnTransaction({ success, failure = [] }: Transaction, result: TransactionResult): boolean {
    const { succeeded, responses, revision } = result;
    let changed = false;
    for (const [index, operation] of (succeeded ? success : failure).entries()) {
      const { key } = operation;
      const response = responses[index];
      if (operation.type === "put") changed = this.#put(this.#written(key, operation.value, revision)) || changed;
      else if (operation.type === "delete") changed = this.#items.delete(key) || changed;
      else if (response?.type === "get") changed = this.learnItem(key, response.item) || changed;
    }
    return changed;
  }

  /** What a transaction that was learned has made of the keys that it has written, as far as they are kept. */
  changesOf({ success, failure = [] }: Transaction, { succeeded, revision }: TransactionResult): KeptChange[] {
    return (succeeded ? success : failure).flatMap(({ type, key }): KeptChange[] => {
      const item = this.#items.get(key);
      if (type === "delete") return [{ key, revision }];
      return type === "put" && item !== undefined ? [{ key, revision, item }] : [];
    });
  }

  /** Takes over what was kept earlier, and the changes since. */
  restore({ content, changes }: { readonly content: KeptContent; readonly changes: readonly KeptChange[] }): void {
    for (const item of content.items) this.#put(item);
    for (const [prefix, revision] of content.revisions)
      if (this.#policy.complete.includes(prefix)) this.#revisions.set(prefix, revision);
    for (const { key, revision, item } of changes) {
      // What was done before the content was written is in it, or has been overtaken.
      if (revision > (this.#items.get(key)?.modRevision ?? this.#revisionOf(key) ?? 0n)) this.learnItem(key, item);
    }
  }

  #put(item: KeyValue): boolean {
    const known = this.#items.get(item.key);
    if (known !== undefined && known.modRevision === item.modRevision) return false;
    if (!this.#policy.keeps(item)) return this.#items.delete(item.key);
    this.#items.set(item.key, item);
    return true;
  }

  #written(key: string, value: string, revision: bigint): KeyValue {
    const { createRevision, version } = this.#items.get(key) ?? { createRevision: revision, version: 0n };
    return { key, value, createRevision, modRevision: revision, version: version + 1n };
  }

  #revisionOf(keyOrPrefix: string): bigint | undefined {
    for (const [prefix, revision] of this.#revisions) if (keyOrPrefix.startsWith(prefix)) return revision;
    return undefined;
  }
}

function revisionOf(event: WatchEvent): bigint {
  return event.type === "put" ? event.item.modRevision : event.modRevision;
}

function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
