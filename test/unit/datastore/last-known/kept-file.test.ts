import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../../src/core/logger.ts";
import { KeptFile } from "../../../../src/datastore/last-known/kept-file.ts";

let folder: string;
let path: string;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-kept-"));
  path = join(folder, "state", "last-known");
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(identity = { node: "n1", names: ["http://a:2379", "http://b:2379"] }): KeptFile {
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(JSON.stringify(fields)) };
  return new KeptFile({ path, identity, logger });
}

const content = {
  items: [{ key: "/a/1", value: '{"é":"\\n"}', createRevision: 2n ** 62n, modRevision: 2n ** 63n - 1n, version: 3n }],
  revisions: new Map([["/a/", 2n ** 63n - 1n]]),
  places: ["http://a:2379"],
};

describe("KeptFile", () => {
  it("gives back what was written, and when it was last known to be true", async () => {
    expect(fileOf().read()).toBeUndefined();
    await fileOf().write(() => content);
    const file = fileOf();
    await file.confirm(Date.UTC(2026, 0, 2));
    expect(file.read()).toEqual({ content, changes: [], asOfMs: Date.UTC(2026, 0, 2) });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "state"))).toEqual(["last-known"]);
    expect(warnings).toEqual([]);
  });

  it.each([
    ["is cut short", () => truncateSync(path, statSync(path).size - 10)],
    ["is empty", () => truncateSync(path, 0)],
    ["has a bit turned", () => writeFileSync(path, readFileSync(path, "utf8").replace("/a/1", "/a/3"))],
    [
      "is of a later version",
      () => writeFileSync(path, readFileSync(path, "utf8").replace('"version":1', '"version":2')),
    ],
    ["is something else", () => writeFileSync(path, "[]\n[]\n")],
  ])("that %s counts as not there, with a warning", async (_what, damage) => {
    await fileOf().write(() => content);
    damage();
    expect(fileOf().read()).toBeUndefined();
    expect(warnings).toHaveLength(1);
    await fileOf().write(() => content);
    expect(fileOf().read()).toMatchObject({ content });
  });

  it("gives back the changes since it was written, also those that came while it was being written", async () => {
    const file = fileOf();
    const [item] = content.items;
    const put = { key: "/a/1", revision: 2n ** 63n - 1n, ...(item && { item }) };
    const removed = { key: "/a/2", revision: 8n };
    file.append([put]);
    expect(file.read()).toBeUndefined();
    await file.write(() => content);
    expect(file.read()?.changes).toEqual([]);
    file.append([put]);
    const writing = file.write(() => content);
    file.append([removed]);
    expect(file.read()?.changes).toEqual([put, removed]);
    await writing;
    expect(file.read()?.changes).toEqual([removed]);
    appendFileSync(`${path}.changes`, '["/cut');
    expect(fileOf().read()?.changes).toEqual([removed]);
    expect(warnings).toEqual([]);
  });

  it("is of use for the same node and a datastore with a member in common only", async () => {
    await fileOf().write(() => content);
    expect(fileOf({ node: "n1", names: ["http://b:2379", "http://c:2379"] }).read()).toBeDefined();
    expect(fileOf({ node: "n1", names: ["http://c:2379"] }).read()).toBeUndefined();
    expect(fileOf({ node: "n2", names: ["http://a:2379"] }).read()).toBeUndefined();
    expect(warnings.join()).toContain("it is of the datastore http://a:2379, http://b:2379, not of http://c:2379");
  });

  it("stays as it was if more is known than it may hold", async () => {
    const file = fileOf();
    await file.write(() => content);
    const value = "x".repeat(1024 * 1024);
    const items = Array.from({ length: 65 }, (_, index) => ({ ...content.items[0], key: `/a/${index}`, value }));
    await file.write(() => ({ ...content, items: items as typeof content.items }));
    expect(file.read()).toMatchObject({ content });
    expect(warnings).toHaveLength(1);
  });
});
