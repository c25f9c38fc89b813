import { expect, it } from "vitest";
import { multipathWeights } from "../../../../src/bgp/rib/link-bandwidth.ts";
import { attributesOf, pathOf, peerSource } from "../../../support/bgp.ts";

/** Octets per second as the community carries them. */
function bandwidth(value: number, type = 0x4004n): bigint {
  const octets = new DataView(new ArrayBuffer(4));
  octets.setFloat32(0, value);
  return (type << 48n) | (64512n << 32n) | BigInt(octets.getUint32(0));
}

const paths = (...communities: (bigint | undefined)[]) =>
  communities.map((community, index) =>
    pathOf(
      peerSource(index + 1),
      attributesOf([], { extendedCommunities: community === undefined ? [] : [0x0002_fc00_0000_0001n, community] }),
    ),
  );

it.each([
  ["a link of twice the bandwidth gets twice the packets", [bandwidth(1.25e9), bandwidth(2.5e9)], [50, 100]],
  ["transitive ones count as well", [bandwidth(1e9, 0x0004n), bandwidth(1e10)], [10, 100]],
  ["a tiny link gets a share, too", [bandwidth(1), bandwidth(1e12)], [1, 100]],
  ["equal ones share equally", [bandwidth(5e8), bandwidth(5e8), bandwidth(5e8)], [100, 100, 100]],
  ["if one says nothing, nothing is weighed", [bandwidth(1e9), undefined], undefined],
  ["zero, negative and not-a-number say nothing", [bandwidth(1e9), bandwidth(0)], undefined],
  ["nor does infinity", [bandwidth(1e9), bandwidth(Number.POSITIVE_INFINITY)], undefined],
  ["a single path needs no weight", [bandwidth(1e9)], undefined],
] as const)("%s", (_, communities, expected) => {
  expect(multipathWeights(paths(...communities))).toEqual(expected);
});
