import { expect, vi } from "vitest";
import type { Compare, Datastore, KeyValue, Operation, WatchEvent } from "../../src/datastore/datastore.ts";

export const put = (key: string, value: string): Operation => ({ type: "put", key, value });
export const remove = (key: string): Operation => ({ type: "delete", key });
export const read = (key: string): Operation => ({ type: "get", key });
export const absent = (key: string): Compare => ({ key, target: "version", result: "equal", value: 0n });
export const unchanged = (item: KeyValue): Compare => ({
  key: item.key,
  target: "modRevision",
  result: "equal",
  value: item.modRevision,
});

export function write(store: Datastore, ...success: Operation[]) {
  return store.transact({ compares: [], success });
}

/** Collects what a watch delivers. */
export function record(store: Datastore, prefix: string, fromRevision: bigint) {
  const events: WatchEvent[] = [];
  const calls: { readonly revision: bigint; readonly events: readonly WatchEvent[] }[] = [];
  const compactions: bigint[] = [];
  const watch = store.watch(prefix, fromRevision, {
    onEvents(batch, revision) {
      events.push(...batch);
      calls.push({ revision, events: batch });
    },
    onCompacted: (revision) => void compactions.push(revision),
  });
  const until = (condition: () => void) => vi.waitFor(condition, { timeout: 60_000, interval: 5 });
  return {
    events,
    calls,
    compactions,
    watch,
    until,
    untilCount: (n: number) => until(() => expect(events).toHaveLength(n)),
  };
}
