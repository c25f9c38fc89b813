import { Etcd3 } from "etcd3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Datastore, WatchEvent } from "../../src/datastore/datastore.ts";
import { openEtcdDatastore } from "../../src/datastore/etcd/open.ts";
import { put, record, remove, unchanged, write } from "../conformance/datastore-helpers.ts";
import { EtcdServer } from "./support/etcd-server.ts";
import { patient } from "./support/patience.ts";
import { TcpRelay } from "./support/tcp-relay.ts";

let server: EtcdServer;
let relays: TcpRelay[];
let clients: Datastore[];

beforeEach(async () => {
  [relays, clients] = [[], []];
  server = await EtcdServer.start();
});
afterEach(async () => {
  for (const client of clients) await client.close();
  for (const relay of relays) relay.close();
  await server.dispose();
});

async function connect(...endpoints: string[]): Promise<Datastore> {
  const client = await openEtcdDatastore({ endpoints: endpoints.length > 0 ? endpoints : [server.url] });
  clients.push(client);
  return client;
}

async function relay(): Promise<TcpRelay> {
  const made = await TcpRelay.start(server.port);
  relays.push(made);
  return made;
}

async function compact(): Promise<void> {
  const admin = new Etcd3({ hosts: server.url });
  const { header } = await admin.kv.range({ key: Buffer.from("/") });
  await admin.kv.compact({ revision: header.revision, physical: true });
  admin.close();
}

const revisionOf = (event: WatchEvent) => (event.type === "put" ? event.item.modRevision : event.modRevision);
const keyOf = (event: WatchEvent) => (event.type === "put" ? event.item.key : event.key);

describe("an etcd that is killed", () => {
  it("and restarted again and again under thousands of writes costs three watchers no event, and none comes twice or out of order", async () => {
    const WRITES = 10_000;
    const writer = await connect();
    const { revision } = await write(writer, put("/c/start", ""));
    const watchers = [record(await connect(), "/c/", revision + 1n), record(writer, "/c/", revision + 1n)];
    const odd = record(await connect(), "/c/1/", revision + 1n);
    let next = 0;
    const writeAll = async () => {
      while (next < WRITES) {
        const number = next++;
        const key = `/c/${number % 2}/${number % 50}`;
        const operation = number % 7 === 0 ? remove(key) : put(key, `${number}`);
        // What a killed store leaves open is a write that may have happened: the list below tells.
        while (
          !(await write(writer, operation).then(
            () => true,
            (error: { code: string }) => error.code === "OUTCOME_UNKNOWN",
          ))
        );
      }
    };
    const writing = Promise.all(Array.from({ length: 16 }, writeAll));
    for (const share of [0.2, 0.4, 0.6]) {
      await vi.waitFor(() => expect(next).toBeGreaterThan(WRITES * share), { timeout: 60_000, interval: 5 });
      await server.kill();
      await server.start();
    }
    await writing;
    const last = await write(writer, put("/c/1/end", "end"));
    for (const watcher of [...watchers, odd])
      await vi.waitFor(() => expect(watcher.events.some((event) => keyOf(event) === "/c/1/end")).toBe(true), patient);

    const everything = record(await connect(), "/c/", revision + 1n);
    await vi.waitFor(() => expect(everything.events.at(-1)).toMatchObject({ item: { key: "/c/1/end" } }), patient);
    expect(everything.events.length).toBeGreaterThan(WRITES / 2);
    for (const watcher of watchers) expect(watcher.events).toEqual(everything.events);
    expect(odd.events).toEqual(everything.events.filter((event) => keyOf(event).startsWith("/c/1/")));
    const revisions = everything.events.map(revisionOf);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => Number(a - b)));
    expect(revisions.at(-1)).toBe(last.revision);
  });

  it("says so by name, and is reachable again without anybody's doing when it is back", async () => {
    const store = await connect();
    const { revision } = await write(store, put("/c/a", "1"));
    const seen = record(store, "/c/", revision + 1n);
    expect(store.reachable).toBe(true);
    await server.kill();
    await vi.waitFor(() => expect(store.reachable).toBe(false), patient);
    await expect(store.get("/c/a")).rejects.toMatchObject({
      code: "DATASTORE_UNAVAILABLE",
      message: expect.stringMatching(`etcd does not answer: ${server.url}: .*ECONNREFUSED`),
    });
    await expect(write(store, put("/c/a", "2"))).rejects.toMatchObject({ code: "DATASTORE_UNAVAILABLE" });
    await server.start();
    await vi.waitFor(() => expect(store.reachable).toBe(true), patient);
    await write(store, put("/c/a", "3"));
    await seen.untilCount(1);
    expect(seen.events).toMatchObject([{ item: { value: "3", version: 2n } }]);
  });
});

