import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore, Transaction } from "../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../src/datastore/embedded/open.ts";
import { DatastoreError } from "../../../src/datastore/errors.ts";
import { ResourceClient } from "../../../src/datastore/resource-client.ts";
import type { Resource } from "../../../src/resources/resource.ts";
import { resourceKey } from "../../../src/resources/resource-keys.ts";

let directory = "";
let datastore: Datastore;
let client: ResourceClient;

const clientOf = (store: Datastore) =>
  new ResourceClient({
    datastore: store,
    clock: { ...systemClock, wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) },
    createUid: randomUUID,
  });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), `calibird-resources-${process.pid}-`));
  datastore = await openEmbeddedDatastore({ path: directory });
  client = clientOf(datastore);
});

afterEach(async () => {
  await datastore.close();
  await rm(directory, { recursive: true, force: true });
});

const pool = (name: string, cidr: string, spec: Partial<Resource<"IPPool">["spec"]> = {}): Resource<"IPPool"> => ({
  kind: "IPPool",
  apiVersion: "projectcalico.org/v3",
  metadata: { name },
  spec: { cidr, ...spec },
});

const peer = (name: string, spec: Resource<"BGPPeer">["spec"] = {}): Resource<"BGPPeer"> => ({
  kind: "BGPPeer",
  apiVersion: "projectcalico.org/v3",
  metadata: { name },
  spec,
});

const put = (key: string, value: string) =>
  datastore.transact({ compares: [], success: [{ type: "put", key, value }] });

/** The same store, but something happens just before every transaction. */
function interposed(store: Datastore, intervene: (transaction: Transaction) => Promise<void>): Datastore {
  return {
    reachable: store.reachable,
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    watch: (prefix, fromRevision, handler) => store.watch(prefix, fromRevision, handler),
    grantLease: (ttlSec) => store.grantLease(ttlSec),
    keepLeaseAlive: (lease) => store.keepLeaseAlive(lease),
    revokeLease: (lease) => store.revokeLease(lease),
    close: () => store.close(),
    async transact(transaction) {
      await intervene(transaction);
      return store.transact(transaction);
    },
  };
}

