import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { type EmbeddedOptions, openEmbeddedDatastore } from "../../../../src/datastore/embedded/open.ts";
import { flock } from "../../../../src/sys/libc.ts";
import { put, record, write } from "../../../conformance/datastore-helpers.ts";
import { compileSources } from "../../../support/compile.ts";

let path: string;
let journal: string;
const stores: Datastore[] = [];

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "calibird-journal-"));
  journal = join(path, "journal");
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(path, { recursive: true });
});

async function openStore(options: Partial<EmbeddedOptions> = {}): Promise<Datastore> {
  const store = await openEmbeddedDatastore({ path, ...options });
  stores.push(store);
  return store;
}

const lines = () => readFileSync(journal, "utf8").split("\n");

describe("a torn tail", () => {
  it("is ignored by readers, then cut off and overwritten by the next writer, which says so", async () => {
    const warnings: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields), child: () => logger };
    const store = await openStore({ logger });
    const { revision } = await write(store, put("/c/a", "1"));
    const seen = record(store, "/c/", revision + 1n);
    const torn = (lines().at(-2) ?? "").slice(0, 30);
    appendFileSync(journal, torn);
    expect((await store.get("/c/a")).revision).toBe(revision);
    const newcomer = await openStore();
    expect((await newcomer.get("/c/a")).item?.value).toBe("1");
    await write(store, put("/c/a", "2"));
    await seen.untilCount(1);
    expect(lines().filter((line) => line.startsWith(torn))).toHaveLength(1);
    expect(warnings).toEqual([{ file: journal, bytes: 30 }]);
    expect((await newcomer.get("/c/a")).item?.value).toBe("2");
    expect((await (await openStore()).get("/c/a")).item).toMatchObject({ value: "2", version: 2n });
  });
});

describe("a damaged journal", () => {
  const damage = (at: number) => {
    const bytes = readFileSync(journal);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(journal, bytes);
  };

  it("is refused with the file, the offset of the bad line and a way out that works", async () => {
    const store = await openStore();
    for (const value of ["1", "2", "3"]) await write(store, put("/c/a", value));
    await store.close();
    const offset = lines().slice(0, 3).join("\n").length + 1;
    damage(offset + 40);
    const error = await openEmbeddedDatastore({ path }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "CORRUPT_JOURNAL", details: { file: journal, offset } });
    expect(`${error}`).toContain(`truncate -s ${offset} ${journal}`);
    expect(spawnSync("truncate", ["-s", `${offset}`, journal]).status).toBe(0);
    expect((await (await openStore()).get("/c/a")).item?.value).toBe("1");
  });

  it("is refused whichever of its lines is hit", async () => {
    const store = await openStore();
    await write(store, put("/c/a", "1"));
    await store.close();
    for (let at = 0, size = statSync(journal).size; at < size - 1; at += 7) {
      damage(at);
      await expect(openEmbeddedDatastore({ path })).rejects.toMatchObject({ code: "CORRUPT_JOURNAL" });
      damage(at);
    }
    expect((await (await openStore()).get("/c/a")).item?.value).toBe("1");
  });

  it("stops a store that is open, too, instead of serving half of it", async () => {
    const store = await openStore();
    await write(store, put("/c/a", "1"));
    appendFileSync(journal, "00000000 {}\n");
    await expect(store.get("/c/a")).rejects.toMatchObject({ code: "CORRUPT_JOURNAL" });
    await expect(write(store, put("/c/a", "2"))).rejects.toMatchObject({ code: "CORRUPT_JOURNAL" });
  });

  it("that was removed under a running process makes it say so, not start over", async () => {
    const store = await openStore();
    await write(store, put("/c/a", "1"));
    rmSync(journal);
    await expect(write(store, put("/c/a", "2"))).rejects.toMatchObject({ code: "DATASTORE_UNAVAILABLE" });
    await expect(store.get("/c/a")).rejects.toMatchObject({
      code: "DATASTORE_UNAVAILABLE",
      details: { file: journal },
    });
  });
});

describe("the path", () => {
  it("is refused if it is empty, a file or below a file", async () => {
    writeFileSync(join(path, "file"), "");
    for (const bad of ["", join(path, "file"), join(path, "file", "below"), "/proc/self/nothing"])
      await expect(openEmbeddedDatastore({ path: bad })).rejects.toMatchObject({
        code: "INVALID_PATH",
        details: { field: "path", value: bad },
      });
  });

  it("is made if it is not there, and holds files that only the owner may read", async () => {
    const deep = join(path, "a", "b");
    await (await openEmbeddedDatastore({ path: deep })).close();
    expect(statSync(deep).mode & 0o777).toBe(0o700);
    expect(statSync(join(deep, "journal")).mode & 0o777).toBe(0o600);
  });

  it("is refused if a directory has the journal's name", async () => {
    mkdirSync(journal);
    await expect(openEmbeddedDatastore({ path })).rejects.toMatchObject({ code: "INVALID_PATH" });
  });
});

