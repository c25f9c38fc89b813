import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkAddressesAreFree, writeOwnNode } from "../../../src/agent/own-node.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../src/datastore/embedded/open.ts";
import { ResourceClient } from "../../../src/datastore/resource-client.ts";
import { IpAddress } from "../../../src/net/address.ts";
import type { Resource } from "../../../src/resources/resource.ts";

let folder: string;
let datastore: Datastore;
let client: ResourceClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-own-node-"));
  datastore = await openEmbeddedDatastore({ path: folder });
  client = new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID });
});
afterEach(async () => {
  await datastore.close();
  rmSync(folder, { recursive: true, force: true });
});

const address = { address: IpAddress.parse("10.0.0.1"), prefixLength: 24 };
const ipv6 = { address: IpAddress.parse("fd00::1"), prefixLength: 64 };
const node = (name: string, spec: Resource<"Node">["spec"]): Resource<"Node"> => ({
  kind: "Node",
  apiVersion: "projectcalico.org/v3",
  metadata: { name, labels: { rack: "r3" } },
  spec,
});

describe("writeOwnNode", () => {
  it("creates the node with its address", async () => {
    await writeOwnNode(client, "n1", { addresses: { 4: address }, asNumber: undefined });
    expect((await client.get("Node", "n1")).spec).toEqual({ bgp: { ipv4Address: "10.0.0.1/24" } });
  });

  it("writes the addresses of both families, and takes one out that the node has no more", async () => {
    await writeOwnNode(client, "n1", { addresses: { 4: address, 6: ipv6 }, asNumber: undefined });
    const both = { ipv4Address: "10.0.0.1/24", ipv6Address: "fd00::1/64" };
    expect((await client.get("Node", "n1")).spec).toEqual({ bgp: both });
    await writeOwnNode(client, "n1", { addresses: { 6: ipv6 }, asNumber: undefined });
    expect((await client.get("Node", "n1")).spec).toEqual({ bgp: { ipv6Address: "fd00::1/64" } });
    await writeOwnNode(client, "n1", { addresses: {}, asNumber: undefined });
    expect((await client.get("Node", "n1")).spec).toEqual({});
  });

  it("keeps everything that it does not know of", async () => {
    await client.create(
      node("n1", { bgp: { routeReflectorClusterID: "244.0.0.1" }, ipv4VXLANTunnelAddr: "10.244.0.1" }),
    );
    await writeOwnNode(client, "n1", { addresses: { 4: address }, asNumber: 64513 });
    expect(await client.get("Node", "n1")).toMatchObject({
      metadata: { labels: { rack: "r3" } },
      spec: {
        bgp: { routeReflectorClusterID: "244.0.0.1", ipv4Address: "10.0.0.1/24", asNumber: 64513 },
        ipv4VXLANTunnelAddr: "10.244.0.1",
      },
    });
  });

  it("writes nothing if nothing is new", async () => {
    await writeOwnNode(client, "n1", { addresses: { 4: address }, asNumber: undefined });
    const before = (await client.get("Node", "n1")).metadata.resourceVersion;
    await writeOwnNode(client, "n1", { addresses: { 4: address }, asNumber: undefined });
    expect((await client.get("Node", "n1")).metadata.resourceVersion).toBe(before);
  });

  it("loses no change that somebody else makes at the same time", async () => {
    await client.create(node("n1", {}));
    const label = async (index: number) => {
      for (;;)
        try {
          const stored = await client.get("Node", "n1");
          const labels = { ...stored.metadata.labels, [`label-${index}`]: "x" };
          return await client.update({ ...stored, metadata: { ...stored.metadata, labels } });
        } catch {
          // Somebody was faster; try again.
        }
    };
    await Promise.all([
      ...[1, 2, 3].map(label),
      writeOwnNode(client, "n1", { addresses: { 4: address }, asNumber: 64513 }),
    ]);
    const stored = await client.get("Node", "n1");
    expect(stored.spec.bgp).toEqual({ asNumber: 64513, ipv4Address: "10.0.0.1/24" });
    expect(Object.keys(stored.metadata.labels ?? {}).sort()).toEqual(["label-1", "label-2", "label-3", "rack"]);
  });
});

describe("checkAddressesAreFree", () => {
  const nodes = [node("n2", { bgp: { ipv4Address: "10.0.0.1/16", ipv6Address: "fd00::1/64" } })];

  it("refuses an address that another node has, and says what to do", () => {
    expect(() => checkAddressesAreFree(nodes, "n1", { 4: address })).toThrow(
      "node n2 has the address 10.0.0.1 already; give node n1 its own with --ip, or delete the other with calictl delete node n2",
    );
  });

  it("refuses an IPv6 address that another node has", () => {
    expect(() => checkAddressesAreFree(nodes, "n1", { 6: ipv6 })).toThrow(
      "node n2 has the address fd00::1 already; give node n1 its own with --ip6",
    );
  });

  it("accepts the node's own, and any other address", () => {
    checkAddressesAreFree(nodes, "n2", { 4: address, 6: ipv6 });
    checkAddressesAreFree(nodes, "n1", { 4: { ...address, address: IpAddress.parse("10.0.0.2") } });
  });
});
