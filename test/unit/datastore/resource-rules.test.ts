import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../src/datastore/embedded/open.ts";
import { ResourceClient } from "../../../src/datastore/resource-client.ts";
import type { ResourceKind } from "../../../src/resources/kinds.ts";
import { builtInTiers } from "../../../src/resources/policy/tier.ts";
import type { AnyResource, Resource } from "../../../src/resources/resource.ts";
import { parseResourceKey } from "../../../src/resources/resource-keys.ts";

let directory = "";
let datastore: Datastore;
let client: ResourceClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), `calibird-rules-${process.pid}-`));
  datastore = await openEmbeddedDatastore({ path: directory });
  client = new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID });
});

afterEach(async () => {
  await datastore.close();
  await rm(directory, { recursive: true, force: true });
});

function object<Kind extends ResourceKind>(kind: Kind, name: string, spec: Resource<Kind>["spec"]): Resource<Kind> {
  return { kind, apiVersion: "projectcalico.org/v3", metadata: { name }, spec };
}

const root = "/calico/resources/v3/projectcalico.org";
const put = (key: string, value: unknown) =>
  datastore.transact({ compares: [], success: [{ type: "put", key, value: JSON.stringify(value) }] });

describe("what Calico has stored", () => {
  const stored = readFileSync(new URL("../../vectors/stored-resources.txt", import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("/") || line.startsWith("{"));

  test("is listed and found by name, and applying it again changes nothing", async () => {
    const values = new Map<string, string>();
    for (let line = 0; line < stored.length; line += 2) values.set(stored[line] ?? "", stored[line + 1] ?? "");
    for (const [key, value] of values)
      await datastore.transact({ compares: [], success: [{ type: "put", key, value }] });
    for (const [key, value] of values) {
      const { kind, name, namespace } = parseResourceKey(key) ?? { kind: "Node" as const, name: "none" };
      const { resources, invalid } = await client.list(kind);
      expect([key, invalid]).toEqual([key, []]);
      expect(resources.map(({ metadata }) => metadata.name)).toContain(name);
      const found = await client.get(kind, name, namespace);
      expect([key, (await client.apply(found as AnyResource)).outcome]).toEqual([key, "unchanged"]);
      expect((await datastore.get(key)).item?.value).toBe(value);
    }
    expect(stored.length).toBeGreaterThan(40);
  });
});

describe("tiers", () => {
  test("a policy needs a tier that exists, other than the default one", async () => {
    await client.create(object("GlobalNetworkPolicy", "a", {}));
    const policy = object("GlobalNetworkPolicy", "b", { tier: "ours" });
    await expect(client.create(policy)).rejects.toThrow(
      "GlobalNetworkPolicy.spec.tier = 'ours' (must be the name of a Tier",
    );
    await client.create(object("Tier", "ours", { order: 5 }));
    await client.create(policy);
  });

  test("one with policies in it stays, and so do those that every cluster has", async () => {
    await client.create(object("Tier", "ours", {}));
    await client.create(object("GlobalNetworkPolicy", "b", { tier: "ours" }));
    await expect(client.delete("Tier", "ours")).rejects.toThrow("GlobalNetworkPolicy(b) is in it");
    await client.delete("GlobalNetworkPolicy", "b");
    await client.delete("Tier", "ours");
    for (const [name, spec] of Object.entries(builtInTiers)) {
      await client.create(object("Tier", name, spec));
      await expect(client.delete("Tier", name)).rejects.toMatchObject({ code: "UNSUPPORTED_OPERATION" });
    }
  });
});

describe("the profile projectcalico-default-allow", () => {
  const name = "projectcalico-default-allow";

  test("is there without being stored", async () => {
    await client.create(object("Profile", "kns.shop", {}));
    expect((await client.get("Profile", name)).spec).toMatchObject({ ingress: [{ action: "Allow" }] });
    expect((await client.list("Profile")).resources.map(({ metadata }) => metadata.name)).toEqual([name, "kns.shop"]);
    expect((await datastore.list(`${root}/profiles/`)).items).toHaveLength(1);
  });

  test("can be neither created nor changed nor deleted", async () => {
    await expect(client.create(object("Profile", name, {}))).rejects.toMatchObject({ code: "RESOURCE_EXISTS" });
    await expect(client.apply(object("Profile", name, {}))).rejects.toMatchObject({ code: "RESOURCE_EXISTS" });
    await expect(client.delete("Profile", name)).rejects.toMatchObject({ code: "UNSUPPORTED_OPERATION" });
  });
});

describe("a policy under the key that Calico used before 3.32", () => {
  const key = `${root}/globalnetworkpolicies/default.deny-all`;
  const stored = {
    kind: "GlobalNetworkPolicy",
    apiVersion: "projectcalico.org/v3",
    metadata: { name: "default.deny-all", uid: "u", creationTimestamp: "2026-01-02T03:04:05Z" },
    spec: { tier: "default", order: 1, types: ["Ingress"] },
  };

  test("is found by its name, changed in place, and deleted", async () => {
    await put(key, stored);
    const policy = await client.get("GlobalNetworkPolicy", "deny-all");
    expect(policy.metadata.name).toBe("deny-all");
    await client.update({ ...policy, spec: { ...policy.spec, order: 2 } });
    await client.apply(object("GlobalNetworkPolicy", "deny-all", { order: 3 }));
    const { items } = await datastore.list(`${root}/globalnetworkpolicies/`);
    expect(items.map((item) => [item.key, JSON.parse(item.value).spec.order])).toEqual([[key, 3]]);
    await client.delete("GlobalNetworkPolicy", "deny-all");
    await expect(client.get("GlobalNetworkPolicy", "deny-all")).rejects.toMatchObject({ code: "RESOURCE_NOT_FOUND" });
  });
});

describe("IPAMConfiguration", () => {
  test("is created, changed and deleted where address management reads it, and keeps fields of newer software", async () => {
    await client.create(object("IPAMConfiguration", "default", { strictAffinity: true }));
    const value = async () => (await datastore.get("/calico/ipam/v2/config")).item?.value;
    expect(await value()).toBe('{"strict_affinity":true,"auto_allocate_blocks":true}');
    await put("/calico/ipam/v2/config", { strict_affinity: true, auto_allocate_blocks: true, newer: 1 });
    const { outcome } = await client.apply(
      object("IPAMConfiguration", "default", { strictAffinity: true, maxBlocksPerHost: 2 }),
    );
    expect([outcome, await value()]).toEqual([
      "updated",
      '{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":2,"newer":1}',
    ]);
    const read = await client.get("IPAMConfiguration", "default");
    await client.update({ ...read, spec: { ...read.spec, ipCooldownSeconds: 30 } });
    expect(JSON.parse((await value()) ?? "")).toMatchObject({ ipCooldownSeconds: 30, newer: 1 });
    await client.delete("IPAMConfiguration", "default");
    expect(await value()).toBeUndefined();
  });
});

describe("BlockAffinity", () => {
  test("lists the nodes' claims of both families and nothing else, and deletes none", async () => {
    await put("/calico/ipam/v2/host/worker-0/ipv4/block/10.244.7.64-26", { state: "confirmed", deleted: false });
    await put("/calico/ipam/v2/host/worker-1/ipv6/block/fd00:10::-122", { state: "pending", deleted: false });
    await put("/calico/ipam/v2/host/worker-2", {});
    const { resources, invalid } = await client.list("BlockAffinity");
    expect(invalid).toEqual([]);
    expect(resources.map(({ spec }) => `${spec.node} ${spec.cidr} ${spec.state}`)).toEqual([
      "worker-0 10.244.7.64/26 confirmed",
      "worker-1 fd00:10::/122 pending",
    ]);
    const { name } = resources[1]?.metadata ?? { name: "" };
    expect((await client.get("BlockAffinity", name)).spec.cidr).toBe("fd00:10::/122");
    await expect(client.delete("BlockAffinity", name)).rejects.toMatchObject({ code: "UNSUPPORTED_OPERATION" });
  });
});