describe("the lock", () => {
  it("held by somebody else blocks neither the event loop nor readers, and the write goes on when it is free", async () => {
    const store = await openStore();
    await write(store, put("/c/a", "1"));
    const holder = openSync(join(path, "lock"), "a");
    try {
      expect(flock(holder, "exclusive", true)).toBe(true);
      let settled = false;
      const pending = write(store, put("/c/a", "2")).finally(() => {
        settled = true;
      });
      for (let turn = 0; turn < 100; turn++) await new Promise((next) => setImmediate(next));
      expect((await store.get("/c/a")).item?.value).toBe("1");
      expect(settled).toBe(false);
      flock(holder, "unlock", false);
      await pending;
      expect((await store.get("/c/a")).item?.value).toBe("2");
    } finally {
      closeSync(holder);
    }
  });

  it("still excludes others after its file was removed", async () => {
    const early = await openStore();
    rmSync(join(path, "lock"));
    const late = await openStore();
    const client = async (store: Datastore, name: string) => {
      for (let round = 0; round < 50; round++) await write(store, put(`/c/${name}`, `${round}`));
    };
    await Promise.all([client(early, "early"), client(late, "late")]);
    expect((await (await openStore()).get("/c/early")).revision).toBe(101n);
  });
});

describe("compaction", () => {
  const compaction = { journalBytes: 4_000, historyRevisions: 1_000 };

  it("keeps the journal short, all data, and enough history for a watch that is a little late", async () => {
    const store = await openStore({ compaction });
    const reader = await openStore();
    const live = record(reader, "/c/", 2n);
    for (let round = 0; round < 300; round++) await write(store, put(`/c/${round % 7}`, `${round}`));
    expect(statSync(journal).size).toBeLessThan(8_500);
    await live.untilCount(300);
    expect(live.compactions).toEqual([]);
    const { revision, items } = await reader.list("/c/");
    const late = record(await openStore(), "/c/", revision - 5n);
    await late.untilCount(6);
    expect((await store.list("/c/")).items).toEqual(items);
    expect((await (await openStore()).list("/c/")).items).toEqual(items);
  });

  it("is followed by a process that slept through several of them, leases included", async () => {
    const frozen = { ...systemClock, setTimer: () => ({ cancel() {} }) };
    const sleeper = await openStore({ clock: frozen });
    const store = await openStore({ compaction });
    const lease = await store.grantLease(60);
    await store.transact({ compares: [], success: [{ type: "put", key: "/c/leased", value: "", lease }] });
    // Journals are replaced below without a turn of the sleeper's: it reads again only when it is asked.
    for (let round = 0; round < 200; round++) await write(store, put("/c/a", "x".repeat(100)));
    expect(await sleeper.list("/c/")).toEqual(await store.list("/c/"));
    await sleeper.keepLeaseAlive(lease);
    await sleeper.revokeLease(lease);
    expect((await store.get("/c/leased")).item).toBeUndefined();
    expect(await sleeper.grantLease(60)).toBeGreaterThan(lease);
  });
});

describe("a lease", () => {
  it("of another boot gets its full time again, since that boot's clock says nothing now", async () => {
    const before = await openStore({ bootId: "before" });
    const lease = await before.grantLease(3_600);
    await before.transact({ compares: [], success: [{ type: "put", key: "/c/a", value: "", lease }] });
    await before.close();
    let nowMs = Date.now() + 10 * 3_600_000;
    const after = await openStore({ bootId: "after", clock: { ...systemClock, wallMs: () => nowMs } });
    await write(after, put("/c/b", ""));
    expect((await after.get("/c/a")).item).toBeDefined();
    nowMs += 3_600_001;
    await write(after, put("/c/b", ""));
    expect((await after.get("/c/a")).item).toBeUndefined();
  });

  it("is not kept for ever by a wall clock that was set back", async () => {
    let nowMs = Date.now();
    const store = await openStore({ clock: { ...systemClock, wallMs: () => nowMs } });
    const lease = await store.grantLease(10);
    await store.transact({ compares: [], success: [{ type: "put", key: "/c/a", value: "", lease }] });
    nowMs -= 24 * 3_600_000;
    await write(store, put("/c/b", ""));
    nowMs += 10_001;
    await write(store, put("/c/b", ""));
    expect((await store.get("/c/a")).item).toBeUndefined();
  });
});

describe("a full disk", () => {
  it("refuses what could not be written, keeps what could, and leaves the store readable", () => {
    const compiled = compileSources("src/datastore/embedded/open.ts");
    try {
      const script = resolve("test/unit/datastore/embedded/fill-disk.mjs");
      // dash counts blocks of 512 octets.
      const limited = ["-c", 'ulimit -f 40; exec "$0" "$@"', process.execPath, script, compiled.directory, path];
      const child = spawnSync("sh", limited, { encoding: "utf8" });
      expect(child.stderr).toBe("");
      const report: { codes: string[]; stored: number; acknowledged: number; revision: string } = JSON.parse(
        child.stdout,
      );
      expect(new Set(report.codes)).toEqual(new Set(["DATASTORE_UNAVAILABLE"]));
      expect(report.acknowledged).toBeGreaterThan(0);
      expect(report.stored).toBe(report.acknowledged);
      expect(report.revision).toBe(`${report.acknowledged + 1}`);
    } finally {
      compiled.dispose();
    }
  });
});
