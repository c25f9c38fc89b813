import { Etcd3 } from "etcd3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { openEtcdDatastore } from "../../src/datastore/etcd/open.ts";
import { ResourceCache } from "../../src/datastore/resource-cache.ts";
import { resourceKey } from "../../src/resources/resource-keys.ts";
import { put, record, remove, write } from "../conformance/datastore-helpers.ts";
import { EtcdServer } from "./support/etcd-server.ts";
import { patient } from "./support/patience.ts";
import { TcpRelay } from "./support/tcp-relay.ts";

let clients: Datastore[];
beforeEach(() => {
  clients = [];
});
afterEach(async () => {
  for (const client of clients) await client.close();
});

async function connect(servers: readonly { readonly url: string }[], random?: () => number): Promise<Datastore> {
  const endpoints = servers.map(({ url }) => url);
  const client = await openEtcdDatastore({ endpoints, ...(random !== undefined && { random }) });
  clients.push(client);
  return client;
}

describe("a cluster of three", () => {
  let servers: readonly [EtcdServer, EtcdServer, EtcdServer];
  beforeAll(async () => {
    servers = await EtcdServer.startCluster();
  });
  afterAll(async () => {
    for (const server of servers) await server.dispose();
  });

  it("that loses one member after the other, and gets it back, goes on with all calls and every event", async () => {
    // The first endpoint is used first.
    const store = await connect(servers, () => 0);
    const { revision } = await write(store, put("/c/start", ""));
    const seen = record(store, "/c/", revision + 1n);
    for (const [index, server] of servers.entries()) {
      await server.kill();
      await vi.waitFor(() => write(store, put("/c/a", `${index}`)), patient);
      await seen.until(() => expect(seen.events.at(-1)).toMatchObject({ item: { value: `${index}` } }));
      expect(store.reachable).toBe(true);
      await server.start();
    }
    const everything = record(await connect(servers), "/c/", revision + 1n);
    await everything.until(() => expect(everything.events.at(-1)).toEqual(seen.events.at(-1)));
    expect(seen.events).toEqual(everything.events);
  });

  it("does not leave a watch with a member that has lost the others and would be silent", async () => {
    const [first, second, third] = servers;
    const alone = await connect([first]);
    const { revision } = await write(alone, put("/c/start", ""));
    const seen = record(alone, "/c/", revision + 1n);
    expect(alone.reachable).toBe(true);
    await Promise.all([second.kill(), third.kill()]);
    await vi.waitFor(() => expect(alone.reachable).toBe(false), patient);
    await Promise.all([second.start(), third.start()]);
    await vi.waitFor(() => write(alone, put("/c/a", "back")), patient);
    await seen.until(() => expect(seen.events.at(-1)).toMatchObject({ item: { value: "back" } }));
    expect(alone.reachable).toBe(true);
  });
});

it("a cache of resources that was cut off while the store was compacted says what has changed, deletions included", async () => {
  const server = await EtcdServer.start();
  const way = await TcpRelay.start(server.port);
  const cache = { stop: () => {} };
  try {
    const direct = await connect([server]);
    const key = (name: string) => resourceKey("BGPPeer", name);
    const peer = (name: string, asNumber: number) => {
      const fixed = { kind: "BGPPeer", apiVersion: "projectcalico.org/v3" };
      return put(key(name), JSON.stringify({ ...fixed, metadata: { name }, spec: { asNumber } }));
    };
    await write(direct, peer("stays", 64_512), peer("changes", 64_512), peer("goes", 64_512));
    const options = { kind: "BGPPeer", clock: systemClock, logger: silentLogger } as const;
    const peers = new ResourceCache({ datastore: await connect([way]), ...options });
    cache.stop = () => peers.stop();
    await peers.start();
    const changes: string[] = [];
    peers.onChange((batch) => {
      for (const change of batch) {
        const { metadata } = change.type === "removed" ? change.previous : change.resource;
        changes.push(`${change.type} ${metadata.name}`);
      }
    });
    way.refuse();
    await write(direct, peer("changes", 64_513), remove(key("goes")));
    const { revision } = await write(direct, peer("comes", 64_512));
    const admin = new Etcd3({ hosts: server.url });
    await admin.kv.compact({ revision: revision.toString(), physical: true });
    admin.close();
    way.accept();
    await vi.waitFor(() => expect(changes).not.toEqual([]), patient);
    expect(changes.sort()).toEqual(["added comes", "removed goes", "updated changes"]);
    await write(direct, remove(key("stays")));
    await vi.waitFor(() => expect(changes).toContain("removed stays"), patient);
  } finally {
    cache.stop();
    way.close();
    await server.dispose();
  }
});
