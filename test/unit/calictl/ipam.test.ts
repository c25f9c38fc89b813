import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { version } from "../../../src/core/version.ts";
import type { AddressOwner } from "../../../src/ipam/block.ts";
import { BlockClaims } from "../../../src/ipam/claims.ts";
import { IpamStore } from "../../../src/ipam/store.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../support/calictl.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";

const BLOCK = "10.244.0.64/28";
const GUID = "0123456789abcdef0123456789abcdef";
let calictl: CalictlFixture;

const pools = [ipamPool("pods", "10.244.0.0/16", { blockSize: 28 })];
const node = (name: string) => {
  const ipam = ipamNode(calictl.store, name, pools);
  return {
    claim: (block: Prefix) =>
      new BlockClaims(new IpamStore(calictl.store), name, systemClock, Math.random).claim(block),
    assign: (address: IpAddress, owner: AddressOwner) => ipam.assignAddress({ address, ...owner }),
  };
};
const pod = (handleId: string, on: string, name: string): AddressOwner => ({
  handleId,
  attributes: { node: on, namespace: "shop", pod: name },
});
/** The resource of a pod that says that it has an address. */
const endpoint = (name: string, address: string) => `apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: a-k8s-${name.replace("-", "--")}-eth0, namespace: shop}
spec: {node: a, orchestrator: k8s, endpoint: eth0, pod: ${name}, interfaceName: cali123, ipNetworks: [${address}/32]}
`;
const clusterInformation = (locked: boolean) =>
  calictl.client.apply({
    apiVersion: "projectcalico.org/v3",
    kind: "ClusterInformation",
    metadata: { name: "default" },
    spec: { clusterGUID: GUID, clusterType: "calibird", datastoreReady: !locked },
  });
const allocations = async () => [...(await auditIpam(calictl.store)).allocations.keys()].sort();

/** Node a has a block with two pods and a tunnel address; node b borrows from it. Pod web-0 exists. */
beforeEach(async () => {
  calictl = await calictlWithStore();
  const { err } = await calictl.runWith(
    {
      stdin: `${poolManifest("pods", "10.244.0.0/16", "  blockSize: 28\n")}---
apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: {name: gateway}
spec: {reservedCIDRs: [10.244.0.79]}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: a}
spec: {bgp: {ipv4Address: 192.168.0.1/24, ipv4IPIPTunnelAddr: 10.244.0.66}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: c}
---
${endpoint("web-0", "10.244.0.64")}`,
    },
    "create",
    "-f",
    "-",
  );
  expect(err).toBe("");
  const block = Prefix.parse(BLOCK);
  await node("a").claim(block);
  const take = (last: number, owner: AddressOwner) =>
    node(owner.attributes.node ?? "").assign(IpAddress.parse(`10.244.0.${last}`), owner);
  await take(64, pod("net.web-0", "a", "web-0"));
  await take(65, pod("net.web-1", "a", "web-1"));
  await take(66, { handleId: "ipip-tunnel-addr-a", attributes: { node: "a", type: "ipipTunnelAddress" } });
  await take(70, pod("net.far", "b", "far"));
});
afterEach(() => calictl.dispose());

