import { describe, expect, test } from "vitest";
import { IpAddress } from "../../../../src/net/address.ts";
import { encodeRequest } from "../../../../src/netlink/codec/request.ts";
import { encodeRouteDump, encodeRouteLookup } from "../../../../src/netlink/codec/route-encoder.ts";
import { MessageWriter } from "../../../../src/netlink/codec/writer.ts";
import { NetlinkError } from "../../../../src/netlink/errors.ts";
import type { LinkSpec, NetlinkRequest } from "../../../../src/netlink/types.ts";
import { nextHop, payloadHex, routeTo } from "./samples.ts";

const hexOf = (request: NetlinkRequest): string => {
  const writer = new MessageWriter();
  encodeRequest(writer, 0x01020304, request);
  return Buffer.from(writer.finish()).toString("hex");
};
/** Octets of a message, written as pieces that each have a name in the kernel's headers. */
const octets = (...pieces: string[]): string => pieces.join("").replaceAll(" ", "");
const header = (length: string, type: string, flags: string): string =>
  `${length}000000${type}${flags}0403020100000000`;

describe("routes as the kernel reads them (little-endian hosts)", () => {
  const via = routeTo("10.65.1.0/26", { metric: 1024, nextHops: [nextHop("10.0.0.6", { interfaceIndex: 4 })] });
  const body = octets(
    "02 1a 00 00 fe ca 00 01 00000000", // rtmsg: AF_INET /26 tos 0, main, protocol 202, universe, unicast
    "0800 0100 0a410100", // RTA_DST
    "0800 0600 00040000", // RTA_PRIORITY 1024
    "0800 0500 0a000006", // RTA_GATEWAY
    "0800 0400 04000000", // RTA_OIF
  );

  test("replace is NLM_F_CREATE|NLM_F_REPLACE, add NLM_F_CREATE|NLM_F_EXCL", () => {
    expect(hexOf({ op: "route-replace", route: via })).toBe(octets(header("3c", "1800", "0105"), body));
    expect(hexOf({ op: "route-add", route: via })).toBe(octets(header("3c", "1800", "0106"), body));
  });

  test("a deletion leaves open what it does not name", () => {
    const key = { destination: via.destination, table: 254, metric: 0, tos: 0 };
    expect(hexOf({ op: "route-delete", key })).toBe(
      octets(header("24", "1900", "0100"), "021a0000fe00ff0000000000", "080001000a410100"),
    );
    expect(hexOf({ op: "route-delete", key: { ...key, metric: 7 }, protocol: 202, type: "blackhole" })).toBe(
      octets(header("2c", "1900", "0100"), "021a0000fecaff0600000000", "080001000a410100", "0800060007000000"),
    );
  });

  test("a deletion of an IPv6 route without a metric means the one that the kernel gave it", () => {
    const key = { destination: routeTo("fd00::/8").destination, table: 254, metric: 0, tos: 0 };
    expect(hexOf({ op: "route-delete", key })).toContain("0800060000040000");
  });

  test.each([
    [
      "no destination for a default route",
      routeTo("0.0.0.0/0", { nextHops: [nextHop("10.0.0.1")] }),
      "02000000feca000100000000080005000a000001",
    ],
    [
      "a blackhole without next hops",
      routeTo("10.0.0.0/8", { type: "blackhole" }),
      "02080000feca000600000000080001000a000000",
    ],
    [
      "onlink as a flag of the route",
      routeTo("10.0.0.0/8", { nextHops: [nextHop("1.2.3.4", { onlink: true })] }),
      "02080000feca000104000000080001000a0000000800050001020304",
    ],
    [
      "an MTU inside RTA_METRICS",
      routeTo("10.0.0.0/8", { mtu: 1480 }),
      "02080000feca000100000000080001000a0000000c00088008000200c8050000",
    ],
    [
      "a table above 255 as an attribute",
      routeTo("10.0.0.0/8", { table: 1000 }),
      "0208000000ca000100000000080001000a00000008000f00e8030000",
    ],
    [
      "scope, tos and preferred source",
      routeTo("10.0.0.0/8", { scope: "link", tos: 16, preferredSource: IpAddress.parse("10.0.0.1") }),
      "02080010fecafd0100000000080001000a000000080007000a000001",
    ],
    [
      "next hops with weights as RTA_MULTIPATH",
      routeTo("10.0.0.0/8", {
        nextHops: [nextHop("1.2.3.4", { interfaceIndex: 4 }), nextHop("1.2.3.5", { weight: 5, onlink: true })],
      }),
      "02080000feca000100000000080001000a00000024000900100000000400000008000500010203041000040400000000080005000102030" +
        "5",
    ],
    [
      "an IPv6 gateway of an IPv4 route as RTA_VIA",
      routeTo("10.0.0.0/8", { nextHops: [nextHop("fd00::9")] }),
      "02080000feca000100000000080001000a000000160012000a00fd0000000000000000000000000000090000",
    ],
  ])("%s", (_what, route, hex) => {
    expect(hexOf({ op: "route-replace", route }).slice(32)).toBe(hex);
  });

  test("a dump names the table and the protocol that it wants", () => {
    expect(payloadHex((writer) => encodeRouteDump(writer, { family: 6, table: 254, protocol: 202 }))).toBe(
      "0a000000feca000000000000",
    );
    expect(payloadHex((writer) => encodeRouteDump(writer, { family: 4, table: 300 }))).toBe(
      "02000000000000000000000008000f002c010000",
    );
  });

  test("a look-up asks for the table that answers, which strict checking refuses for IPv6", () => {
    expect(payloadHex((writer) => encodeRouteLookup(writer, IpAddress.parse("fd00::9"))).slice(0, 24)).toBe(
      "0a8000000000000000000000",
    );
    expect(payloadHex((writer) => encodeRouteLookup(writer, IpAddress.parse("10.0.0.9")))).toBe(
      "022000000000000000100000080001000a000009",
    );
  });
});

