import { describe, expect, it } from "vitest";
import { type DetectionInput, resolveNodeAddress } from "../../../../src/agent/config/detect-address.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import type { KernelRoute, Link } from "../../../../src/netlink/types.ts";

const link = (index: number, name: string, loopback = false): Link => ({
  index,
  name,
  mtu: 1500,
  up: true,
  running: true,
  loopback,
});
const address = (interfaceIndex: number, text: string, prefixLength: number) => ({
  interfaceIndex,
  address: IpAddress.parse(text),
  prefixLength,
  scope: "universe" as const,
});

const viaEth0: KernelRoute = {
  destination: Prefix.parse("192.0.2.1/32"),
  type: "unicast",
  table: 254,
  protocol: 2,
  scope: "universe",
  metric: 0,
  tos: 0,
  preferredSource: IpAddress.parse("10.0.0.5"),
  nextHops: [],
};

const input: DetectionInput = {
  links: [link(1, "lo", true), link(2, "eth0"), link(3, "eth1"), link(4, "docker0"), link(5, "cali12345678901")],
  addresses: [
    address(1, "127.0.0.1", 8),
    address(2, "10.0.0.5", 24),
    address(2, "fd00::5", 64),
    { ...address(3, "fe80::5", 64), scope: "link" },
    { ...address(3, "2001:db8:7::77aa", 64), temporary: true },
    address(3, "2001:db8:7::5", 64),
    address(3, "192.168.7.5", 16),
    address(4, "172.17.0.1", 16),
    { ...address(3, "169.254.3.3", 16), scope: "link" },
  ],
  routeTo: async () => viaEth0,
};

const resolve = async (wanted: string, method = "first-found", family: 4 | 6 = 4) => {
  const found = await resolveNodeAddress(family, wanted, method, input);
  return found && `${found.address}/${found.prefixLength}`;
};

describe("resolveNodeAddress", () => {
  it("takes an explicit address as it is", async () => {
    expect(await resolve("10.9.9.9/20")).toBe("10.9.9.9/20");
  });

  it("gives an address without a length that of its interface, else /32", async () => {
    expect(await resolve("10.0.0.5")).toBe("10.0.0.5/24");
    expect(await resolve("10.9.9.9")).toBe("10.9.9.9/32");
  });

  it("finds no address for none", async () => {
    expect(await resolve("none")).toBeUndefined();
  });

  it("finds the last interface first and skips those of container software", async () => {
    expect(await resolve("autodetect")).toBe("192.168.7.5/16");
  });

  it("follows the detection method", async () => {
    expect(await resolve("autodetect", "interface=eth0")).toBe("10.0.0.5/24");
    expect(await resolve("autodetect", "skip-interface=eth1")).toBe("10.0.0.5/24");
    expect(await resolve("autodetect", "cidr=172.16.0.0/12,10.0.0.0/8")).toBe("172.17.0.1/16");
    expect(await resolve("autodetect", "can-reach=192.0.2.1")).toBe("10.0.0.5/24");
  });

  it("finds an IPv6 address by the same rules, and no link-local nor temporary one", async () => {
    expect(await resolve("autodetect", "first-found", 6)).toBe("2001:db8:7::5/64");
    expect(await resolve("autodetect", "interface=eth0", 6)).toBe("fd00::5/64");
    expect(await resolve("autodetect", "cidr=fd00::/8", 6)).toBe("fd00::5/64");
    expect(await resolve("fd00::5", "first-found", 6)).toBe("fd00::5/64");
    expect(await resolve("fd00::9", "first-found", 6)).toBe("fd00::9/128");
    expect(await resolve("none", "first-found", 6)).toBeUndefined();
    await expect(resolve("autodetect", "interface=wlan.*", 6)).rejects.toThrow(
      "no IPv6 address fits --ip6-autodetection-method interface=wlan.*; give the node's address with --ip6",
    );
  });

  it("says what to do if nothing fits", async () => {
    await expect(resolve("autodetect", "interface=wlan.*")).rejects.toThrow("give the node's address with --ip");
  });
});
