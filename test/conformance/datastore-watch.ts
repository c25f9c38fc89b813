import { describe, expect, it } from "vitest";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { put, record, remove, write } from "./datastore-helpers.ts";

/** The part of the suite about watches and compaction. */
export function itBehavesLikeAWatch(test: {
  connect(): Promise<Datastore>;
  compact(): Promise<void>;
  store(): Datastore;
}): void {
  describe("watches", () => {
    it("deliver past events from the asked revision on, then live ones, in order and with what was before", async () => {
      const store = test.store();
      await write(store, put("/c/a", "0"));
      const first = await write(store, put("/c/a", "1"));
      const second = await write(store, remove("/c/a"));
      const seen = record(store, "/c/", first.revision);
      await seen.untilCount(2);
      const third = await write(store, put("/c/a", "2"));
      await seen.untilCount(3);
      const base = { key: "/c/a", createRevision: first.revision - 1n };
      const before = { ...base, value: "1", modRevision: first.revision, version: 2n };
      const oldest = { ...base, value: "0", modRevision: first.revision - 1n, version: 1n };
      const newest = { key: "/c/a", value: "2", createRevision: third.revision, modRevision: third.revision };
      expect(seen.events).toEqual([
        { type: "put", item: before, previous: oldest },
        { type: "delete", key: "/c/a", modRevision: second.revision, previous: before },
        { type: "put", item: { ...newest, version: 1n } },
      ]);
    });

    it("deliver whole revisions, and only keys under their prefix", async () => {
      const store = test.store();
      const { revision } = await write(store, put("/c/start", ""));
      const seen = record(store, "/c/w/", revision + 1n);
      for (let round = 0; round < 50; round++)
        await write(store, put("/c/w/a", `${round}`), put("/c/w/b", `${round}`), put("/c/other", `${round}`));
      await seen.untilCount(100);
      for (const call of seen.calls) {
        const revisions = call.events.map((event) =>
          event.type === "put" ? event.item.modRevision : event.modRevision,
        );
        expect(call.events.length % 2).toBe(0);
        expect(revisions.at(-1)).toBe(call.revision);
      }
      expect(seen.events.map((event) => (event.type === "put" ? event.item.value : "deleted"))).toEqual(
        Array.from({ length: 100 }, (_, index) => `${index >> 1}`),
      );
    });

    it("see every commit of other clients once and in order", async () => {
      const watching = await test.connect();
      const { revision } = await write(test.store(), put("/c/start", ""));
      const seen = record(watching, "/c/", revision + 1n);
      const writers = await Promise.all([1, 2].map(() => test.connect()));
      await Promise.all(
        writers.map(async (writer, index) => {
          for (let round = 0; round < 50; round++) await write(writer, put(`/c/${index}`, `${round}`));
        }),
      );
      await seen.untilCount(100);
      expect(seen.events.map((event) => (event.type === "put" ? event.item.modRevision : 0n))).toEqual(
        Array.from({ length: 100 }, (_, index) => revision + 1n + BigInt(index)),
      );
    });

    it("wait for a revision that is still to come", async () => {
      const store = test.store();
      const { revision } = await write(store, put("/c/a", "0"));
      const seen = record(store, "/c/", revision + 3n);
      for (let round = 1; round <= 4; round++) await write(store, put("/c/a", `${round}`));
      await seen.untilCount(2);
      expect(seen.events[0]).toMatchObject({ item: { value: "3" } });
    });

    it("are silent after cancel, also when cancelled from inside a handler", async () => {
      const store = test.store();
      const { revision } = await write(store, put("/c/a", "0"));
      const cancelled = record(store, "/c/", revision);
      cancelled.watch.cancel();
      cancelled.watch.cancel();
      const values: string[] = [];
      const watch = store.watch("/c/", revision + 1n, {
        onEvents(events) {
          for (const event of events) if (event.type === "put") values.push(event.item.value);
          watch.cancel();
        },
        onCompacted: () => undefined,
      });
      const witness = record(store, "/c/", revision + 1n);
      await write(store, put("/c/a", "1"));
      await witness.untilCount(1);
      await write(store, put("/c/a", "2"));
      await witness.untilCount(2);
      expect(values).toEqual(["1"]);
      expect(cancelled.events).toEqual([]);
    });

    it("go on after a handler has thrown, and so do the others", async () => {
      const store = test.store();
      const { revision } = await write(store, put("/c/start", ""));
      let calls = 0;
      store.watch("/c/", revision + 1n, {
        onEvents() {
          calls++;
          throw new Error("a bug in a handler");
        },
        onCompacted: () => undefined,
      });
      const seen = record(store, "/c/", revision + 1n);
      await write(store, put("/c/a", "1"));
      await seen.untilCount(1);
      // Else a watch that comes late may hear of both at once.
      await seen.until(() => expect(calls).toBe(1));
      await write(store, put("/c/a", "2"));
      await seen.untilCount(2);
      await seen.until(() => expect(calls).toBe(2));
    });

    it("end with onCompacted when their past is gone, and a list plus a new watch misses nothing", async () => {
      const store = test.store();
      const { revision } = await write(store, put("/c/a", "0"), put("/c/b", "0"));
      await write(store, put("/c/a", "1"));
      await write(store, remove("/c/b"));
      await test.compact();
      const late = record(store, "/c/", revision);
      await late.until(() => expect(late.compactions).toHaveLength(1));
      expect(late.events).toEqual([]);
      expect(late.compactions[0]).toBeGreaterThanOrEqual(revision);
      const listed = await store.list("/c/");
      expect(listed.items).toMatchObject([{ key: "/c/a", value: "1", createRevision: revision, version: 2n }]);
      const seen = record(store, "/c/", listed.revision + 1n);
      await write(store, put("/c/b", "2"));
      await seen.untilCount(1);
      expect(seen.events[0]).toMatchObject({ type: "put", item: { key: "/c/b", value: "2", version: 1n } });
      expect(late.compactions).toHaveLength(1);
    });

    it("that are up to date live through a compaction", async () => {
      const store = test.store();
      const { revision } = await write(store, put("/c/a", "0"));
      const seen = record(store, "/c/a", revision + 1n);
      await write(store, put("/c/a", "1"));
      await seen.untilCount(1);
      await test.compact();
      await write(store, put("/c/a", "2"));
      await seen.untilCount(2);
      expect(seen.compactions).toEqual([]);
    });
  });
}
