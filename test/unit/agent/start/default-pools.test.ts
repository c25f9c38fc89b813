import { describe, expect, it } from "vitest";
import { resolveConfig } from "../../../../src/agent/config/resolve.ts";
import { defaultPools } from "../../../../src/agent/start/default-pools.ts";
import { Prefix } from "../../../../src/net/prefix.ts";

const configOf = (environment: Record<string, string> = {}) => resolveConfig({ flags: {}, environment });

const surroundings = {
  families: [4, 6] as const,
  ownSubnets: [Prefix.parse("10.0.0.0/24")],
  randomBytes: (count: number) => Uint8Array.from({ length: count }, (_value, index) => index + 1),
};

const poolsOf = async (environment: Record<string, string> = {}, changes: Partial<typeof surroundings> = {}) =>
  defaultPools(await configOf(environment), { ...surroundings, ...changes }).map(({ metadata, spec }) => ({
    name: metadata.name,
    ...spec,
  }));

describe("the default pools", () => {
  it("are those of Calico, one of each family that the node has", async () => {
    expect(await poolsOf()).toEqual([
      {
        name: "default-ipv4-ippool",
        cidr: "192.168.0.0/16",
        ipipMode: "Never",
        vxlanMode: "Never",
        natOutgoing: true,
        blockSize: 26,
        nodeSelector: "all()",
      },
      {
        name: "default-ipv6-ippool",
        cidr: "fd01:203:405::/48",
        ipipMode: "Never",
        vxlanMode: "Never",
        natOutgoing: false,
        blockSize: 122,
        nodeSelector: "all()",
      },
    ]);
    expect((await poolsOf({}, { families: [4] as never })).map(({ cidr }) => cidr)).toEqual(["192.168.0.0/16"]);
  });

  it("are as Calico's variables say", async () => {
    const environment = {
      CALICO_IPV4POOL_CIDR: "10.244.0.0/16",
      CALICO_IPV4POOL_IPIP: "CrossSubnet",
      CALICO_IPV4POOL_VXLAN: "Off",
      CALICO_IPV4POOL_NAT_OUTGOING: "false",
      CALICO_IPV4POOL_BLOCK_SIZE: "28",
      CALICO_IPV4POOL_NODE_SELECTOR: "rack == 'r1'",
      CALICO_IPV4POOL_DISABLE_BGP_EXPORT: "true",
      CALICO_IPV6POOL_CIDR: "fd00:244::/48",
      CALICO_IPV6POOL_VXLAN: "Always",
      CALICO_IPV6POOL_NAT_OUTGOING: "true",
      CALICO_IPV6POOL_BLOCK_SIZE: "124",
      CALICO_IPV6POOL_NODE_SELECTOR: "!all()",
      CALICO_IPV6POOL_DISABLE_BGP_EXPORT: "true",
    };
    expect(await poolsOf(environment, { families: [] as never })).toEqual([
      {
        name: "default-ipv4-ippool",
        cidr: "10.244.0.0/16",
        ipipMode: "CrossSubnet",
        vxlanMode: "Never",
        natOutgoing: false,
        blockSize: 28,
        nodeSelector: "rack == 'r1'",
        disableBGPExport: true,
      },
      {
        name: "default-ipv6-ippool",
        cidr: "fd00:244::/48",
        ipipMode: "Never",
        vxlanMode: "Always",
        natOutgoing: true,
        blockSize: 124,
        nodeSelector: "!all()",
        disableBGPExport: true,
      },
    ]);
  });

  it("leave the network of the machine alone, unless that is what the settings say", async () => {
    const ownSubnets = [Prefix.parse("192.168.7.0/24"), Prefix.parse("10.0.0.0/8")];
    const cidrOf = async (environment: Record<string, string>) => (await poolsOf(environment, { ownSubnets }))[0]?.cidr;
    expect(await cidrOf({})).toBe("172.20.0.0/16");
    expect(await cidrOf({ CALICO_IPV4POOL_CIDR: "10.1.0.0/16" })).toBe("10.1.0.0/16");
  });

  it("are none with NO_DEFAULT_POOLS", async () => {
    expect(await poolsOf({ NO_DEFAULT_POOLS: "true" })).toEqual([]);
  });

  it.each([
    [{ NO_DEFAULT_POOLS: "true", CALICO_IPV4POOL_CIDR: "10.1.0.0/16" }, "no default pool, but one of 10.1.0.0/16"],
    [
      { CALICO_IPV4POOL_IPIP: "Always", CALICO_IPV4POOL_VXLAN: "Always" },
      "must be Never, because ipv4PoolIpip is Always",
    ],
    [{ CALICO_IPV4POOL_IPIP: "Sometimes" }, "must be Always, CrossSubnet or Never"],
    [{ CALICO_IPV4POOL_CIDR: "fd00::/48" }, "must be an IPv4 prefix"],
    [{ CALICO_IPV4POOL_BLOCK_SIZE: "16" }, "must be a prefix length from 20 to 32"],
    [{ CALICO_IPV6POOL_NODE_SELECTOR: "rack ==" }, "CALICO_IPV6POOL_NODE_SELECTOR"],
  ])("are refused from %j", async (environment, message) => {
    await expect(configOf(environment as Record<string, string>)).rejects.toThrow(message);
  });
});