describe("a watch that catches up", () => {
  it("loses nothing of a long past when its connection breaks after any of the first batches", async () => {
    const direct = await connect();
    const { revision } = await write(direct, put("/c/a", "0"));
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        for (let round = 0; round < 125; round++) await write(direct, put("/c/a", "x"));
      }),
    );
    const way = await relay();
    const store = await connect(way.url);
    let breaks = 0;
    const seen: bigint[] = [];
    store.watch("/c/", revision + 1n, {
      onEvents(events) {
        seen.push(...events.map(revisionOf));
        if (breaks++ < 3) way.dropConnections();
      },
      onCompacted: () => seen.push(-1n),
    });
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(4_000), patient);
    expect(seen).toEqual(Array.from({ length: 4_000 }, (_, index) => revision + 1n + BigInt(index)));
    expect(breaks).toBeGreaterThan(3);
  });

  it("gets revisions of many megabytes whole", async () => {
    const store = await connect();
    const { revision } = await write(store, put("/c/start", ""));
    const large = "x".repeat(300_000);
    for (let round = 0; round < 12; round++)
      await write(store, ...Array.from({ length: 4 }, (_, index) => put(`/c/${round}/${index}`, large)));
    const seen = record(store, "/c/", revision + 1n);
    await seen.untilCount(48);
    for (const call of seen.calls) expect(call.events.length % 4).toBe(0);
    expect((await store.list("/c/")).items).toHaveLength(49);
  });

  it("is told of a compaction that happened while it was cut off, and only then", async () => {
    const direct = await connect();
    const { revision } = await write(direct, put("/c/a", "0"));
    const way = await relay();
    const store = await connect(way.url);
    const seen = record(store, "/c/", revision + 1n);
    await write(direct, put("/c/a", "1"));
    await seen.untilCount(1);
    way.refuse();
    await write(direct, put("/c/a", "2"));
    await write(direct, remove("/c/a"));
    await compact();
    expect(seen.compactions).toEqual([]);
    way.accept();
    await vi.waitFor(() => expect(seen.compactions).toHaveLength(1), patient);
    expect(seen.compactions[0]).toBe(revision + 3n);
    expect(seen.events).toHaveLength(1);
    expect((await store.list("/c/")).items).toEqual([]);
  });
});

describe("a connection", () => {
  it("that fails is replaced by one to another endpoint, for calls and watches, without a lost event", async () => {
    const direct = await connect();
    const [one, other] = [await relay(), await relay()];
    const store = await connect(one.url, other.url);
    const { revision } = await write(direct, put("/c/a", "0"));
    const seen = record(store, "/c/", revision + 1n);
    for (let round = 1; round <= 6; round++) {
      const [down, up] = round % 2 === 0 ? [one, other] : [other, one];
      up.accept();
      down.refuse();
      expect((await store.get("/c/a")).item?.value).toBe(`${round - 1}`);
      await write(direct, put("/c/a", `${round}`));
      await seen.untilCount(round);
      expect(store.reachable).toBe(true);
    }
    expect(seen.events.map((event) => (event.type === "put" ? event.item.value : ""))).toEqual(
      Array.from({ length: 6 }, (_, index) => `${index + 1}`),
    );
  });

  it("that loses the answer to a write makes the driver read, and answer what the store has done", async () => {
    const direct = await connect();
    await write(direct, put("/c/a", "0"));
    const way = await relay();
    const store = await connect(way.url);
    const { item } = await store.get("/c/a");
    if (item === undefined) throw new Error("the key vanished");
    way.swallowNextAnswer();
    const result = await store.transact({ compares: [unchanged(item)], success: [put("/c/a", "1")] });
    expect(way.swallowed).toBe(true);
    expect(result).toEqual({ succeeded: true, revision: item.modRevision + 1n, responses: [{ type: "put" }] });
    expect((await direct.get("/c/a")).item).toMatchObject({ value: "1", version: 2n });
  });

  it("that loses the answer to a deletion leaves it unknown, and deletes once", async () => {
    const direct = await connect();
    await write(direct, put("/c/a", "0"));
    const way = await relay();
    const store = await connect(way.url);
    await store.get("/c/a");
    way.swallowNextAnswer();
    await expect(write(store, remove("/c/a"))).rejects.toMatchObject({
      code: "OUTCOME_UNKNOWN",
      message: expect.stringContaining(way.url),
    });
    expect((await direct.get("/c/a")).item).toBeUndefined();
  });

  it("to an etcd that has stopped to answer is given up after the timeout", async () => {
    const store = await openEtcdDatastore({ endpoints: [server.url], requestTimeoutMs: 200 });
    clients.push(store);
    await store.get("/c/a");
    server.signal("SIGSTOP");
    await expect(store.get("/c/a")).rejects.toMatchObject({
      code: "DATASTORE_UNAVAILABLE",
      message: expect.stringMatching(/Deadline exceeded/i),
    });
    expect(store.reachable).toBe(false);
    server.signal("SIGCONT");
    await vi.waitFor(() => store.get("/c/a"), patient);
    expect(store.reachable).toBe(true);
  });
});
