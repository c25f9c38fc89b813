import fc from "fast-check";
import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import { type Family, families } from "../../src/bgp/packet/family.ts";
import type { Announcement, CodecContext, Nlri } from "../../src/bgp/packet/message.ts";
import type { UpdateParts } from "../../src/bgp/packet/update-encode.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const asNumber = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 1, max: 0xffffffff }));
const octets = (maxLength: number) => fc.uint8Array({ maxLength });

/** Sessions of all kinds. */
export const context: fc.Arbitrary<CodecContext> = fc
  .record({
    peerType: fc.constantFrom("ibgp" as const, "ebgp" as const),
    fourOctetAs: fc.boolean(),
    maxMessageLength: fc.constantFrom(4096 as const, 65535 as const),
    addPath: fc.subarray([...families]),
  })
  .map(({ addPath, ...rest }) => ({ ...rest, families, addPathReceive: addPath, addPathSend: addPath }));

const ipv4 = uint32.map((word) => IpAddress.v4(word));
const ipv6 = fc.tuple(uint32, uint32, uint32, uint32).map((words) => IpAddress.v6(...words));

export function nlriOf(family: Family, withPathId: boolean): fc.Arbitrary<Nlri> {
  const prefix =
    family === "ipv4-unicast"
      ? fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([address, length]) => Prefix.of(address, length))
      : fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([address, length]) => Prefix.of(address, length));
  return fc.record({ prefix, pathId: withPathId ? uint32 : fc.constant(0) });
}

const usableIpv4 = fc.integer({ min: 0x01000000, max: 0x7effffff }).map((word) => IpAddress.v4(word));
const usableIpv6 = fc
  .tuple(fc.integer({ min: 0x20000000, max: 0xfdffffff }), uint32, uint32, uint32)
  .map((words) => IpAddress.v6(...words));
const linkLocal = fc.tuple(uint32, uint32).map(([w2, w3]) => IpAddress.v6(0xfe800000, 0, w2, w3));

function nextHopOf(family: Family): fc.Arbitrary<Announcement["nextHop"]> {
  if (family === "ipv4-unicast") return fc.record({ address: usableIpv4 });
  return fc.record({ address: usableIpv6, linkLocal }, { requiredKeys: ["address"] });
}

/** Only what a session of this kind can carry, so that it must come back unchanged. */
export function attributesOf({ peerType, fourOctetAs }: CodecContext): fc.Arbitrary<PathAttributes> {
  const internal = peerType === "ibgp";
  const sequence = fc.record({
    type: fc.constant("sequence" as const),
    asNumbers: fc.array(asNumber, { minLength: 1, maxLength: 20 }),
  });
  const confederation = fc.record({
    type: fc.constant("confed-sequence" as const),
    asNumbers: fc.array(fourOctetAs ? asNumber : fc.integer({ min: 1, max: 65535 }), { minLength: 1, maxLength: 3 }),
  });
  const asPath = fc
    .tuple(fc.array(confederation, { maxLength: internal ? 1 : 0 }), fc.array(sequence, { maxLength: 3 }))
    .map(([first, rest]) => [...first, ...rest]);
  const code = fc.integer({ min: 0, max: 255 }).filter((value) => value > 40 || value === 0 || value === 11);
  return fc
    .record(
      {
        origin: fc.constantFrom(0 as const, 1 as const, 2 as const),
        asPath,
        med: uint32,
        localPref: uint32,
        atomicAggregate: fc.boolean(),
        aggregator: fc.record({ asNumber, address: ipv4 }),
        communities: fc.array(uint32, { maxLength: 80 }),
        extendedCommunities: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 10 }),
        largeCommunities: fc.array(fc.record({ global: uint32, local1: uint32, local2: uint32 }), { maxLength: 30 }),
        originatorId: uint32,
        clusterList: fc.array(uint32, { maxLength: internal ? 5 : 0 }),
        onlyToCustomer: uint32,
        unknown: fc
          .uniqueArray(fc.record({ flags: fc.constant(0xe0), code, value: octets(300) }), {
            maxLength: 3,
            selector: (attribute) => attribute.code,
          })
          .map((list) => list.toSorted((left, right) => left.code - right.code)),
      },
      {
        requiredKeys: [
          "origin",
          "asPath",
          "atomicAggregate",
          "communities",
          "extendedCommunities",
          "largeCommunities",
          "clusterList",
          "unknown",
        ],
      },
    )
    .map((attributes) => {
      if (internal) return attributes;
      const { localPref: _, originatorId: __, ...external } = attributes;
      return external;
    });
}

export interface Exchange {
  readonly session: CodecContext;
  readonly parts: UpdateParts & { readonly attributes: PathAttributes };
}

/** A session and what one side has to say on it. */
export const exchange: fc.Arbitrary<Exchange> = context.chain((session) => {
  const perFamily = (family: Family) => {
    const nlri = fc.array(nlriOf(family, session.addPathSend.includes(family)), {
      minLength: 1,
      maxLength: 900,
      size: "max",
    });
    return {
      withdrawal: fc.record({ family: fc.constant(family), nlri }),
      announcement: fc.record({ family: fc.constant(family), nextHop: nextHopOf(family), nlri }),
    };
  };
  const [first, second] = [perFamily("ipv4-unicast"), perFamily("ipv6-unicast")];
  return fc.record({
    session: fc.constant(session),
    parts: fc.record({
      withdrawals: fc.array(fc.oneof(first.withdrawal, second.withdrawal), { maxLength: 2 }),
      announcements: fc.array(fc.oneof(first.announcement, second.announcement), { maxLength: 2 }),
      attributes: attributesOf(session),
    }),
  });
});
