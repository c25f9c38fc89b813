import { describe, expect, it } from "vitest";
import type { PathAttributes } from "../../../../src/bgp/packet/attributes.ts";
import { AttributeStore } from "../../../../src/bgp/rib/attribute-store.ts";
import { addressOf, attributesOf } from "../../../support/bgp.ts";

/** A value for every attribute, made anew at every call. */
const complete = (): Required<PathAttributes> => ({
  origin: 1,
  asPath: [{ type: "sequence", asNumbers: [1, 2] }],
  med: 5,
  localPref: 6,
  atomicAggregate: true,
  aggregator: { asNumber: 7, address: addressOf("10.0.0.7") },
  communities: [8, 9],
  extendedCommunities: [10n],
  largeCommunities: [{ global: 1, local1: 2, local2: 3 }],
  originatorId: 11,
  clusterList: [12],
  onlyToCustomer: 13,
  unknown: [{ flags: 0xe0, code: 99, value: new Uint8Array([1, 2]) }],
});

const variations: { readonly [Field in keyof PathAttributes]-?: Partial<PathAttributes> } = {
  origin: { origin: 2 },
  asPath: { asPath: [{ type: "set", asNumbers: [1, 2] }] },
  med: { med: 0 },
  localPref: { localPref: 0 },
  atomicAggregate: { atomicAggregate: false },
  aggregator: { aggregator: { asNumber: 7, address: addressOf("10.0.0.8") } },
  communities: { communities: [9, 8] },
  extendedCommunities: { extendedCommunities: [10n | (1n << 40n)] },
  largeCommunities: { largeCommunities: [{ global: 1, local1: 2, local2: 4 }] },
  originatorId: { originatorId: 0 },
  clusterList: { clusterList: [12, 13] },
  onlyToCustomer: { onlyToCustomer: 14 },
  unknown: { unknown: [{ flags: 0xe0, code: 99, value: new Uint8Array([1, 3]) }] },
};

describe("the attribute store", () => {
  it("gives one object for equal content", () => {
    const store = new AttributeStore();
    const first = store.intern(complete());
    expect(store.intern(complete())).toBe(first);
    expect(store.intern(first)).toBe(first);
  });

  it.each(Object.entries(variations))("tells sets apart that differ in %s only", (_, variation) => {
    const store = new AttributeStore();
    const first = store.intern(complete());
    const other = store.intern({ ...complete(), ...variation });
    expect(other).not.toBe(first);
    expect(store.intern({ ...complete(), ...variation })).toBe(other);
  });

  it("tells a missing value from 0", () => {
    const store = new AttributeStore();
    expect(store.intern(attributesOf([], { med: 0 }))).not.toBe(store.intern(attributesOf()));
  });

  it("keeps what is in use through any number of others", () => {
    const store = new AttributeStore();
    const kept = store.intern(complete());
    for (let index = 0; index < 5000; index++) store.intern(attributesOf([index]));
    expect(store.intern(complete())).toBe(kept);
  });
});
