import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../../src/datastore/embedded/open.ts";
import { itBehavesLikeADatastore } from "../../../conformance/datastore.ts";

itBehavesLikeADatastore("the embedded datastore", async () => {
  const path = mkdtempSync(join(tmpdir(), "calibird-conformance-"));
  const clients: Datastore[] = [];
  return {
    async connect() {
      const client = await openEmbeddedDatastore({ path });
      clients.push(client);
      return client;
    },
    async compact() {
      const compactor = await openEmbeddedDatastore({ path, compaction: { journalBytes: 0, historyRevisions: 0 } });
      for (let round = 0; round < 20; round++) await compactor.revokeLease(await compactor.grantLease(60));
      await compactor.close();
    },
    async dispose() {
      for (const client of clients) await client.close();
      rmSync(path, { recursive: true });
    },
  };
});
