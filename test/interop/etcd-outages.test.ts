import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Datastore, WatchEvent } from "../../src/datastore/datastore.ts";
import { openDatastore } from "../../src/datastore/open.ts";
import { put, record, remove, write } from "../conformance/datastore-helpers.ts";
import { freePort } from "../support/speakers.ts";
import { DnsServer } from "./support/dns-server.ts";
import { EtcdServer } from "./support/etcd-server.ts";
import { patient } from "./support/patience.ts";
import { TcpRelay } from "./support/tcp-relay.ts";

/** How long etcd is away in the long outage. `CALIBIRD_OUTAGE_SEC=300` makes it five minutes. */
const outageSec = Number(process.env.CALIBIRD_OUTAGE_SEC ?? 5);

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startEtcd(flags: readonly string[] = []): Promise<EtcdServer> {
  const server = await EtcdServer.start(flags);
  cleanups.push(() => server.dispose());
  return server;
}

async function connect(...endpoints: string[]): Promise<Datastore> {
  const store = await openDatastore({ kind: "etcd", members: { endpoints } });
  cleanups.push(() => store.close());
  return store;
}

function etcdctl(server: EtcdServer, ...argv: readonly string[]): string {
  const environment = { ...process.env, ETCDCTL_API: "3" };
  return execFileSync("etcdctl", ["--endpoints", server.url, ...argv], { env: environment, encoding: "utf8" });
}

const textOf = (event: WatchEvent) => (event.type === "put" ? event.item.value : "");

describe("a full disk", () => {
  it("is told by name, leaves reads and watches alone, and is over once space was made", async () => {
    const server = await startEtcd(["--quota-backend-bytes", String(2 * 1024 * 1024)]);
    const store = await connect(server.url);
    const { revision } = await write(store, put("/c/a", "first"));
    const seen = record(store, "/c/", revision + 1n);
    const fill = async () => {
      for (let number = 0; number < 100; number++) await write(store, put("/big", "x".repeat(200_000)));
    };
    const full = await fill().catch((error: unknown) => error);
    expect(full).toMatchObject({ code: "DATASTORE_FULL", message: expect.stringContaining("database space exceeded") });
    expect(etcdctl(server, "alarm", "list")).toContain("NOSPACE");
    expect(store.reachable).toBe(true);
    await expect(write(store, put("/c/a", "refused"))).rejects.toMatchObject({ code: "DATASTORE_FULL" });
    expect((await store.get("/c/a")).item?.value).toBe("first");
    const { revision: end } = await write(store, remove("/big"));

    etcdctl(server, "compaction", end.toString());
    etcdctl(server, "defrag");
    etcdctl(server, "alarm", "disarm");
    await vi.waitFor(() => write(store, put("/c/a", "second")), patient);
    await seen.untilCount(1);
    expect(seen.events.map(textOf)).toEqual(["second"]);
  });
});

describe("an outage", () => {
  it("of minutes costs no event, and ends by itself", { timeout: 120_000 + outageSec * 1000 }, async () => {
    const server = await startEtcd();
    const store = await connect(server.url);
    const { revision } = await write(store, put("/c/a", "0"));
    const watchers = [record(store, "/c/", revision + 1n), record(await connect(server.url), "/c/", revision + 1n)];
    await write(store, put("/c/a", "1"));
    for (const watcher of watchers) await watcher.untilCount(1);
    await server.kill();
    const until = Date.now() + outageSec * 1000;
    let refused = 0;
    while (Date.now() < until) {
      const error = await store.get("/c/a").catch((reason: { code: string }) => reason);
      expect(error).toMatchObject({ code: "DATASTORE_UNAVAILABLE" });
      refused++;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(refused).toBeGreaterThan(1);
    expect(store.reachable).toBe(false);
    await server.start();
    const other = await connect(server.url);
    for (let number = 2; number <= 50; number++) await write(other, put("/c/a", `${number}`));
    for (const watcher of watchers) {
      await watcher.untilCount(50);
      expect(watcher.events.map(textOf)).toEqual(Array.from({ length: 50 }, (_, index) => `${index + 1}`));
      expect(watcher.compactions).toEqual([]);
    }
    await vi.waitFor(() => expect(store.reachable).toBe(true), patient);
  });
});

describe("a watcher that is held up while the store is compacted", () => {
  it("is given every event, or told that some are gone, and never something else", async () => {
    const server = await startEtcd();
    const relay = await TcpRelay.start(server.port);
    cleanups.push(() => relay.close());
    const direct = await connect(server.url);
    const slow = await connect(relay.url);
    const { revision } = await write(direct, put("/c/a", "0"));
    const seen = record(slow, "/c/", revision + 1n);
    await write(direct, put("/c/a", "1"));
    await seen.untilCount(1);
    relay.hold();
    // More than the buffers on the way can take.
    const filler = "x".repeat(400_000);
    for (let number = 2; number <= 60; number++) await write(direct, put("/c/a", `${number} ${filler}`));
    const { revision: last } = await write(direct, remove("/c/a"));
    etcdctl(server, "compaction", last.toString());
    relay.release();
    await vi.waitFor(() => expect(seen.events.length === 61 || seen.compactions.length === 1).toBe(true), patient);
    const numbers = seen.events.flatMap((event) => (event.type === "put" ? [Number(textOf(event).split(" ")[0])] : []));
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1));
    const { items, revision: listed } = await slow.list("/c/");
    expect(items).toEqual([]);
    const later = record(slow, "/c/", listed + 1n);
    await write(direct, put("/c/b", "after"));
    await later.untilCount(1);
  });
});

describe("the members", () => {
  it("can be reached over IPv6", async () => {
    const port = await freePort();
    await startEtcd(["--listen-client-urls", `http://[::1]:${port}`]);
    const store = await connect(`http://[::1]:${port}`);
    const { revision } = await write(store, put("/c/a", "six"));
    const seen = record(store, "/c/", revision);
    await seen.untilCount(1);
    expect((await store.get("/c/a")).item?.value).toBe("six");
  });

  it("are found by the SRV records of a domain", async () => {
    const server = await startEtcd();
    const dns = await DnsServer.start({ "_etcd-client._tcp.etcd.test": [{ target: "localhost", port: server.port }] });
    cleanups.push(() => dns.close());
    const connection = { kind: "etcd", members: { discoverySrv: "etcd.test" } } as const;
    const store = await openDatastore(connection, { resolver: dns.resolver() });
    cleanups.push(() => store.close());
    await write(store, put("/c/a", "found"));
    expect(store.description).toMatchObject({ places: [`http://localhost:${server.port}`] });
    const missing = { kind: "etcd", members: { discoverySrv: "nowhere.test" } } as const;
    await expect(openDatastore(missing, { resolver: dns.resolver() })).rejects.toMatchObject({
      code: "DATASTORE_UNAVAILABLE",
      message: expect.stringContaining("no etcd for nowhere.test"),
    });
  });
});
