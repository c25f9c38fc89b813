import fc from "fast-check";
import { expect, it } from "vitest";
import { PacketMemory } from "../../../src/sys/packet-memory.ts";
import { fold, sumOctets } from "../../../src/tunnel/checksum.ts";
import { naiveSum } from "../../support/tcp-packets.ts";

/** Zero has two representations in one's complement. */
const same = (sum: number) => sum % 0xffff;

it("sums octets from any place as two by two, and nothing beside them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(33), (octets, at) => {
      const memory = new PacketMemory(400);
      memory.bytes.fill(0xa5);
      memory.bytes.set(octets, at);
      expect(same(sumOctets(memory, at, octets.length))).toBe(same(naiveSum(octets)));
    }),
    { numRuns: 1000 },
  );
});

it("does not overflow with the largest packet of the largest octets", () => {
  const memory = new PacketMemory(65_544);
  memory.bytes.fill(0xff);
  expect(sumOctets(memory, 0, 65_535)).toBe(fold(naiveSum(memory.bytes.subarray(0, 65_535))));
  expect(same(sumOctets(memory, 1, 65_535))).toBe(same(naiveSum(memory.bytes.subarray(1, 65_536))));
});
