import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../../src/datastore/embedded/open.ts";

let folder: string;
let datastore: Datastore;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-reachable-"));
  datastore = await openEmbeddedDatastore({ path: join(folder, "store") });
});
afterEach(async () => {
  await datastore.close();
  rmSync(folder, { recursive: true, force: true });
});

it("says whether the journal can be read, and when it can be read again", async () => {
  await datastore.transact({ compares: [], success: [{ type: "put", key: "/a", value: "1" }] });
  expect(datastore.reachable).toBe(true);
  const store = join(folder, "store");
  const names = readdirSync(store).filter((name) => name !== "lock");
  for (const name of names) {
    copyFileSync(join(store, name), join(folder, name));
    rmSync(join(store, name));
  }
  await expect.poll(() => datastore.reachable, { timeout: 5_000 }).toBe(false);
  for (const name of names) copyFileSync(join(folder, name), join(store, name));
  await expect.poll(() => datastore.reachable, { timeout: 5_000 }).toBe(true);
  expect((await datastore.get("/a")).item?.value).toBe("1");
});

it("is not reachable once it is closed", async () => {
  await datastore.close();
  expect(datastore.reachable).toBe(false);
});