describe("calictl ipam show", () => {
  it("counts what is in use, reserved and free per pool, and per block", async () => {
    expect(await calictl.run("ipam", "show")).toEqual({
      code: 0,
      err: "",
      out: `+----------+---------------+-----------+------------+--------------+--------------+
| GROUPING | CIDR          | IPS TOTAL | IPS IN USE | IPS RESERVED | IPS FREE     |
+----------+---------------+-----------+------------+--------------+--------------+
| IP Pool  | 10.244.0.0/16 |     65536 |     4 (0%) |       1 (0%) | 65531 (100%) |
+----------+---------------+-----------+------------+--------------+--------------+
`,
    });
    const { out } = await calictl.run("ipam", "show", "--show-blocks");
    expect(out.split("\n").slice(3, 5)).toEqual([
      "| IP Pool  | 10.244.0.0/16  |     65536 |     4 (0%) |       1 (0%) | 65531 (100%) |",
      "| Block    | 10.244.0.64/28 |        16 |    4 (25%) |       1 (6%) |     11 (69%) |",
    ]);
    const { out: json } = await calictl.run("-o", "json", "ipam", "show");
    expect(JSON.parse(json).pools[0]).toMatchObject({ pool: "pods", inUse: 4, blocks: [{ affinity: "host:a" }] });
  });

  it("says who has an address", async () => {
    expect((await calictl.run("ipam", "show", "--ip=10.244.0.65")).out).toBe(`IP 10.244.0.65 is in use
Handle ID: net.web-1
Active Owner Attributes:
  namespace: shop
  node: a
  pod: web-1
`);
    expect(await calictl.run("ipam", "show", "--ip", "10.244.0.99")).toEqual({
      code: 0,
      err: "",
      out: "10.244.0.99 is not assigned\n",
    });
    expect(await calictl.run("ipam", "show", "--ip", "10.244.0")).toMatchObject({ code: 2 });
    await calictl.run("ipam", "configure", "--ip-cooldown-seconds", "3600");
    await calictl.run("ipam", "release", "--ip", "10.244.0.65");
    expect((await calictl.run("ipam", "show", "--ip", "10.244.0.65")).out).toContain("10.244.0.65 is in cooldown");
  });

  it("lists what is borrowed", async () => {
    expect((await calictl.run("ipam", "show", "--show-borrowed")).out.split("\n").slice(1, 4)).toEqual([
      "| IP          | BORROWING-NODE | BLOCK          | BLOCK OWNER | TYPE | ALLOCATED-TO |",
      "+-------------+----------------+----------------+-------------+------+--------------+",
      "| 10.244.0.70 | b              | 10.244.0.64/28 | a           | pod  | shop/far     |",
    ]);
  });

  it("draws a map of every block in less than 80 columns, in colours on a terminal only", async () => {
    const { out } = await calictl.run("ipam", "show", "--map");
    expect(out).toBe(`IP pool pods 10.244.0.0/16: 1 of 4096 blocks
10.244.0.64/28  host a  4 of 16 in use
    +0 ##T...b. .......r

. free   # in use   T tunnel of a node   b borrowed by another node
r reserved
`);
    const { out: coloured } = await calictl.runWith({ colour: true }, "ipam", "show", "--map");
    expect(coloured).toContain("\u001b[32m##\u001b[39m");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are made of one.
    expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(out);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThan(80);
  });

  it("shows the settings, and takes one look at a time", async () => {
    await calictl.run("ipam", "configure", "--strictaffinity=true", "--max-blocks-per-host=4");
    expect((await calictl.run("ipam", "show", "--show-configuration")).out).toBe(
      `+------------------------------+---------+
| PROPERTY                     | VALUE   |
+------------------------------+---------+
| StrictAffinity               | true    |
| AutoAllocateBlocks           | true    |
| MaxBlocksPerHost             | 4       |
| KubeVirtVMAddressPersistence | Enabled |
| IPCooldownSeconds            | 0       |
+------------------------------+---------+
`,
    );
    expect(await calictl.run("ipam", "show", "--show-blocks", "--map")).toMatchObject({ code: 2 });
  });
});

