import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { ResourceClient } from "../../../src/datastore/resource-client.ts";
import { configureIpam } from "../../../src/ipam/configure.ts";
import { planPoolSplit, splitPool } from "../../../src/ipam/pool-split.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
let client: ResourceClient;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  client = new ResourceClient({ datastore: store, clock: systemClock, createUid: randomUUID });
});
afterEach(() => dispose());

const apiVersion = "projectcalico.org/v3";
const makePool = () =>
  client.create({
    kind: "IPPool",
    apiVersion,
    metadata: { name: "main", labels: { team: "net" } },
    spec: { cidr: "10.0.0.0/24", blockSize: 26, ipipMode: "Always" },
  });
const split = (parts: number) =>
  splitPool({ client, datastore: store, createUid: randomUUID, nowMs: 0 }, "main", parts);

describe("a pool that is split", () => {
  it("is replaced by its parts, which are like it but for the range", async () => {
    await makePool();
    const parts = await split(4);
    expect(parts.map(({ name, cidr }) => `${name} ${cidr}`)).toEqual([
      "split-main-0 10.0.0.0/26",
      "split-main-1 10.0.0.64/26",
      "split-main-2 10.0.0.128/26",
      "split-main-3 10.0.0.192/26",
    ]);
    const { resources } = await client.list("IPPool");
    expect(resources.map(({ metadata }) => metadata.name)).toEqual(parts.map(({ name }) => name));
    expect(resources[2]).toMatchObject({
      metadata: { labels: { team: "net" } },
      spec: { cidr: "10.0.0.128/26", blockSize: 26, ipipMode: "Always" },
    });
    expect(new Set(resources.map(({ metadata }) => metadata.resourceVersion)).size).toBe(1);
  });

  it.each([0, 1, 3, 8, 2.5, Number.NaN])("can't have %d parts, and hears how many would be right", async (parts) => {
    const pool = await makePool();
    expect(() => planPoolSplit(pool, parts)).toThrow("power of two from 2 to 4");
    await expect(split(parts)).rejects.toMatchObject({ code: "INVALID_RANGE" });
    expect((await client.list("IPPool")).resources).toHaveLength(1);
  });

  it("stays whole if a part's name is taken", async () => {
    await makePool();
    await client.create({
      kind: "IPPool",
      apiVersion,
      metadata: { name: "split-main-1" },
      spec: { cidr: "10.9.0.0/24" },
    });
    await expect(split(2)).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await client.get("IPPool", "main")).spec.cidr).toBe("10.0.0.0/24");
  });
});

describe("the settings", () => {
  it("that are not named stay as they are", async () => {
    expect(await configureIpam(client, { strictAffinity: true })).toMatchObject({
      strictAffinity: true,
      autoAllocateBlocks: true,
    });
    await configureIpam(client, { maxBlocksPerHost: 4 });
    expect((await store.get("/calico/ipam/v2/config")).item?.value).toBe(
      '{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":4}',
    );
  });

  it("that exclude each other are refused", async () => {
    await expect(configureIpam(client, { autoAllocateBlocks: false })).rejects.toMatchObject({
      code: "INVALID_RESOURCE",
    });
    await expect(configureIpam(client, { maxBlocksPerHost: 4 })).rejects.toMatchObject({ code: "INVALID_RESOURCE" });
    expect((await store.get("/calico/ipam/v2/config")).item).toBeUndefined();
  });
});
