import { describe, expect, test } from "vitest";
import { formatCapability } from "../../../../src/bgp/packet/format-capability.ts";
import { fromHex } from "./sessions.ts";

describe("a capability for people", () => {
  test.each([
    ["route-refresh", { kind: "route-refresh" }],
    ["multiprotocol ipv6-unicast", { kind: "multiprotocol", afi: 2, safi: 1 }],
    ["multiprotocol ipv4-multicast", { kind: "multiprotocol", afi: 1, safi: 2 }],
    ["multiprotocol 25/70", { kind: "multiprotocol", afi: 25, safi: 70 }],
    ["four-octet-as 4200000000", { kind: "four-octet-as", asNumber: 4_200_000_000 }],
    [
      "graceful-restart 120s restarting notification ipv4-unicast:preserved ipv6-unicast",
      {
        kind: "graceful-restart",
        restarting: true,
        notification: true,
        restartTimeSec: 120,
        families: [
          { afi: 1, safi: 1, forwardingPreserved: true },
          { afi: 2, safi: 1, forwardingPreserved: false },
        ],
      },
    ],
    [
      "long-lived-graceful-restart ipv4-unicast:86400s:preserved",
      {
        kind: "long-lived-graceful-restart",
        families: [{ afi: 1, safi: 1, forwardingPreserved: true, staleTimeSec: 86_400 }],
      },
    ],
    ["add-path ipv4-unicast:both", { kind: "add-path", families: [{ afi: 1, safi: 1, mode: "both" }] }],
    [
      "extended-next-hop ipv4-unicast:ipv6 ipv4-unicast:afi3",
      {
        kind: "extended-next-hop",
        families: [
          { afi: 1, safi: 1, nextHopAfi: 2 },
          { afi: 1, safi: 1, nextHopAfi: 3 },
        ],
      },
    ],
    ["role customer", { kind: "role", value: 3 }],
    ["role 77", { kind: "role", value: 77 }],
    ["fqdn 0x026e3100", { kind: "unknown", code: 73, value: fromHex("026e3100") }],
    ["capability 200 0xcafe", { kind: "unknown", code: 200, value: fromHex("cafe") }],
    ["route-refresh-cisco", { kind: "unknown", code: 128, value: new Uint8Array(0) }],
  ] as const)("reads %s", (text, capability) => {
    expect(formatCapability(capability)).toBe(text);
  });
});
