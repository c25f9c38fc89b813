import type { Clock, Timer } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ResourceError } from "../resources/errors.ts";
import type { ResourceKind } from "../resources/kinds.ts";
import type { Resource } from "../resources/resource.ts";
import { parseResourceKey, possibleKeys, resourcePrefix } from "../resources/resource-keys.ts";
import type { Datastore, KeyValue, Watch, WatchEvent } from "./datastore.ts";
import { tryDecodeItem } from "./stored-resources.ts";

export interface ResourceCacheOptions<Kind extends ResourceKind> {
  readonly datastore: Datastore;
  readonly kind: Kind;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type ResourceChange<Kind extends ResourceKind> =
  | { readonly type: "added"; readonly resource: Resource<Kind> }
  | { readonly type: "updated"; readonly resource: Resource<Kind>; readonly previous: Resource<Kind> }
  | { readonly type: "removed"; readonly previous: Resource<Kind> };

export type ResourceChangeListener<Kind extends ResourceKind> = (changes: readonly ResourceChange<Kind>[]) => void;

const LIST_RETRY_MS = 1000;

/**
 * All objects of a kind as they are now, kept up to date by a watch. It answers at once from memory, also while the
 * store is down. Of an object whose stored value has become unreadable it keeps the last good state.
 */
export class ResourceCache<Kind extends ResourceKind> {
  readonly #datastore: Datastore;
  readonly #kind: Kind;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #resources = new Map<string, Resource<Kind>>();
  readonly #invalid = new Map<string, ResourceError>();
  readonly #listeners = new Set<ResourceChangeListener<Kind>>();
  #sorted: readonly Resource<Kind>[] | undefined;
  #synced = false;
  #running: Running | undefined;

  constructor(options: ResourceCacheOptions<Kind>) {
    this.#datastore = options.datastore;
    this.#kind = options.kind;
    this.#clock = options.clock;
    this.#logger = options.logger.child({ kind: options.kind });
  }

  get kind(): Kind {
    return this.#kind;
  }

  /** False until the first list has come in; an empty cache means nothing before that. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Keys whose stored value can't be used now, and why. */
  get invalid(): ReadonlyMap<string, ResourceError> {
    return this.#invalid;
  }

  /** Everything, ascending by namespace and name. */
  list(): readonly Resource<Kind>[] {
    this.#sorted ??= [...this.#resources].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource);
    return this.#sorted;
  }

  get(name: string, namespace?: string): Resource<Kind> | undefined {
    for (const key of possibleKeys(this.#kind, name, namespace)) {
      const resource = this.#resources.get(key);
      if (resource !== undefined) return resource;
    }
    return undefined;
  }

  /**
   * Calls the listener after every change of what `list` returns, once for all changes of a list or of a batch of
   * events. Returns what ends it.
   */
  onChange(listener: ResourceChangeListener<Kind>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins to follow the store. Resolves with the first list, which is retried until it comes in, or with `stop`. */
  start(): Promise<void> {
    this.stop();
    return new Promise((resolve) => {
      this.#running = { watch: undefined, retry: undefined, resolve };
      void this.#relist(this.#running);
    });
  }

  /** Ends following. What is known stays readable. Idempotent. */
  stop(): void {
    const running = this.#running;
    this.#running = undefined;
    running?.watch?.cancel();
    running?.retry?.cancel();
    running?.resolve();
  }

  async #relist(running: Running): Promise<void> {
    running.retry = undefined;
    running.watch = undefined;
    const prefix = resourcePrefix(this.#kind);
    try {
      const { items, revision } = await this.#datastore.list(prefix);
      if (running !== this.#running) return;
      this.#replaceAll(items);
      running.watch = this.#datastore.watch(prefix, revision + 1n, {
        onEvents: (events) => this.#applyEvents(events),
        onCompacted: () => void this.#relist(running),
      });
      this.#synced = true;
      running.resolve();
    } catch (error) {
      if (running !== this.#running) return;
      this.#logger.warn({ error: errorMessage(error), retryMs: LIST_RETRY_MS }, "can't list; trying again");
      running.retry = this.#clock.setTimer(LIST_RETRY_MS, () => void this.#relist(running));
    }
  }

  #replaceAll(items: readonly KeyValue[]): void {
    const listed = new Set(items.map(({ key }) => key));
    const before = new Map<string, Resource<Kind> | undefined>();
    for (const item of items) {
      const known = this.#resources.get(item.key);
      if (known?.metadata.resourceVersion !== item.modRevision.toString()) this.#put(item, before);
    }
    for (const key of [...this.#resources.keys(), ...this.#invalid.keys()])
      if (!listed.has(key)) this.#remove(key, before);
    this.#publish(before);
  }

  #applyEvents(events: readonly WatchEvent[]): void {
    const before = new Map<string, Resource<Kind> | undefined>();
    for (const event of events)
      if (event.type === "put") this.#put(event.item, before);
      else this.#remove(event.key, before);
    this.#publish(before);
  }

  #put(item: KeyValue, before: Map<string, Resource<Kind> | undefined>): void {
    const { key } = item;
    if (parseResourceKey(key)?.kind !== this.#kind) return;
    const result = tryDecodeItem(this.#kind, item);
    if ("error" in result) {
      this.#invalid.set(key, result.error);
      const kept = this.#resources.has(key);
      this.#logger.warn({ key, kept, error: result.error.message }, "a stored value can't be used");
      return;
    }
    if (!before.has(key)) before.set(key, this.#resources.get(key));
    this.#invalid.delete(key);
    this.#resources.set(key, result.resource);
  }

  #remove(key: string, before: Map<string, Resource<Kind> | undefined>): void {
    if (!before.has(key)) before.set(key, this.#resources.get(key));
    this.#invalid.delete(key);
    this.#resources.delete(key);
  }

  /** Tells the listeners what has become of the keys of `before`. */
  #publish(before: ReadonlyMap<string, Resource<Kind> | undefined>): void {
    const changes: ResourceChange<Kind>[] = [];
    for (const [key, previous] of before) {
      const resource = this.#resources.get(key);
      if (resource === previous) continue;
      if (resource === undefined && previous !== undefined) changes.push({ type: "removed", previous });
      else if (resource !== undefined)
        changes.push(previous === undefined ? { type: "added", resource } : { type: "updated", resource, previous });
    }
    if (changes.length === 0) return;
    this.#sorted = undefined;
    for (const listener of [...this.#listeners]) {
      try {
        listener(changes);
      } catch (error) {
        this.#logger.error({ error: errorMessage(error) }, "a listener of changes failed");
      }
    }
  }
}

/** One run between `start` and `stop`; whatever belongs to an older one is ignored. */
interface Running {
  watch: Watch | undefined;
  retry: Timer | undefined;
  readonly resolve: () => void;
}