describe("calictl ipam check", () => {
  it("finds leaked addresses and handles, says what to do, and changes nothing", async () => {
    await write(calictl.store, put("/calico/ipam/v2/handle/net.old", `{"block":{"${BLOCK}":1},"deleted":false}`));
    const before = (await calictl.store.list("/")).items;
    const { code, out } = await calictl.run("ipam", "check", "--show-problem-ips");
    expect(code).toBe(0);
    for (const line of [
      "Checking IPAM for inconsistencies...",
      "Found 1 IPAM blocks.",
      ` IPAM block ${BLOCK} affinity=host:a:`,
      "IPAM blocks record 4 allocations.",
      "Found 1 active IP pools.",
      "Found 1 node tunnel IPs.",
      "Found 1 workload IPs.",
      "Workloads and nodes are using 2 IPs.",
      "  a has 3 allocations",
      "Node with most allocations has 3; median is 1",
      "  10.244.0.65 leaked; attrs Main:net.web-1 Extra:namespace=shop,node=a,pod=web-1",
      "Found 2 IPs that are allocated in IPAM but not actually in use.",
      "Found 0 in-use IPs that are not in active IP pools.",
      "Found 0 in-use IPs that are in active IP pools but have no corresponding IPAM allocation.",
      "  net.old has no IPs",
      "Found 1 handles with no matching IPs (and 4 handles with matches).",
      "Found 0 handles mentioned in blocks with no matching handle resource.",
      "Found 0 invalid IPAMBlocks.",
      "Check complete; found 3 problems.",
      "To release what is not in use: check again with -o FILE, then calictl ipam release --from-report FILE.",
    ])
      expect(out.split("\n")).toContain(line);
    expect((await calictl.store.list("/")).items).toEqual(before);
  });

  it("prints every address on request", async () => {
    const { out } = await calictl.run("ipam", "check", "--show-all-ips");
    expect(out).toContain("  10.244.0.64 allocated; attrs Main:net.web-0 Extra:namespace=shop,node=a,pod=web-0\n");
    expect(out).toContain("  10.244.0.64 belongs to pod shop/web-0\n");
    expect(out).toContain("  10.244.0.66 belongs to ipip tunnel of a\n");
  });
});

describe("calictl ipam release", () => {
  const report = (name: string) => join(calictl.folder, name);

  it("releases an address, and warns of who uses it", async () => {
    expect(await calictl.run("ipam", "release", "--ip=10.244.0.65")).toEqual({
      code: 0,
      err: "",
      out: "Successfully released IP address 10.244.0.65\n",
    });
    expect(await calictl.run("ipam", "release", "--ip=10.244.0.65")).toEqual({
      code: 1,
      err: "calictl: IP address 10.244.0.65 is not assigned\n",
      out: "",
    });
    const { err } = await calictl.run("ipam", "release", "--ip=10.244.0.64");
    expect(err).toBe("calictl: pod shop/web-0 on node a still says that it uses 10.244.0.64\n");
    expect(await allocations()).toEqual(["10.244.0.66", "10.244.0.70"]);
  });

  it("releases a handle", async () => {
    expect((await calictl.run("ipam", "release", "--handle", "net.far")).out).toBe(
      "Successfully released IP address 10.244.0.70\n",
    );
    expect(await calictl.run("ipam", "release", "--handle", "net.far")).toMatchObject({ code: 1 });
    expect(await calictl.run("ipam", "release")).toMatchObject({ code: 2 });
  });

  it("writes a report with exact sequence numbers, and releases what it calls leaked", async () => {
    await clusterInformation(true);
    await write(calictl.store, put("/calico/ipam/v2/handle/net.old", `{"block":{"${BLOCK}":1},"deleted":false}`));
    await calictl.run("ipam", "check", "-o", report("one"));
    const text = readFileSync(report("one"), "utf8");
    expect(statSync(report("one")).mode & 0o022).toBe(0);
    expect(JSON.parse(text)).toMatchObject({
      version,
      clusterGUID: GUID,
      datastoreLocked: true,
      clusterType: "calibird",
    });
    expect(text).toMatch(/"sequenceNumber": \d{19},/);
    expect(JSON.parse(text).allocations["10.244.0.70"][0]).toMatchObject({
      handle: "net.far",
      node: "b",
      inUse: false,
      borrowed: true,
      owners: null,
    });
    await calictl.run("ipam", "check", "-o", report("two"));
    // This one is released by somebody else, and its address taken anew.
    await calictl.run("ipam", "release", "--handle", "net.far");
    await node("a").assign(IpAddress.parse("10.244.0.70"), pod("net.new", "a", "new"));

    const released = await calictl.run("ipam", "release", "--from-report", report("one"), report("two"));
    expect(released.out).toBe(`Releasing 2 old IPs...
Released 1 IPs successfully
1 addresses marked as leaked in the report had already been cleaned up.
Deleting 1 handles...
Key: '.' = Deleted OK; 'x' = skip, handle missing/changed.
.
Released 1 handles; 0 skipped; 0 errors.
You may now unlock the data store.
`);
    expect(await allocations()).toEqual(["10.244.0.64", "10.244.0.66", "10.244.0.70"]);
  });

  it("refuses reports that may not be true any more, unless it is forced", async () => {
    await clusterInformation(false);
    await calictl.run("ipam", "check", "-o", report("old"));
    const release = (...more: string[]) => calictl.run("ipam", "release", "--from-report", report("old"), ...more);
    expect((await release()).err).toContain("the datastore is not locked");
    await clusterInformation(true);
    expect((await release()).err).toContain("check again with -o");
    calictl.file("foreign", readFileSync(report("old"), "utf8").replace(GUID, "f".repeat(32)));
    const foreign = await calictl.run("ipam", "release", "--from-report", report("foreign"), "--force");
    expect(foreign).toMatchObject({ code: 1, err: expect.stringContaining("is about cluster ffff") });
    calictl.file("broken", "{");
    expect((await calictl.run("ipam", "release", "--from-report", report("broken"))).err).toContain(
      'no report of "ipam check -o"',
    );
    expect(await allocations()).toHaveLength(4);
    expect(await release("--force")).toMatchObject({ code: 0 });
    expect(await allocations()).toEqual(["10.244.0.64", "10.244.0.66"]);
  });
});

