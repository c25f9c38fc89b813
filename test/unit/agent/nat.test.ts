import { describe, expect, it } from "vitest";
import { resolveConfig } from "../../../src/agent/config/resolve.ts";
import { natState } from "../../../src/agent/nat.ts";
import type { IpPoolSpec } from "../../../src/resources/ip-pool.ts";
import type { NodeSpec } from "../../../src/resources/node.ts";

const pool = (spec: IpPoolSpec) => ({
  apiVersion: "projectcalico.org/v3" as const,
  kind: "IPPool" as const,
  metadata: { name: spec.cidr.replaceAll(/[./:]/g, "-") },
  spec,
});
const node = (spec: NodeSpec) => ({
  apiVersion: "projectcalico.org/v3" as const,
  kind: "Node" as const,
  metadata: { name: "n1" },
  spec,
});

async function stateOf(
  pools: readonly IpPoolSpec[],
  nodes: readonly NodeSpec[] = [],
  flags: Record<string, string> = {},
) {
  const config = await resolveConfig({ flags, environment: {} });
  return natState({ pools: pools.map(pool), nodes: nodes.map(node) }, config);
}

describe("what the cluster asks of address translation", () => {
  it("is that of all pools, disabled ones too, but for those of load balancers", async () => {
    const { pools } = await stateOf([
      { cidr: "10.244.0.0/16", natOutgoing: true },
      { cidr: "10.245.0.0/16", natOutgoing: true, disabled: true },
      { cidr: "10.246.0.0/16" },
      { cidr: "192.0.2.0/24", natOutgoing: true, allowedUses: ["LoadBalancer"] },
    ]);
    expect(pools.map(({ cidr, natOutgoing }) => [cidr.toString(), natOutgoing])).toEqual([
      ["10.244.0.0/16", true],
      ["10.245.0.0/16", true],
      ["10.246.0.0/16", false],
    ]);
  });

  it("knows every address that nodes are reached at from inside", async () => {
    const { nodeAddresses } = await stateOf(
      [],
      [
        { bgp: { ipv4Address: "10.0.0.1/24", ipv6Address: "fd00::1/64" } },
        {
          addresses: [
            { address: "10.0.0.2/24", type: "CalicoNodeIP" },
            { address: "10.1.0.2", type: "InternalIP" },
            { address: "203.0.113.2", type: "ExternalIP" },
          ],
        },
      ],
    );
    expect(nodeAddresses.map(String)).toEqual(["10.0.0.1", "fd00::1", "10.0.0.2", "10.1.0.2"]);
  });

  it("has the tunnels that pools use", async () => {
    const names = async (...pools: IpPoolSpec[]) => (await stateOf(pools)).tunnelDevices.map(({ name }) => name);
    expect(await names({ cidr: "10.244.0.0/16" })).toEqual([]);
    expect(await names({ cidr: "10.244.0.0/16", ipipMode: "CrossSubnet" })).toEqual(["tunl0"]);
    expect(
      await names({ cidr: "10.244.0.0/16", ipipMode: "Always" }, { cidr: "10.245.0.0/16", vxlanMode: "Always" }),
    ).toEqual(["tunl0", "vxlan.calico"]);
    expect(await names({ cidr: "10.244.0.0/16" }, { cidr: "fd00:10::/48", vxlanMode: "CrossSubnet" })).toEqual([
      "vxlan-v6.calico",
    ]);
  });

  it("calls the VXLAN tunnel and its port as the settings do", async () => {
    const { tunnelDevices, options } = await stateOf([{ cidr: "10.244.0.0/16", vxlanMode: "Always" }], [], {
      vxlanDevice: "flannel.1",
      vxlanPort: "8472",
    });
    expect(tunnelDevices).toEqual([{ name: "flannel.1", family: 4, encapsulation: "vxlan" }]);
    expect(options.vxlanPort).toBe(8472);
  });

  it("has the UDP tunnel where a pool's annotation asks for it", async () => {
    const config = await resolveConfig({ flags: {}, environment: {} });
    const { metadata, ...rest } = pool({ cidr: "10.244.0.0/16" });
    const annotations = { "calibird.io/udp-encap-mode": "Always" };
    const { tunnelDevices } = natState(
      { pools: [{ ...rest, metadata: { ...metadata, annotations } }], nodes: [] },
      config,
    );
    expect(tunnelDevices).toEqual([{ name: "udp.calibird", family: 4, encapsulation: "udp" }]);
  });

  it("follows the settings", async () => {
    expect((await stateOf([])).options).toEqual({
      natOutgoingExclusions: "IPPoolsOnly",
      protectEncapsulation: false,
      vxlanPort: 4789,
      udpPort: 8285,
    });
    const { options } = await stateOf([], [], {
      natOutgoingExclusions: "ippoolsandhostips",
      natPortRange: "32768:65000",
      natOutgoingAddress: "192.0.2.1",
      natOutgoingInterfaceFilter: "eth+",
      protectEncapsulation: "true",
    });
    expect(options).toMatchObject({
      natOutgoingExclusions: "IPPoolsAndHostIPs",
      natPortRange: { first: 32768, last: 65000 },
      outInterfaceFilter: "eth+",
      protectEncapsulation: true,
    });
    expect(options.natOutgoingAddress?.toString()).toBe("192.0.2.1");
  });

  it.each([
    [{ natOutgoingExclusions: "None" }, "must be IPPoolsOnly or IPPoolsAndHostIPs"],
    [{ natPortRange: "65000:32768" }, "must be a range of ports such as 32768:65000"],
    [{ natPortRange: "0:10" }, "must be a range of ports"],
    [{ natPortRange: "1-10" }, "must be a range of ports"],
    [{ natOutgoingAddress: "192.0.2.0/24" }, "must be an address such as 192.0.2.1"],
    [{ natOutgoingInterfaceFilter: "eth 0" }, "must be the name of an interface"],
    [{ natOutgoingInterfaceFilter: "an-interface-too-long" }, "must be the name of an interface"],
    [{ protectEncapsulation: "perhaps" }, "must be true or false"],
  ])("refuses %j", async (flags, message) => {
    await expect(stateOf([], [], flags)).rejects.toThrow(message);
  });
});
