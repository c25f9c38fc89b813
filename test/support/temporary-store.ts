import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../src/datastore/embedded/open.ts";

/** A real store in a directory of its own; `dispose` closes and removes it. */
export async function temporaryStore(): Promise<{ store: Datastore; path: string; dispose: () => Promise<void> }> {
  const path = mkdtempSync(join(tmpdir(), "calibird-store-"));
  const store = await openEmbeddedDatastore({ path });
  return {
    store,
    path,
    async dispose() {
      await store.close();
      rmSync(path, { recursive: true });
    },
  };
}