describe("links as the kernel reads them", () => {
  const linkHex = (link: LinkSpec): string => hexOf({ op: "link-add", link }).slice(32);

  test("a veth whose peer starts in another namespace", () => {
    const link: LinkSpec = {
      kind: "veth",
      name: "cali0",
      mtu: 1400,
      macAddress: "ee:ee:ee:ee:ee:ee",
      up: true,
      peer: { name: "eth0", mtu: 1400, namespace: { fd: 9 } },
    };
    expect(linkHex(link)).toBe(
      octets(
        "00000000 00000000 01000000 01000000", // ifinfomsg: index 0, IFF_UP of IFF_UP
        "0a00 0300 63616c693000 0000", // IFLA_IFNAME
        "0800 0400 78050000", // IFLA_MTU
        "0a00 0100 eeeeeeeeeeee 0000", // IFLA_ADDRESS
        "4400 1280", // IFLA_LINKINFO
        "0900 0100 7665746800 000000", // IFLA_INFO_KIND
        "3400 0280 3000 0180", // IFLA_INFO_DATA, VETH_INFO_PEER
        "00000000 00000000 00000000 00000000", // ifinfomsg of the peer
        "0900 0300 6574683000 000000",
        "0800 0400 78050000",
        "0800 1c00 09000000", // IFLA_NET_NS_FD
      ),
    );
  });

  test("a vxlan device, its port in network byte order", () => {
    const local = IpAddress.parse("10.0.0.1");
    const link: LinkSpec = { kind: "vxlan", name: "vx", vni: 4096, port: 4789, local, parentIndex: 4, learning: false };
    expect(linkHex(link)).toBe(
      octets(
        "00000000 00000000 00000000 00000000",
        "0700 0300 767800 00",
        "3c00 1280 0a00 0100 76786c616e00 0000",
        "2c00 0280",
        "0800 0100 00100000", // IFLA_VXLAN_ID
        "0600 0f00 12b5 0000", // IFLA_VXLAN_PORT
        "0500 0700 00 000000", // IFLA_VXLAN_LEARNING
        "0800 0300 04000000", // IFLA_VXLAN_LINK
        "0800 0400 0a000001", // IFLA_VXLAN_LOCAL
      ),
    );
  });

  test("an ipip tunnel", () => {
    const link: LinkSpec = {
      kind: "ipip",
      name: "t",
      local: IpAddress.parse("10.0.0.1"),
      remote: IpAddress.parse("10.0.0.2"),
      ttl: 64,
      pmtuDiscovery: true,
    };
    expect(linkHex(link)).toBe(
      octets(
        "00000000 00000000 00000000 00000000 0600 0300 7400 0000",
        "3400 1280 0900 0100 6970697000 000000",
        "2400 0280",
        "0800 0200 0a000001 0800 0300 0a000002", // IFLA_IPTUN_LOCAL, _REMOTE
        "0500 0400 40 000000 0500 0a00 01 000000", // IFLA_IPTUN_TTL, _PMTUDISC
      ),
    );
  });

  test("a link is told by index or by name, and its flag only touched if asked", () => {
    expect(hexOf({ op: "link-set", link: 7, change: { up: false, masterIndex: 0 } })).toBe(
      octets(header("28", "1300", "0100"), "00000000 07000000 00000000 01000000", "0800 0a00 00000000"),
    );
    expect(hexOf({ op: "link-set", link: "eth0", change: { mtu: 1400 } })).toBe(
      octets(
        header("34", "1300", "0100"),
        "00000000 00000000 00000000 00000000 0900030065746830000000000800040078050000",
      ),
    );
    expect(hexOf({ op: "link-delete", link: 7 })).toBe(
      octets(header("20", "1100", "0100"), "00000000 07000000 00000000 00000000"),
    );
  });
});

