import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Compare, Datastore, KeyValue, Operation } from "../../src/datastore/datastore.ts";
import { absent, put, read, record, remove, unchanged, write } from "./datastore-helpers.ts";
import { itBehavesLikeAWatch } from "./datastore-watch.ts";

/** One store of the driver under test, made for one test. */
export interface DatastoreHarness {
  /** Another client of the store. The harness closes it. */
  connect(): Promise<Datastore>;
  /** Forgets the history up to and including the store's current revision, or a later one. */
  compact(): Promise<void>;
  dispose(): Promise<void>;
}

/** What every driver of the datastore interface promises; each runs this suite. */
export function itBehavesLikeADatastore(name: string, start: () => Promise<DatastoreHarness>): void {
  let harness: DatastoreHarness;
  let store: Datastore;
  const test = { connect: () => harness.connect(), compact: () => harness.compact(), store: () => store };

  describe(name, () => {
    beforeEach(async () => {
      harness = await start();
      store = await harness.connect();
    });
    afterEach(() => harness.dispose());

    describe("reading", () => {
      it("answers a key that does not exist with no item and the revision at which that is true", async () => {
        const { revision } = await write(store, put("/c/a", "1"));
        expect(await store.get("/c/none")).toEqual({ revision });
      });

      it("counts revisions and versions as etcd does over put, put, delete and put", async () => {
        const first = await write(store, put("/c/a", "1"));
        const second = await write(store, put("/c/a", "2"));
        expect(second.revision).toBe(first.revision + 1n);
        const item = { key: "/c/a", value: "2", createRevision: first.revision, modRevision: second.revision };
        expect(await store.get("/c/a")).toEqual({ item: { ...item, version: 2n }, revision: second.revision });
        await write(store, remove("/c/a"));
        const third = await write(store, put("/c/a", "3"));
        const again = { key: "/c/a", value: "3", createRevision: third.revision, modRevision: third.revision };
        expect((await store.get("/c/a")).item).toEqual({ ...again, version: 1n });
      });

      it("lists the keys under a prefix in the order of their bytes, and no others", async () => {
        const keys = ["/c/p/a", "/c/p/a/b", "/c/p/B", "/c/p/\u{1f426}", "/c/p/\uffee", "/c/p/é", "/c/p"];
        const { revision } = await write(store, ...keys.map((key) => put(key, key)), put("/c/q", ""), put("/c/o", ""));
        const listed = await store.list("/c/p");
        const expected = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(listed.items.map((item) => item.key)).toEqual(expected);
        expect(listed.items.every((item) => item.modRevision === revision && item.value === item.key)).toBe(true);
        expect(listed.revision).toBe(revision);
        expect((await store.list("/c/p/")).items).toHaveLength(6);
        expect((await store.list("/nothing/")).items).toEqual([]);
      });

      it("gives back any text byte for byte", async () => {
        const values = ["", "a\nb\r\n\0", '{"a":"\\u003c"}', "ü\u{1f426}\u2028", "x".repeat(1_000_000)];
        for (const [index, value] of values.entries()) {
          await write(store, put(`/c/v${index}`, value));
          expect((await store.get(`/c/v${index}`)).item?.value).toBe(value);
        }
      });

      it("shows a client what another one has committed before the read began", async () => {
        const other = await harness.connect();
        for (let round = 0; round < 20; round++) {
          await write(store, put("/c/a", `${round}`));
          expect((await other.get("/c/a")).item?.value).toBe(`${round}`);
          expect((await other.list("/c/")).items[0]?.value).toBe(`${round}`);
        }
      });
    });

    describe("transactions", () => {
      it("give one revision to all keys they write", async () => {
        const result = await write(store, put("/c/a", "1"), put("/c/b", "2"));
        expect(result).toEqual({
          succeeded: true,
          revision: result.revision,
          responses: [{ type: "put" }, { type: "put" }],
        });
        const revisions = (await store.list("/c/")).items.map((item) => item.modRevision);
        expect(revisions).toEqual([result.revision, result.revision]);
      });

      it.each([
        ["version", "equal", 2n, true],
        ["version", "equal", 1n, false],
        ["version", "not-equal", 1n, true],
        ["version", "greater", 1n, true],
        ["version", "greater", 2n, false],
        ["version", "less", 3n, true],
        ["version", "less", 2n, false],
      ] as const)("hold a key of version 2 against %s %s %s: %s", async (target, result, value, holds) => {
        await write(store, put("/c/a", "1"));
        await write(store, put("/c/a", "2"));
        const outcome = await store.transact({ compares: [{ key: "/c/a", target, result, value }], success: [] });
        expect(outcome.succeeded).toBe(holds);
      });

      it("take all three numbers of a missing key as 0 and compare revisions exactly", async () => {
        for (const target of ["version", "createRevision", "modRevision"] as const)
          expect(
            (await store.transact({ compares: [{ key: "/c/none", target, result: "equal", value: 0n }], success: [] }))
              .succeeded,
          ).toBe(true);
        const created = (await write(store, put("/c/a", "1"))).revision;
        const modified = (await write(store, put("/c/a", "2"))).revision;
        const compares: Compare[] = [
          { key: "/c/a", target: "createRevision", result: "equal", value: created },
          { key: "/c/a", target: "modRevision", result: "equal", value: modified },
        ];
        expect((await store.transact({ compares, success: [] })).succeeded).toBe(true);
      });

      it("run the failure branch if one of several compares fails, and write nothing of the other", async () => {
        await write(store, put("/c/a", "1"));
        const { revision } = await store.get("/c/a");
        const result = await store.transact({
          compares: [absent("/c/b"), absent("/c/a")],
          success: [put("/c/a", "x"), put("/c/b", "x")],
          failure: [read("/c/a"), read("/c/b")],
        });
        expect(result).toMatchObject({ succeeded: false, revision });
        expect(result.responses).toEqual([{ type: "get", item: (await store.get("/c/a")).item }, { type: "get" }]);
        expect((await store.get("/c/b")).item).toBeUndefined();
      });

      it("let a get see what the same branch has written before it", async () => {
        const result = await write(store, read("/c/a"), put("/c/a", "1"), read("/c/a"));
        expect(result.responses[0]).toEqual({ type: "get" });
        expect(result.responses[2]).toMatchObject({ item: { value: "1", version: 1n, modRevision: result.revision } });
      });

      it("return what a delete has deleted, and spend no revision when there was nothing", async () => {
        await write(store, put("/c/a", "1"));
        const { item } = await store.get("/c/a");
        const first = await write(store, remove("/c/a"));
        expect(first.responses).toEqual([{ type: "delete", previous: item }]);
        const second = await write(store, remove("/c/a"), read("/c/a"));
        expect(second).toEqual({ ...first, responses: [{ type: "delete" }, { type: "get" }] });
      });

      it("refuse too many operations, keys written twice and empty keys, and do nothing", async () => {
        const many = Array.from({ length: 129 }, (_, index) => put(`/c/${index}`, ""));
        await expect(write(store, ...many)).rejects.toMatchObject({ code: "TOO_MANY_OPERATIONS" });
        await expect(write(store, put("/c/a", "1"), put("/c/a", "2"))).rejects.toMatchObject({ code: "DUPLICATE_KEY" });
        await expect(write(store, put("/c/a", "1"), remove("/c/a"))).rejects.toMatchObject({ code: "DUPLICATE_KEY" });
        await expect(write(store, put("", "1"))).rejects.toMatchObject({ code: "INVALID_REQUEST" });
        expect((await store.list("/c/")).items).toEqual([]);
        expect((await write(store, ...many.slice(1))).responses).toHaveLength(128);
      });

      it("lose no increment of two keys when several clients compare and set them at the same time", async () => {
        await write(store, put("/c/x", "0"), put("/c/y", "0"));
        const clients = await Promise.all([1, 2, 3].map(() => harness.connect()));
        const increment = async (client: Datastore) => {
          for (let done = 0; done < 30; ) {
            const [x, y] = [(await client.get("/c/x")).item, (await client.get("/c/y")).item];
            if (x === undefined || y === undefined) throw new Error("a key vanished");
            const next = (item: KeyValue) => put(item.key, `${Number(item.value) + 1}`);
            const result = await client.transact({
              compares: [unchanged(x), unchanged(y)],
              success: [next(x), next(y)],
            });
            if (result.succeeded) done++;
          }
        };
        await Promise.all(clients.map(increment));
        expect((await store.list("/c/")).items.map((item) => item.value)).toEqual(["90", "90"]);
      });
    });

    itBehavesLikeAWatch(test);

    describe("leases", () => {
      const bound = (key: string, lease: bigint): Operation => ({ type: "put", key, value: "", lease });

      it("bind keys to themselves and take them along when revoked", async () => {
        const lease = await store.grantLease(60);
        const { revision } = await write(store, bound("/c/a", lease), bound("/c/b", lease), put("/c/c", ""));
        expect((await store.get("/c/a")).item?.lease).toBe(lease);
        const seen = record(store, "/c/", revision + 1n);
        await store.revokeLease(lease);
        expect((await store.list("/c/")).items.map((item) => item.key)).toEqual(["/c/c"]);
        await seen.untilCount(2);
        expect(seen.events.map((event) => event.type)).toEqual(["delete", "delete"]);
      });

      it("let go of a key that is written again without them", async () => {
        const lease = await store.grantLease(60);
        await write(store, bound("/c/a", lease));
        await write(store, put("/c/a", "kept"));
        await store.revokeLease(lease);
        expect((await store.get("/c/a")).item).toMatchObject({ value: "kept", version: 2n });
      });

      it("end by themselves when nobody keeps them alive, also when their owner has gone", async () => {
        const owner = await harness.connect();
        const dying = await owner.grantLease(1);
        const { revision } = await write(owner, bound("/c/dying", dying));
        await owner.close();
        const seen = record(store, "/c/", revision + 1n);
        await seen.untilCount(1);
        expect(seen.events[0]).toMatchObject({ type: "delete", key: "/c/dying", previous: { lease: dying } });
        await expect(store.keepLeaseAlive(dying)).rejects.toMatchObject({ code: "LEASE_NOT_FOUND" });
      });

      it("outlive their time while they are kept alive", async () => {
        const kept = await store.grantLease(2);
        const other = await store.grantLease(2);
        const { revision } = await write(store, bound("/c/kept", kept), bound("/c/other", other));
        const seen = record(store, "/c/", revision + 1n);
        const keeping = setInterval(() => void store.keepLeaseAlive(kept).catch(() => undefined), 200);
        await seen.untilCount(1).finally(() => clearInterval(keeping));
        expect(seen.events[0]).toMatchObject({ key: "/c/other" });
        expect((await store.get("/c/kept")).item).toBeDefined();
      });

      it("have ids of their own and are unknown once revoked", async () => {
        const [a, b] = [await store.grantLease(60), await (await harness.connect()).grantLease(60)];
        expect(a).not.toBe(b);
        await store.revokeLease(a);
        const gone = { code: "LEASE_NOT_FOUND" };
        await expect(store.revokeLease(a)).rejects.toMatchObject(gone);
        await expect(store.keepLeaseAlive(a)).rejects.toMatchObject(gone);
        await expect(write(store, put("/c/x", ""), bound("/c/a", a))).rejects.toMatchObject(gone);
        expect((await store.list("/c/")).items).toEqual([]);
        await expect(store.grantLease(0)).rejects.toMatchObject({ code: "INVALID_REQUEST" });
      });
    });

    it("answers every call with CLOSED once it is closed, and closes twice", async () => {
      await store.close();
      await store.close();
      await expect(store.get("/c/a")).rejects.toMatchObject({ code: "CLOSED" });
      await expect(store.list("/c/")).rejects.toMatchObject({ code: "CLOSED" });
      await expect(write(store, put("/c/a", ""))).rejects.toMatchObject({ code: "CLOSED" });
    });
  });
}
