import { Etcd3 } from "etcd3";
import { afterAll, beforeAll } from "vitest";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { openEtcdDatastore } from "../../src/datastore/etcd/open.ts";
import { itBehavesLikeADatastore } from "../conformance/datastore.ts";
import { EtcdServer } from "./support/etcd-server.ts";

let server: EtcdServer;
beforeAll(async () => {
  server = await EtcdServer.start();
});
afterAll(() => server.dispose());

itBehavesLikeADatastore("etcd", async () => {
  const admin = new Etcd3({ hosts: server.url });
  const clients: Datastore[] = [];
  return {
    async connect() {
      const client = await openEtcdDatastore({ endpoints: [server.url] });
      clients.push(client);
      return client;
    },
    async compact() {
      const { header } = await admin.kv.range({ key: Buffer.from("/") });
      await admin.kv.compact({ revision: header.revision, physical: true });
    },
    async dispose() {
      for (const client of clients) await client.close();
      await admin.delete().all();
      admin.close();
    },
  };
});