describe("create", () => {
  test("stores under Calico's key, stamps uid and time, and returns what is stored", async () => {
    const created = await client.create(pool("pods-v4", "10.244.0.0/16", { ipipMode: "CrossSubnet" }));
    const { item } = await datastore.get("/calico/resources/v3/projectcalico.org/ippools/pods-v4");
    expect(created.metadata.resourceVersion).toBe(item?.modRevision.toString());
    expect(created.metadata.creationTimestamp).toBe("2026-01-02T03:04:05Z");
    expect(item?.value).toBe(
      `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"pods-v4","uid":"${created.metadata.uid}","creationTimestamp":"2026-01-02T03:04:05Z"},"spec":{"cidr":"10.244.0.0/16","vxlanMode":"Never","ipipMode":"CrossSubnet","blockSize":26,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"}}`,
    );
    expect(await client.get("IPPool", "pods-v4")).toEqual(created);
  });

  test("refuses a name that is taken, a resourceVersion, and an invalid object", async () => {
    await client.create(peer("a"));
    await expect(client.create(peer("a"))).rejects.toMatchObject({
      code: "RESOURCE_EXISTS",
      message: "resource already exists: BGPPeer(a)",
    });
    const versioned = { ...peer("b"), metadata: { name: "b", resourceVersion: "1" } };
    await expect(client.create(versioned)).rejects.toMatchObject({ code: "INVALID_RESOURCE" });
    await expect(client.create(pool("p", "10.0.0.1/8"))).rejects.toMatchObject({ code: "INVALID_RESOURCE" });
  });

  test("refuses a pool that overlaps another, and blocks of another size in its range", async () => {
    await client.create(pool("a", "10.244.0.0/16", { disabled: true }));
    await expect(client.create(pool("b", "10.244.128.0/17"))).rejects.toThrow(
      "IPPool.spec.cidr = '10.244.128.0/17' (overlaps 10.244.0.0/16 of IPPool(a))",
    );
    await put("/calico/ipam/v2/assignment/ipv4/block/10.9.0.64-28", "{}");
    await expect(client.create(pool("c", "10.9.0.0/16"))).rejects.toThrow("must be 28");
    await client.create(pool("c", "10.9.0.0/16", { blockSize: 28 }));
  });

  test("of two overlapping pools that are created at once exactly one remains", async () => {
    let other: Promise<unknown> | undefined;
    const racing = clientOf(
      interposed(datastore, async (transaction) => {
        const creates = transaction.success.some(({ type, key }) => type === "put" && key.endsWith("/slow"));
        if (creates) other ??= client.create(pool("fast", "10.0.0.0/16"));
        await other;
      }),
    );
    await expect(racing.create(pool("slow", "10.0.0.0/8"))).rejects.toThrow("overlaps 10.0.0.0/16 of IPPool(fast)");
    const { resources } = await client.list("IPPool");
    expect(resources.map(({ metadata }) => metadata.name)).toEqual(["fast"]);
  });

  test("refuses a peer with a filter that is not there", async () => {
    await expect(client.create(peer("a", { filters: ["f"] }))).rejects.toThrow("BGPPeer.spec.filters[0] = 'f'");
    await put("/calico/resources/v3/projectcalico.org/bgpfilters/f", "{}");
    await client.create(peer("a", { filters: ["f"] }));
  });

  test("takes its own value as the answer when the store can't tell whether it has written", async () => {
    const uncertain = interposed(datastore, async () => {});
    const lossy = clientOf({
      ...uncertain,
      async transact(transaction) {
        await uncertain.transact(transaction);
        throw new DatastoreError("OUTCOME_UNKNOWN", "the connection broke");
      },
    });
    const created = await lossy.create(peer("a"));
    expect(await client.get("BGPPeer", "a")).toEqual(created);
    const lost = clientOf({
      ...uncertain,
      transact: () => Promise.reject(new DatastoreError("OUTCOME_UNKNOWN", "the connection broke")),
    });
    await expect(lost.create(peer("b"))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  });
});

describe("update", () => {
  test("replaces what was read, keeps fields of newer software, and refuses after somebody else's change", async () => {
    const key = resourceKey("IPPool", "a");
    await put(
      key,
      '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","uid":"u","creationTimestamp":"2025-01-01T00:00:00Z"},"spec":{"cidr":"10.0.0.0/8","newer":{"x":1}}}',
    );
    const read = await client.get("IPPool", "a");
    const written = await client.update({ ...read, spec: { ...read.spec, disabled: true } });
    expect(JSON.parse((await datastore.get(key)).item?.value ?? "").spec).toMatchObject({
      disabled: true,
      newer: { x: 1 },
    });
    await expect(client.update(read)).rejects.toMatchObject({
      code: "UPDATE_CONFLICT",
      message: "update conflict: IPPool(a)",
    });
    await client.update(written);
  });

  test("refuses without resourceVersion, uid and creationTimestamp, and for an object that is gone", async () => {
    await expect(client.update(peer("a"))).rejects.toThrow("BGPPeer.metadata.resourceVersion");
    const created = await client.create(peer("a"));
    await client.delete("BGPPeer", "a");
    await expect(client.update(created)).rejects.toMatchObject({ code: "RESOURCE_NOT_FOUND" });
  });

  test.each([
    [{ cidr: "10.0.0.0/9" }, "can't be changed from 10.0.0.0/8"],
    [{ blockSize: 27 }, "can't be changed from 26"],
  ])("keeps what is immutable in a pool: %j", async (change, message) => {
    const created = await client.create(pool("a", "10.0.0.0/8"));
    await expect(client.update({ ...created, spec: { ...created.spec, ...change } })).rejects.toThrow(message);
  });

  test("neither turns a pool into one for load balancers nor back", async () => {
    const created = await client.create(pool("a", "10.0.0.0/8", { allowedUses: ["LoadBalancer"] }));
    await expect(client.update({ ...created, spec: { ...created.spec, allowedUses: ["Workload"] } })).rejects.toThrow(
      "can be neither added nor removed later",
    );
  });
});

describe("apply", () => {
  test("creates, then resets fields that the file leaves out, and keeps uid, time and fields of newer software", async () => {
    const first = await client.apply(pool("a", "10.0.0.0/8", { natOutgoing: true }));
    expect(first.outcome).toBe("created");
    const { uid, creationTimestamp } = first.resource.metadata;
    const key = resourceKey("IPPool", "a");
    const value = (await datastore.get(key)).item?.value ?? "";
    await put(key, value.replace('"spec":{', '"spec":{"newer":1,').replace('"name"', '"generation":3,"name"'));
    const labelled = { ...pool("a", "10.0.0.0/8"), metadata: { name: "a", labels: { x: "y" } } };
    const second = await client.apply(labelled);
    expect(second.outcome).toBe("updated");
    expect(second.resource.metadata).toMatchObject({ uid, creationTimestamp, generation: 3, labels: { x: "y" } });
    const stored = JSON.parse((await datastore.get(key)).item?.value ?? "");
    expect(stored.spec).toMatchObject({ cidr: "10.0.0.0/8", newer: 1 });
    expect(stored.spec).not.toHaveProperty("natOutgoing");
    const { revision } = await datastore.get(key);
    expect((await client.apply(labelled)).outcome).toBe("unchanged");
    expect((await datastore.get(key)).revision).toBe(revision);
  });

  test("wins against somebody else's simultaneous change, but not with a resourceVersion", async () => {
    const created = await client.create(peer("a", { asNumber: 1 }));
    let interventions = 0;
    const raced = clientOf(
      interposed(datastore, async () => {
        if (++interventions <= 2) await client.apply(peer("a", { asNumber: 100 + interventions }));
      }),
    );
    expect((await raced.apply(peer("a", { asNumber: 2 }))).outcome).toBe("updated");
    expect((await client.get("BGPPeer", "a")).spec.asNumber).toBe(2);
    await expect(client.apply({ ...created, spec: { asNumber: 3 } })).rejects.toMatchObject({
      code: "UPDATE_CONFLICT",
    });
  });

  test("repairs a stored value that nobody can read", async () => {
    await put(resourceKey("BGPPeer", "a"), "{broken");
    expect((await client.apply(peer("a", { asNumber: 1 }))).outcome).toBe("updated");
    expect((await client.get("BGPPeer", "a")).spec.asNumber).toBe(1);
  });
});

describe("delete", () => {
  test("deletes, and refuses what is gone, another uid and an older revision", async () => {
    const created = await client.create(peer("a"));
    const changed = await client.update({ ...created, spec: { asNumber: 1 } });
    const { uid, resourceVersion } = created.metadata;
    const stale = { ...(resourceVersion !== undefined && { resourceVersion }) };
    await expect(client.delete("BGPPeer", "a", { uid: "other" })).rejects.toMatchObject({ code: "UPDATE_CONFLICT" });
    await expect(client.delete("BGPPeer", "a", stale)).rejects.toMatchObject({ code: "UPDATE_CONFLICT" });
    expect(await client.get("BGPPeer", "a")).toEqual(changed);
    await client.delete("BGPPeer", "a", { ...(uid !== undefined && { uid }) });
    await expect(client.delete("BGPPeer", "a")).rejects.toMatchObject({
      code: "RESOURCE_NOT_FOUND",
      message: "resource does not exist: BGPPeer(a)",
    });
    await expect(client.get("BGPPeer", "a")).rejects.toMatchObject({ code: "RESOURCE_NOT_FOUND" });
  });
});

describe("list", () => {
  test("gives the good objects by name and reports the bad ones with their keys", async () => {
    await client.create(peer("b"));
    await client.create(peer("a"));
    await put(resourceKey("BGPPeer", "bad"), '{"kind":"BGPPeer"}');
    const { resources, invalid, revision } = await client.list("BGPPeer");
    expect(resources.map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
    expect(invalid.map(({ key }) => key)).toEqual([resourceKey("BGPPeer", "bad")]);
    expect(invalid[0]?.error.message).toContain(resourceKey("BGPPeer", "bad"));
    expect(revision).toBe((await datastore.get("/")).revision);
  });

  test("keeps namespaces apart", async () => {
    const endpoint = (namespace: string): Resource<"WorkloadEndpoint"> => ({
      kind: "WorkloadEndpoint",
      apiVersion: "projectcalico.org/v3",
      metadata: { name: "n-k8s-p-eth0", namespace },
      spec: { node: "n", orchestrator: "k8s", pod: "p", endpoint: "eth0" },
    });
    await client.create(endpoint("b"));
    await client.create(endpoint("a"));
    const all = await client.list("WorkloadEndpoint");
    expect(all.resources.map(({ metadata }) => metadata.namespace)).toEqual(["a", "b"]);
    expect((await client.list("WorkloadEndpoint", "b")).resources).toHaveLength(1);
    await client.delete("WorkloadEndpoint", "n-k8s-p-eth0", { namespace: "b" });
    await expect(client.get("WorkloadEndpoint", "n-k8s-p-eth0", "b")).rejects.toThrow(
      "WorkloadEndpoint(b/n-k8s-p-eth0)",
    );
  });
});