describe("calictl ipam configure, split and reassign", () => {
  it("changes the settings that are named and keeps the others", async () => {
    expect((await calictl.run("ipam", "configure", "--strictaffinity=true")).out).toBe(
      "Successfully set StrictAffinity to: true\n",
    );
    expect((await calictl.run("ipam", "configure", "--max-blocks-per-host", "3", "--ip-cooldown-seconds=9")).out).toBe(
      "Successfully set MaxBlocksPerHost to: 3\nSuccessfully set IPCooldownSeconds to: 9\n",
    );
    const stored = (await calictl.store.get("/calico/ipam/v2/config")).item?.value;
    expect(JSON.parse(stored ?? "")).toMatchObject({
      strict_affinity: true,
      auto_allocate_blocks: true,
      maxBlocksPerHost: 3,
      ipCooldownSeconds: 9,
    });
    expect(await calictl.run("ipam", "configure")).toMatchObject({ code: 2 });
    expect(await calictl.run("ipam", "configure", "--strictaffinity=yes")).toMatchObject({ code: 2 });
  });

  it("splits a pool once the datastore is locked", async () => {
    await clusterInformation(false);
    expect((await calictl.run("ipam", "split", "2", "--name", "pods")).err).toContain("datastore migrate lock");
    await clusterInformation(true);
    expect((await calictl.run("ipam", "split", "3", "--name", "pods")).code).toBe(2);
    expect((await calictl.run("ipam", "split", "2", "--name", "other")).err).toContain("pods (10.244.0.0/16)");
    expect((await calictl.run("ipam", "split", "2", "--cidr", "10.244.0.0/16")).out).toBe(
      `Created IP pool split-pods-0 with CIDR 10.244.0.0/17
Created IP pool split-pods-1 with CIDR 10.244.128.0/17
Deleted IP pool pods; its blocks and addresses stay as they are
`,
    );
    expect(await allocations()).toHaveLength(4);
  });

  it("gives the blocks of a node to its successor", async () => {
    expect((await calictl.run("ipam", "reassign", "--from", "a", "--to", "x")).err).toContain("there is no such node");
    expect((await calictl.run("ipam", "reassign", "--from", "a", "--to", "c")).out).toBe(
      `Block ${BLOCK} of node a now belongs to node c\n`,
    );
    expect((await calictl.run("ipam", "reassign", "--from", "a", "--to", "c")).out).toBe("Node a owns no blocks\n");
    expect((await auditIpam(calictl.store)).problems).toEqual([]);
  });
});
