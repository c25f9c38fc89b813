import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Origin, type PathAttributes } from "../../src/bgp/packet/attributes.ts";
import {
  encodeEndOfRib,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  encodeShutdownCommunication,
  encodeUpdates,
} from "../../src/bgp/packet/index.ts";
import type { CodecContext } from "../../src/bgp/packet/message.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";

const context: CodecContext = {
  peerType: "ibgp",
  fourOctetAs: true,
  maxMessageLength: 4096,
  families: ["ipv4-unicast", "ipv6-unicast"],
  addPathReceive: [],
  addPathSend: [],
};

const everyAttribute: PathAttributes = {
  origin: Origin.incomplete,
  asPath: [
    { type: "sequence", asNumbers: [64512, 4200000001] },
    { type: "sequence", asNumbers: [65001] },
  ],
  med: 100,
  localPref: 2147482623,
  atomicAggregate: true,
  aggregator: { asNumber: 4200000001, address: IpAddress.parse("10.0.0.1") },
  communities: [0xffffff01, 64512 * 65536 + 100],
  extendedCommunities: [0x0002fc0000000064n],
  largeCommunities: [{ global: 4200000001, local1: 1, local2: 2 }],
  originatorId: 0x0a000002,
  clusterList: [0x0a000003, 0x0a000004],
  unknown: [],
};

const nlri = (...prefixes: string[]) => prefixes.map((text) => ({ prefix: Prefix.parse(text), pathId: 0 }));

const announcements = [
  {
    family: "ipv4-unicast" as const,
    nextHop: { address: IpAddress.parse("10.0.0.1") },
    nlri: nlri("10.244.0.0/26", "10.244.1.64/26", "0.0.0.0/0", "10.244.2.1/32"),
  },
  {
    family: "ipv6-unicast" as const,
    nextHop: { address: IpAddress.parse("fd00::1"), linkLocal: IpAddress.parse("fe80::1") },
    // Without ::/0, at which tshark guesses that the list has path identifiers.
    nlri: nlri("fd00:10:244::/122", "fd00:10:245::/122"),
  },
];

const messages: Record<string, Uint8Array[]> = {
  OPEN: [
    encodeOpen({
      version: 4,
      myAs: 23456,
      holdTimeSec: 90,
      bgpIdentifier: 0x0a000001,
      capabilities: [
        { kind: "multiprotocol", afi: 1, safi: 1 },
        { kind: "multiprotocol", afi: 2, safi: 1 },
        { kind: "route-refresh" },
        { kind: "enhanced-route-refresh" },
        { kind: "extended-message" },
        { kind: "four-octet-as", asNumber: 4200000001 },
        {
          kind: "graceful-restart",
          restarting: true,
          notification: true,
          restartTimeSec: 120,
          families: [{ afi: 1, safi: 1, forwardingPreserved: true }],
        },
      ],
    }),
  ],
  KEEPALIVE: [encodeKeepalive()],
  UPDATE: [
    ...encodeUpdates({ withdrawals: [], announcements, attributes: everyAttribute }, context),
    ...encodeUpdates(
      {
        withdrawals: [
          { family: "ipv4-unicast", nlri: nlri("10.244.0.0/26") },
          { family: "ipv6-unicast", nlri: nlri("fd00:10:244::/122") },
        ],
        announcements: [],
      },
      context,
    ),
    encodeEndOfRib("ipv4-unicast"),
    encodeEndOfRib("ipv6-unicast"),
  ],
  "ROUTE-REFRESH": [encodeRouteRefresh({ afi: 1, safi: 1, subtype: 0 })],
  NOTIFICATION: [
    encodeNotification({ code: 6, subcode: 2, data: encodeShutdownCommunication("node n1 is drained") }),
    encodeNotification({ code: 6, subcode: 3, data: new Uint8Array() }),
    encodeNotification({ code: 2, subcode: 6, data: Uint8Array.of(0, 1) }),
  ],
};

let folder: string;
let capture: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-tshark-"));
  capture = join(folder, "messages.pcap");
  const dump = Object.values(messages)
    .flat()
    .map((bytes) => `000000 ${[...bytes].map((octet) => octet.toString(16).padStart(2, "0")).join(" ")}\n`);
  writeFileSync(join(folder, "messages.txt"), dump.join("\n"));
  execFileSync("text2pcap", ["-q", "-T", "40000,179", join(folder, "messages.txt"), capture], { stdio: "pipe" });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tshark(...args: string[]): string[] {
  const output = execFileSync("tshark", ["-r", capture, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  return output
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "");
}

const values = (field: string) => tshark("-T", "fields", "-e", field).map((line) => line.trim());

describe("messages that we encode, seen by tshark", () => {
  it("are all recognised, as the type they are", () => {
    const types = { OPEN: "1", UPDATE: "2", NOTIFICATION: "3", KEEPALIVE: "4", "ROUTE-REFRESH": "5" };
    const expected = Object.entries(messages).flatMap(([name, list]) =>
      list.map(() => types[name as keyof typeof types]),
    );
    expect(values("bgp.type")).toEqual(expected);
  });

  it("decode without a warning", () => {
    // 0x600000 is "warning", 0x800000 "error".
    const complaints = tshark("-Y", "bgp && (_ws.malformed || _ws.expert.severity >= 0x600000)", "-V");
    expect(complaints).toEqual([]);
  });

  it("carry the prefixes, next hops and AS numbers that we put in", () => {
    const fields = (field: string) =>
      values(field)
        .join(",")
        .split(",")
        .filter((value) => value !== "");
    expect(fields("bgp.nlri_prefix")).toEqual(["10.244.0.0", "10.244.1.64", "0.0.0.0", "10.244.2.1"]);
    expect(fields("bgp.update.path_attribute.next_hop")).toEqual(["10.0.0.1"]);
    expect(new Set(fields("bgp.update.path_attribute.as_path_segment.as4"))).toEqual(
      new Set(["64512", "4200000001", "65001"]),
    );
    expect(fields("bgp.withdrawn_prefix")).toEqual(["10.244.0.0"]);
    expect(fields("bgp.mp_reach_nlri_ipv6_prefix")).toEqual(["fd00:10:244::", "fd00:10:245::"]);
    expect(fields("bgp.mp_unreach_nlri_ipv6_prefix")).toEqual(["fd00:10:244::"]);
    expect(fields("bgp.update.path_attribute.local_pref")).toContain("2147482623");
    expect(tshark("-V").join("\n")).toContain("node n1 is drained");
  });
});
