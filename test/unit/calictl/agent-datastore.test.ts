import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { datastoreRoutes, datastoreStreams } from "../../../src/agent/api/datastore-routes.ts";
import { UnixApiServer } from "../../../src/agent/api/unix-server.ts";
import { AgentClient } from "../../../src/calictl/agent-client.ts";
import { AgentDatastore } from "../../../src/calictl/agent-datastore.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { openEmbeddedDatastore } from "../../../src/datastore/embedded/open.ts";
import { itBehavesLikeADatastore } from "../../conformance/datastore.ts";
import { put, record, write } from "../../conformance/datastore-helpers.ts";

/** An agent's socket with a store behind it. */
async function serve(folder: string) {
  const store = await openEmbeddedDatastore({ path: join(folder, "store") });
  const server = new UnixApiServer({
    path: join(folder, "agent.sock"),
    mode: 0o600,
    routes: datastoreRoutes(store),
    streams: datastoreStreams(store),
    logger: silentLogger,
  });
  await server.start();
  return {
    async stop() {
      await server.stop();
      await store.close();
    },
  };
}

const connect = (folder: string) => new AgentDatastore(new AgentClient({ runDir: folder, waitMs: 5_000 }), systemClock);

itBehavesLikeADatastore("the datastore of an agent, through its socket", async () => {
  const folder = mkdtempSync(join(tmpdir(), "calibird-agent-store-"));
  const agent = await serve(folder);
  const clients: AgentDatastore[] = [];
  return {
    async connect() {
      const client = connect(folder);
      clients.push(client);
      return client;
    },
    async compact() {
      const limits = { journalBytes: 0, historyRevisions: 0 };
      const compactor = await openEmbeddedDatastore({ path: join(folder, "store"), compaction: limits });
      for (let round = 0; round < 20; round++) await compactor.revokeLease(await compactor.grantLease(60));
      await compactor.close();
    },
    async dispose() {
      for (const client of clients) await client.close();
      await agent.stop();
      rmSync(folder, { recursive: true });
    },
  };
});

describe("a watch through an agent", () => {
  it("goes on where it was when the agent has been restarted, and loses and repeats nothing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "calibird-agent-store-"));
    let agent = await serve(folder);
    const store = connect(folder);
    try {
      const { revision } = await write(store, put("/c/a", "0"));
      const seen = record(store, "/c/", revision);
      await seen.untilCount(1);
      await agent.stop();
      const other = await openEmbeddedDatastore({ path: join(folder, "store") });
      await write(other, put("/c/a", "1"));
      await other.close();
      agent = await serve(folder);
      await write(store, put("/c/a", "2"));
      await seen.untilCount(3);
      expect(seen.events.map((event) => (event.type === "put" ? event.item.value : "deleted"))).toEqual([
        "0",
        "1",
        "2",
      ]);
    } finally {
      await store.close();
      await agent.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
