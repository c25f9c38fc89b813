import type { IEvent, IKeyValue, IWatchResponse } from "etcd3";
import { describe, expect, it } from "vitest";
import { WatchPosition } from "../../../../src/datastore/etcd/watch-position.ts";

function item(revision: number): IKeyValue {
  const [key, value] = [Buffer.from("/c/a"), Buffer.from(`${revision}`)];
  const mod_revision = `${revision}`;
  return { key, value, create_revision: mod_revision, mod_revision, version: "1", lease: "0" };
}

function response(header: number, revisions: readonly number[], fragment = false): IWatchResponse {
  const events = revisions.map((revision) => ({ type: "Put", kv: item(revision), prev_kv: item(1) }) satisfies IEvent);
  const fixed = { watch_id: "0", created: false, canceled: false, compact_revision: "0", cancel_reason: "" };
  const names = { cluster_id: "1", member_id: "1", raft_term: "1" };
  return { ...fixed, header: { ...names, revision: `${header}` }, fragment, events };
}

const revisionsOf = (delivery: ReturnType<WatchPosition["take"]>) =>
  delivery?.events.map((event) => (event.type === "put" ? event.item.modRevision : event.modRevision));

describe("the position of a watch", () => {
  it("follows what was handed over, not the store's revision in the header", () => {
    const position = new WatchPosition(5n);
    expect(revisionsOf(position.take(response(20_000, [5, 6])))).toEqual([5n, 6n]);
    expect(position.next).toBe(7n);
  });

  it("hands a split response over whole, and asks for all of it again when the stream breaks in between", () => {
    const position = new WatchPosition(5n);
    expect(position.take(response(9, [5, 6], true))).toBeUndefined();
    expect(position.next).toBe(5n);
    position.beginStream();
    expect(position.take(response(9, [5, 6], true))).toBeUndefined();
    expect(revisionsOf(position.take(response(9, [6, 7])))).toEqual([5n, 6n, 6n, 7n]);
    expect(position.next).toBe(8n);
  });

  it("drops what was handed over before", () => {
    const position = new WatchPosition(5n);
    position.take(response(6, [5, 6]));
    expect(revisionsOf(position.take(response(7, [6, 7])))).toEqual([7n]);
    expect(position.take(response(7, [7]))).toBeUndefined();
  });

  it("believes a progress notification when the next one has come, for it may overtake events", () => {
    const position = new WatchPosition(5n);
    expect(position.take(response(8, []))).toBeUndefined();
    expect(position.next).toBe(5n);
    expect(revisionsOf(position.take(response(8, [7])))).toEqual([7n]);
    position.take(response(20, []));
    expect(position.next).toBe(9n);
    position.beginStream();
    position.take(response(30, []));
    expect(position.next).toBe(9n);
    position.take(response(31, []));
    expect(position.next).toBe(31n);
  });
});
