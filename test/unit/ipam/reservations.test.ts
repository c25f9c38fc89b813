import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { Reservations } from "../../../src/ipam/reservations.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

const prefixes = (...texts: readonly string[]) => texts.map((text) => Prefix.parse(text));

describe("reservations", () => {
  const reserved = new Reservations(prefixes("10.0.0.4/30", "10.0.0.5/32", "10.0.0.8/29", "fd00::/120"));

  it.each([
    ["10.0.0.0/29", 4],
    ["10.0.0.0/28", 12],
    ["10.0.0.8/30", 4],
    ["10.0.1.0/24", 0],
    ["fd00::/122", 64],
  ])("count every reserved address of %s once", (prefix, count) => {
    expect(reserved.countIn(Prefix.parse(prefix))).toBe(count);
    expect(reserved.covers(Prefix.parse(prefix))).toBe(count === Prefix.parse(prefix).size);
  });
});

describe("automatic assignment", () => {
  let store: Datastore;
  let dispose: () => Promise<void>;
  beforeEach(async () => {
    ({ store, dispose } = await temporaryStore());
  });
  afterEach(() => dispose());
  const pools = [ipamPool("v4", "10.0.0.0/28", { blockSize: 29 })];
  const node = (name: string, ...texts: readonly string[]) =>
    ipamNode(store, name, pools, { reserved: () => prefixes(...texts) });

  it("gives no reserved address, of an own block, a new one, or another node's", async () => {
    const reserved = ["10.0.0.2/31", "10.0.0.8/30"];
    const given = await node("a", ...reserved).autoAssign(addressRequest("net.x", 8));
    const texts = given.ipv4.map(({ address }) => `${address}`);
    const borrowed = await node("b", ...reserved).autoAssign(addressRequest("net.y", 2));
    const all = [...texts, ...borrowed.ipv4.map(({ address }) => `${address}`)];
    const free = [0, 1, 4, 5, 6, 7, 12, 13, 14, 15].map((last) => `10.0.0.${last}`);
    expect(new Set(all)).toEqual(new Set(free));
    await expect(node("a", ...reserved).autoAssign(addressRequest("net.z"))).rejects.toMatchObject({
      code: "POOL_EXHAUSTED",
    });
    const later = await node("a").autoAssign(addressRequest("net.z", 6));
    const reservedBefore = [2, 3, 8, 9, 10, 11].map((last) => `10.0.0.${last}`);
    expect(new Set(later.ipv4.map(({ address }) => `${address}`))).toEqual(new Set(reservedBefore));
    expect((await auditIpam(store)).problems).toEqual([]);
  });

  it("claims no block that is reserved as a whole", async () => {
    for (const name of ["a", "b", "c"]) {
      const { ipv4 } = await node(name, "10.0.0.0/29").autoAssign(addressRequest(`net.${name}`));
      expect(`${ipv4[0]?.block}`).toBe("10.0.0.8/29");
    }
  });

  it("does not keep anybody from asking for a reserved address", async () => {
    const address = IpAddress.parse("10.0.0.3");
    const request = { address, handleId: "net.x", attributes: {} };
    expect(`${(await node("a", "10.0.0.0/24").assignAddress(request)).address}`).toBe("10.0.0.3");
  });
});