describe("addresses and neighbours as the kernel reads them", () => {
  test("an address is written as both the local and the prefix's one", () => {
    const address = {
      interfaceIndex: 4,
      address: IpAddress.parse("10.0.0.1"),
      prefixLength: 24,
      scope: "universe",
    } as const;
    expect(hexOf({ op: "address-replace", address })).toBe(
      octets(header("28", "1400", "0105"), "02180000 04000000", "080002000a000001 080001000a000001"),
    );
    expect(hexOf({ op: "address-delete", address }).slice(0, 16)).toBe("2800000015000100");
    expect(hexOf({ op: "address-replace", address: { ...address, noDuplicateDetection: true } })).toMatch(
      /0800080002000000$/,
    );
  });

  test("a neighbour", () => {
    const neighbour = {
      interfaceIndex: 4,
      address: IpAddress.parse("10.0.0.6"),
      macAddress: "02:00:00:00:00:06",
      state: "permanent",
    } as const;
    expect(hexOf({ op: "neighbour-replace", neighbour })).toBe(
      octets(header("30", "1c00", "0105"), "02000000 04000000 8000 00 00", "080001000a000006 0a0002000200000000060000"),
    );
    expect(hexOf({ op: "neighbour-delete", neighbour: { interfaceIndex: 4, address: neighbour.address } })).toBe(
      octets(header("24", "1d00", "0100"), "02000000 04000000 0000 00 00", "080001000a000006"),
    );
  });

  test("an entry of a forwarding database belongs to the device itself", () => {
    const entry = { interfaceIndex: 6, macAddress: "66:48:f6:56:dc:f1", destination: IpAddress.parse("172.17.0.6") };
    const body = "07000000 06000000 c000 02 00 0a0002006648f656dcf10000 08000100ac110006";
    expect(hexOf({ op: "forwarding-replace", entry })).toBe(octets(header("30", "1c00", "0105"), body));
    expect(hexOf({ op: "forwarding-delete", entry })).toBe(octets(header("30", "1d00", "0100"), body));
  });
});

describe("requests that cannot be put into bytes", () => {
  const route = routeTo("10.0.0.0/8");
  test.each<[string, NetlinkRequest]>([
    ["protocol", { op: "route-add", route: { ...route, protocol: 256 } }],
    ["metric", { op: "route-add", route: { ...route, metric: -1 } }],
    ["tos", { op: "route-add", route: { ...route, tos: 1.5 } }],
    ["table", { op: "route-add", route: { ...route, table: 2 ** 32 } }],
    ["mtu", { op: "route-add", route: { ...route, mtu: 70_000 } }],
    [
      "nextHops.weight",
      { op: "route-add", route: { ...route, nextHops: [nextHop("1.1.1.1", { weight: 257 }), nextHop("1.1.1.2")] } },
    ],
    [
      "nextHops.interfaceIndex",
      { op: "route-add", route: { ...route, nextHops: [nextHop("1.1.1.1", { interfaceIndex: 0 })] } },
    ],
    ["preferredSource", { op: "route-add", route: { ...route, preferredSource: IpAddress.parse("fd00::1") } }],
    ["name", { op: "link-add", link: { kind: "bridge", name: "sixteen-octets-x" } }],
    ["name", { op: "link-add", link: { kind: "bridge", name: "a/b" } }],
    ["macAddress", { op: "link-set", link: 3, change: { macAddress: "ee:ee:ee:ee:ee" } }],
    ["link", { op: "link-set", link: "eth0", change: { name: "eth1" } }],
    ["vni", { op: "link-add", link: { kind: "vxlan", name: "vx", vni: 2 ** 24, port: 4789, learning: false } }],
    [
      "prefixLength",
      {
        op: "address-replace",
        address: { interfaceIndex: 1, address: IpAddress.parse("10.0.0.1"), prefixLength: 33, scope: "universe" },
      },
    ],
  ])("are refused with the name of the field: %s", (field, request) => {
    const writer = new MessageWriter();
    encodeRequest(writer, 1, { op: "link-delete", link: 1 });
    const before = Buffer.from(writer.finish()).toString("hex");
    expect(() => encodeRequest(writer, 2, request)).toThrow(NetlinkError);
    expect(() => encodeRequest(writer, 2, request)).toThrow(field);
    expect(Buffer.from(writer.finish()).toString("hex")).toBe(before);
    // What comes next is as if nothing had happened, down to the filling after its name.
    encodeRequest(writer, 0x01020304, { op: "link-delete", link: "eth0" });
    const next = Buffer.from(writer.finish()).toString("hex").slice(before.length);
    expect(next).toBe(hexOf({ op: "link-delete", link: "eth0" }));
  });
});
