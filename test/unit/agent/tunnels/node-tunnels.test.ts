import { describe, expect, it } from "vitest";
import { tunnelPeerOf, vxlanPeerOf, withTunnels, withUdpTunnel } from "../../../../src/agent/tunnels/node-tunnels.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { NodeSpec } from "../../../../src/resources/node.ts";
import type { Resource } from "../../../../src/resources/resource.ts";

const ipv4 = IpAddress.parse("10.244.1.0");
const ipv6 = IpAddress.parse("fd00:10:244::1");
const macAddress = "66:00:00:00:00:01";
const macAddressV6 = "66:00:00:00:00:06";

const ipipFields = { bgp: { ipv4IPIPTunnelAddr: "10.244.1.0" } };
const vxlanFields = { ipv4VXLANTunnelAddr: "10.244.1.0", vxlanTunnelMACAddr: macAddress };
const vxlanFieldsV6 = { ipv6VXLANTunnelAddr: "fd00:10:244::1", vxlanTunnelMACAddrV6: macAddressV6 };
const all: NodeSpec = { ...ipipFields, ...vxlanFields, ...vxlanFieldsV6 };

/** What a node tells whose tunnels are wanted and ready as said. */
const tell = (stored: NodeSpec, wanted: boolean, ready: boolean, address = { ipv4, ipv6 }): NodeSpec =>
  withTunnels(stored, {
    ipip: { address: wanted ? address.ipv4 : undefined, ready },
    vxlan: [
      { family: 4, address: wanted ? address.ipv4 : undefined, ready, macAddress },
      { family: 6, address: wanted ? address.ipv6 : undefined, ready, macAddress: macAddressV6 },
    ],
  });

describe("what a node tells of its tunnels", () => {
  it("is nothing until their devices are ready, and nothing of one that no pool wants", () => {
    expect(tell({}, true, false)).toEqual({});
    expect(tell({}, true, true)).toEqual(all);
    expect(tell(all, false, true)).toEqual({});
    expect(tell(all, false, false)).toEqual({});
  });

  it("stays while a device that it has told of is not known to be ready, as at a restart", () => {
    expect(tell(all, true, false)).toEqual(all);
  });

  it("is no address that is not the node's any more", () => {
    const others = { ipv4: IpAddress.parse("10.244.9.0"), ipv6: IpAddress.parse("fd00:10:244::9") };
    expect(tell(all, true, false, others)).toEqual({});
  });

  it("is told beside all else that the node says", () => {
    const spec = { bgp: { ipv4Address: "10.0.0.1/24" }, addresses: [] };
    const tunnels = { ipip: { address: ipv4, ready: true }, vxlan: [] };
    expect(withTunnels(spec, tunnels)).toEqual({ ...spec, bgp: { ...spec.bgp, ipv4IPIPTunnelAddr: `${ipv4}` } });
  });

  it("leaves out a family that the node has no address of, and leaves everything else alone", () => {
    const stored: NodeSpec = { ...all, bgp: { ...ipipFields.bgp, ipv4Address: "10.0.0.1/24" }, addresses: [] };
    expect(withTunnels(stored, { ipip: { address: undefined, ready: false }, vxlan: [] })).toEqual({
      bgp: { ipv4Address: "10.0.0.1/24" },
      addresses: [],
    });
  });
});

describe("what a node tells of its UDP tunnel", () => {
  const others = { team: "blue" };
  const told = { ...others, "calibird.io/udp-tunnel": "10.244.1.0:8285" };
  const tellUdp = (stored: Record<string, string>, address: IpAddress | undefined, ready: boolean) =>
    withUdpTunnel(stored, { address, ready, port: 8285 });

  it("is an annotation with its address and port, by the same rules, beside the other ones", () => {
    expect(tellUdp(others, ipv4, false)).toEqual(others);
    expect(tellUdp(others, ipv4, true)).toEqual(told);
    expect(tellUdp(told, ipv4, false)).toEqual(told);
    expect(tellUdp(told, undefined, true)).toEqual(others);
    expect(tellUdp(told, IpAddress.parse("10.244.9.0"), false)).toEqual(others);
  });
});

describe("what other nodes tell of theirs", () => {
  const node = (name: string, spec: NodeSpec): Resource<"Node"> => ({
    kind: "Node",
    apiVersion: "projectcalico.org/v3",
    metadata: { name },
    spec,
  });
  const addresses = { ipv4Address: "10.0.0.1/24", ipv6Address: "2001:db8::1/64" };
  const told = node("n1", { ...all, bgp: { ...ipipFields.bgp, ...addresses } });
  const peers = (family: 4 | 6, ...nodes: Resource<"Node">[]) =>
    nodes
      .flatMap((each) => vxlanPeerOf(each, family) ?? [])
      .map((peer) => `${peer.vtep} ${peer.macAddress} ${peer.address}`);

  it("is for each family a VTEP, its MAC address and the node's address", () => {
    expect(peers(4, told)).toEqual(["10.244.1.0 66:00:00:00:00:01 10.0.0.1"]);
    expect(peers(6, told)).toEqual(["fd00:10:244::1 66:00:00:00:00:06 2001:db8::1"]);
    expect(peers(6, node("n2", vxlanFieldsV6))).toEqual([]);
  });

  it("has the MAC addresses that Calico derives from the node's name if it names none", () => {
    const { vxlanTunnelMACAddr: _4, vxlanTunnelMACAddrV6: _6, ...nameless } = told.spec;
    expect(peers(4, node("node1", nameless))).toEqual(["10.244.1.0 66:f9:37:c3:7e:94 10.0.0.1"]);
    expect(peers(6, node("node1", nameless))[0]).toMatch(/^fd00:10:244::1 66:(?!f9:37:c3:7e:94)/);
  });

  it("is the UDP port that they take packets on, if they say so", () => {
    const port = (text: string) => {
      const annotations = { "calibird.io/udp-tunnel": text };
      return tunnelPeerOf({ ...told, metadata: { name: "n1", annotations } }).udpPort;
    };
    expect([port("10.244.1.0:8285"), port("10.244.1.0"), port("somewhere:1")]).toEqual([8285, undefined, undefined]);
    expect(tunnelPeerOf(told).udpPort).toBeUndefined();
  });

  it("is a gateway for each family: the VTEP, and in IPv6 the link-local address that follows from the MAC address", () => {
    const { vxlanGateways, ipipReady } = tunnelPeerOf(told);
    expect(ipipReady).toBe(true);
    expect(vxlanGateways[4]?.toString()).toBe("10.244.1.0");
    expect(vxlanGateways[6]?.toString()).toBe("fe80::6400:ff:fe00:6");
    expect(tunnelPeerOf(node("n2", {})).vxlanGateways).toEqual({});
  });
});
