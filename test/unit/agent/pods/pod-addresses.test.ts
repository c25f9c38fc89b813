import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PodAddresses } from "../../../../src/agent/pods/pod-addresses.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { ResourceClient } from "../../../../src/datastore/resource-client.ts";
import { auditIpam } from "../../../support/ipam-audit.ts";
import { ipamNode } from "../../../support/ipam-node.ts";
import { ipamPool } from "../../../support/ipam-pools.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

const pools = [
  ipamPool("main", "10.0.0.0/27", { blockSize: 29 }),
  ipamPool("blue", "10.1.0.0/27", { blockSize: 29, assignmentMode: "Manual" }),
  ipamPool("team", "10.2.0.0/27", {
    blockSize: 29,
    namespaceSelector: "team == 'shop'",
    allowedUses: ["Workload"],
  }),
  ipamPool("six", "fd00::/123", { blockSize: 125 }),
];
let store: Datastore;
let dispose: () => Promise<void>;
let client: ResourceClient;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  client = new ResourceClient({ datastore: store, clock: systemClock, createUid: randomUUID });
});
afterEach(async () => {
  expect((await auditIpam(store)).problems).toEqual([]);
  await dispose();
});

const cni = (annotations: Record<string, string>) =>
  Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`cni.projectcalico.org/${key}`, value]));
let pods = 0;
async function take(annotations: Record<string, string> = {}, namespace = "default", used = pools): Promise<string[]> {
  const addresses = new PodAddresses({
    ipam: ipamNode(store, "a", used),
    client,
    pools: () => used,
    families: () => [4],
  });
  const owner = { handleId: `net.${++pods}`, attributes: { node: "a" } };
  return (await addresses.take(owner, namespace, cni(annotations))).map(String);
}

describe("a pod's addresses", () => {
  it("are one of each family that is offered", async () => {
    expect(await take()).toEqual([expect.stringMatching(/^10\.0\.0\./)]);
  });

  it.each([
    ["a pool's name", { ipv4pools: '["blue"]' }, [/^10\.1\.0\./]],
    ["a pool's range", { ipv4pools: '["10.1.0.0/27"]' }, [/^10\.1\.0\./]],
    ["a pool of the other family too", { ipv6pools: '["six"]' }, [/^10\.0\.0\./, /^fd00::/]],
  ])("are of the pool that an annotation asks for by %s", async (_, annotations, patterns) => {
    expect(await take(annotations)).toEqual(patterns.map((pattern) => expect.stringMatching(pattern)));
  });

  it("are those that an annotation asks for, and no others", async () => {
    expect(await take({ ipAddrs: '["10.1.0.9"]' })).toEqual(["10.1.0.9"]);
    expect(await take({ ipAddrs: '["10.0.0.9","fd00::5"]' })).toEqual(["10.0.0.9", "fd00::5"]);
    await expect(take({ ipAddrs: '["10.1.0.9"]' })).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  });

  it("are of a pool for the labels of the pod's namespace, as its profile tells them", async () => {
    const only = pools.filter(({ name }) => name === "team");
    await expect(take({}, "shop", only)).rejects.toMatchObject({ code: "NO_POOL" });
    await client.create({
      kind: "Profile",
      apiVersion: "projectcalico.org/v3",
      metadata: { name: "kns.shop" },
      spec: { labelsToApply: { "pcns.team": "shop" } },
    });
    expect(await take({}, "shop", only)).toEqual([expect.stringMatching(/^10\.2\.0\./)]);
  });

  it.each([
    ["no JSON", { ipv4pools: "blue" }, "must be a JSON list of texts"],
    ["no list", { ipv4pools: '"blue"' }, "must be a JSON list of texts"],
    ["an unknown pool", { ipv4pools: '["red"]' }, "must be the name or range of an IPv4 pool: main (10.0.0.0/27)"],
    ["a pool of the other family", { ipv4pools: '["six"]' }, "must be the name or range of an IPv4 pool"],
    ["no address", { ipAddrs: '["10.0.0.1/32"]' }, "must be an IP address without a prefix length"],
    ["two of a family", { ipAddrs: '["10.0.0.1","10.0.0.2"]' }, "must have at most one IPv4 address"],
    ["an address without IPAM", { ipAddrsNoIpam: '["10.0.0.1"]' }, "is not supported"],
  ])("are refused for an annotation with %s", async (_, annotations, message) => {
    const error = await take(annotations).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "INVALID_ANNOTATION" });
    expect(`${error}`).toContain(message);
    expect((await auditIpam(store)).allocations.size).toBe(0);
  });
});
