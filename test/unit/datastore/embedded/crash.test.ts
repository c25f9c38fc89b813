import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../../src/datastore/embedded/open.ts";
import { compileSources } from "../../../support/compile.ts";

const KILLS = 12;
const PROCESSES = 3;
/** What a process that nobody kills does before it ends. */
const INCREMENTS = 300;

let compiled: ReturnType<typeof compileSources>;
let path: string;
const children = new Set<ChildProcess>();

beforeAll(() => {
  compiled = compileSources("src/datastore/embedded/open.ts");
  path = mkdtempSync(join(tmpdir(), "calibird-crash-"));
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  compiled.dispose();
  rmSync(path, { recursive: true });
});

interface Writer {
  readonly child: ChildProcess;
  /** Revisions it was told are committed. */
  readonly acknowledged: bigint[];
  readonly errors: string[];
  readonly ended: Promise<unknown>;
}

function startWriter(): Writer {
  const script = resolve("test/unit/datastore/embedded/incrementer.mjs");
  const child = spawn(process.execPath, [script, compiled.directory, path, `${INCREMENTS}`]);
  children.add(child);
  const writer: Writer = { child, acknowledged: [], errors: [], ended: once(child, "close") };
  let rest = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    writer.acknowledged.push(...lines.map(BigInt));
  });
  child.stderr.on("data", (chunk: Buffer) => void writer.errors.push(`${chunk}`));
  return writer;
}

/** Resolves once the writer has been told of `count` commits. */
async function committed(writer: Writer, count: number): Promise<void> {
  while (writer.acknowledged.length < count && writer.child.exitCode === null)
    await Promise.race([once(writer.child.stdout ?? process, "data"), writer.ended]);
}

/**
 * Watches from the beginning. A watcher that has slept through two compactions lists again, as every user of a watch does:
 * the revisions up to the list's are then not expected.
 */
function follow(store: Datastore) {
  const seen = { revisions: [] as bigint[], expected: [] as bigint[], upTo: 1n };
  const watch = (from: bigint): void => {
    store.watch("/c/", from, {
      onEvents: (events, revision) => {
        seen.revisions.push(...events.map((event) => (event.type === "put" ? event.item : event).modRevision));
        for (let each = seen.upTo + 1n; each <= revision; each++) seen.expected.push(each);
        seen.upTo = revision;
      },
      onCompacted: () =>
        void store.list("/c/").then(({ revision }) => {
          seen.upTo = revision;
          watch(revision + 1n);
        }),
    });
  };
  watch(2n);
  return seen;
}

it("keeps every acknowledged commit, whole and in order, while writers are killed and the journal is compacted", async () => {
  const store = await openEmbeddedDatastore({ path });
  const seen = follow(store);
  const writers = Array.from({ length: PROCESSES }, startWriter);
  for (let kill = 0; kill < KILLS; kill++) {
    const index = kill % PROCESSES;
    const victim = writers.at(-PROCESSES + index);
    if (victim === undefined) throw new Error("no writer left");
    await committed(victim, 1 + Math.floor(Math.random() * 60));
    victim.child.kill("SIGKILL");
    await victim.ended;
    writers.push(startWriter());
  }
  await Promise.all(writers.map((writer) => writer.ended));
  expect(writers.flatMap((writer) => writer.errors)).toEqual([]);
  expect(writers.filter((writer) => writer.child.exitCode === 0).length).toBeGreaterThanOrEqual(PROCESSES);

  const { items, revision } = await store.list("/c/");
  const sum = (half: string) =>
    items.filter((item) => item.key.startsWith(half)).reduce((total, item) => total + Number(item.value), 0);
  expect(sum("/c/x")).toBe(Number(revision) - 1);
  expect(sum("/c/y")).toBe(Number(revision) - 1);
  const acknowledged = writers.flatMap((writer) => writer.acknowledged);
  expect(new Set(acknowledged).size).toBe(acknowledged.length);
  expect(acknowledged.length).toBeGreaterThanOrEqual(PROCESSES * INCREMENTS);

  await vi.waitFor(() => expect(seen.upTo).toBe(revision), { timeout: 60_000, interval: 20 });
  expect(seen.revisions).toEqual(seen.expected.flatMap((each) => [each, each]));

  const reopened = await openEmbeddedDatastore({ path });
  expect(await reopened.list("/c/")).toEqual({ items, revision });
  await reopened.close();
  await store.close();
}, 180_000);
