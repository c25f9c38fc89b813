import { describe, expect, it } from "vitest";
import { addressText, resolveOwnAddresses } from "../../../../src/agent/start/own-addresses.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { NodeSpec } from "../../../../src/resources/node.ts";

const address = (text: string, prefixLength: number) => ({
  ...{ interfaceIndex: 2, address: IpAddress.parse(text), prefixLength },
  scope: "universe" as const,
});
const kernel = {
  links: [{ index: 2, name: "eth0", mtu: 1500, up: true, running: true, loopback: false }],
  addresses: [address("10.0.0.5", 24), address("2001:db8::5", 64)],
  routeTo: async () => undefined,
  lookUp: async () => IpAddress.parse("10.0.0.1"),
  hostIps: [],
};

async function resolve(settings: { ip?: string; ip6?: string }, stored?: NodeSpec): Promise<string[]> {
  const methods = { ipAutodetectionMethod: "first-found", ip6AutodetectionMethod: "first-found" };
  const found = await resolveOwnAddresses({ ip: settings.ip, ip6: settings.ip6, ...methods }, stored, kernel);
  return Object.values(found).map(addressText);
}

const stored: NodeSpec = { bgp: { ipv4Address: "10.9.9.9/20", ipv6Address: "2001:db8:9::9/56" } };

describe("the addresses of this node", () => {
  it("are without settings the stored ones, else an IPv4 address that is found, and no IPv6 one", async () => {
    expect(await resolve({}, stored)).toEqual(["10.9.9.9/20", "2001:db8:9::9/56"]);
    expect(await resolve({}, { bgp: { ipv4Address: "10.9.9.9/20" } })).toEqual(["10.9.9.9/20"]);
    expect(await resolve({})).toEqual(["10.0.0.5/24"]);
  });

  it("are found anew if that is asked for, whatever is stored", async () => {
    expect(await resolve({ ip: "autodetect", ip6: "autodetect" }, stored)).toEqual(["10.0.0.5/24", "2001:db8::5/64"]);
  });

  it("are those of the settings, and none where these say so", async () => {
    expect(await resolve({ ip: "10.0.0.7/25", ip6: "2001:db8::7/60" }, stored)).toEqual([
      "10.0.0.7/25",
      "2001:db8::7/60",
    ]);
    expect(await resolve({ ip: "none" }, stored)).toEqual(["2001:db8:9::9/56"]);
    expect(await resolve({ ip6: "none" }, stored)).toEqual(["10.9.9.9/20"]);
    expect(await resolve({ ip: "none", ip6: "none" }, stored)).toEqual([]);
  });
});
