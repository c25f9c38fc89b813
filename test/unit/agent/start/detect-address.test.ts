import { describe, expect, it } from "vitest";
import { type DetectionInput, detectAddress, resolveNodeAddress } from "../../../../src/agent/start/detect-address.ts";
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
  routeTo: async (wanted) => (wanted.toString() === "192.0.2.1" ? viaEth0 : undefined),
  lookUp: async (host) => {
    if (host === "gateway.example") return IpAddress.parse("192.0.2.1");
    throw new Error(`there is no ${host}`);
  },
  hostIps: [IpAddress.parse("10.0.0.5"), IpAddress.parse("fd00::5")],
};

const judged = async (method: string, changes: Partial<DetectionInput> = {}, family: 4 | 6 = 4) =>
  (await detectAddress(family, method, { ...input, ...changes })).map(
    ({ device, address: found, verdict, reason }) => `${found} ${device} ${verdict}: ${reason}`,
  );

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

  it("finds what leads to a host by its name, and the node's address in Kubernetes", async () => {
    expect(await resolve("autodetect", "can-reach=gateway.example")).toBe("10.0.0.5/24");
    await expect(resolve("autodetect", "can-reach=nowhere.example")).rejects.toThrow("there is no nowhere.example");
    expect(await resolve("autodetect", "kubernetes-internal-ip")).toBe("10.0.0.5/24");
    expect(await resolve("autodetect", "kubernetes-internal-ip", 6)).toBe("fd00::5/64");
    await expect(
      resolveNodeAddress(4, "autodetect", "kubernetes-internal-ip", { ...input, hostIps: [] }),
    ).rejects.toThrow("set CALIBIRD_HOST_IPS from status.hostIPs");
  });

  it("says what to do if nothing fits", async () => {
    await expect(resolve("autodetect", "interface=wlan.*")).rejects.toThrow("give the node's address with --ip");
  });
});

describe("the explanation of a node's address", () => {
  it("names every address, best first, and why it is taken or not", async () => {
    expect(await judged("first-found")).toEqual([
      "192.168.7.5 eth1 taken: the best that there is",
      "10.0.0.5 eth0 possible: 192.168.7.5 is better: its interface is older: the last one comes first",
      "127.0.0.1 lo refused: it is on the loopback interface",
      "172.17.0.1 docker0 refused: its interface is one of container software",
      "169.254.3.3 eth1 refused: it is valid on its link only",
    ]);
    expect(await judged("cidr=10.0.0.0/8")).toEqual([
      "10.0.0.5 eth0 taken: the best that there is",
      "127.0.0.1 lo refused: it is on the loopback interface",
      "192.168.7.5 eth1 refused: it is not in 10.0.0.0/8",
      "172.17.0.1 docker0 refused: it is not in 10.0.0.0/8",
      "169.254.3.3 eth1 refused: it is valid on its link only",
    ]);
    expect(await judged("can-reach=192.0.2.1")).toContain(
      "192.168.7.5 eth1 refused: 192.0.2.1 is reached from 10.0.0.5",
    );
    expect(await judged("interface=eth1,eth0")).toContain(
      "10.0.0.5 eth0 possible: 192.168.7.5 is better: it fits a later part of the method",
    );
    expect((await judged("first-found", {}, 6)).slice(-2)).toEqual([
      "fe80::5 eth1 refused: it is valid on its link only",
      "2001:db8:7::77aa eth1 refused: it is temporary (RFC 8981)",
    ]);
  });

  it("puts an interface that is up first, then that of the default route, then the last one", async () => {
    const links = input.links.map((one) => (one.name === "eth1" ? { ...one, running: false } : one));
    expect((await judged("first-found", { links })).slice(0, 2)).toEqual([
      "10.0.0.5 eth0 taken: the best that there is",
      "192.168.7.5 eth1 possible: 10.0.0.5 is better: its interface is down or has no carrier",
    ]);
    const byEth0 = { gateway: IpAddress.parse("10.0.0.254"), interfaceIndex: 2, onlink: false, weight: 1 };
    const routeTo = async () => ({ ...viaEth0, nextHops: [byEth0] });
    expect((await judged("first-found", { routeTo })).slice(0, 2)).toEqual([
      "10.0.0.5 eth0 taken: the best that there is",
      "192.168.7.5 eth1 possible: 10.0.0.5 is better: the default route is not by its interface",
    ]);
    expect((await judged("interface=eth1,eth0", { routeTo }))[0]).toContain("192.168.7.5 eth1 taken");
  });

  it("leaves out an address that another machine has, and takes a deprecated one last", async () => {
    const addresses = [
      address(3, "2001:db8::1", 64),
      { ...address(3, "2001:db8::2", 64), deprecated: true },
      { ...address(3, "2001:db8::3", 64), duplicate: true },
    ];
    expect(await judged("first-found", { addresses: addresses.toReversed() }, 6)).toEqual([
      "2001:db8::1 eth1 taken: the best that there is",
      "2001:db8::2 eth1 possible: 2001:db8::1 is better: it is deprecated, soon to be replaced",
      "2001:db8::3 eth1 refused: another machine on the link has it, too",
    ]);
  });

  it("takes the first of two equal addresses of an interface", async () => {
    const addresses = [address(2, "10.0.0.5", 24), address(2, "10.0.0.6", 24)];
    expect(await judged("first-found", { addresses })).toEqual([
      "10.0.0.5 eth0 taken: the best that there is",
      "10.0.0.6 eth0 possible: 10.0.0.5 is better: a later address of the same interface",
    ]);
  });
});
