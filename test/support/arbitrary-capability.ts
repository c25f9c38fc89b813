import fc from "fast-check";
import type { AddPathFamily, Capability } from "../../src/bgp/packet/capability.ts";

const uint8 = fc.integer({ min: 0, max: 255 });
const uint16 = fc.integer({ min: 0, max: 65535 });
const afiSafi = { afi: uint16, safi: uint8 };

/** Any capability but that of four-octet AS numbers, of which an OPEN can have only one. */
export const capability: fc.Arbitrary<Capability> = fc.oneof(
  fc.record({ kind: fc.constant("multiprotocol" as const), ...afiSafi }),
  fc.constantFrom<Capability>(
    { kind: "route-refresh" },
    { kind: "extended-message" },
    { kind: "enhanced-route-refresh" },
  ),
  fc.record({
    kind: fc.constant("graceful-restart" as const),
    restarting: fc.boolean(),
    notification: fc.boolean(),
    restartTimeSec: fc.integer({ min: 0, max: 4095 }),
    families: fc.array(fc.record({ ...afiSafi, forwardingPreserved: fc.boolean() }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant("add-path" as const),
    families: fc.array(
      fc.record({ ...afiSafi, mode: fc.constantFrom<AddPathFamily["mode"]>("receive", "send", "both") }),
      { maxLength: 5 },
    ),
  }),
  fc.record({
    kind: fc.constant("extended-next-hop" as const),
    families: fc.array(fc.record({ ...afiSafi, nextHopAfi: uint16 }), { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant("role" as const), value: uint8 }),
  fc.record({
    kind: fc.constant("long-lived-graceful-restart" as const),
    families: fc.array(fc.record({ ...afiSafi, forwardingPreserved: fc.boolean(), staleTimeSec: fc.nat(0xffffff) }), {
      maxLength: 5,
    }),
  }),
  fc.record({
    kind: fc.constant("unknown" as const),
    code: fc.integer({ min: 72, max: 255 }),
    value: fc.uint8Array({ maxLength: 80 }),
  }),
);
