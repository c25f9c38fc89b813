import { describe, expect, it } from "vitest";
import { withTunnels } from "../../../../src/agent/tunnels/node-tunnels.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { Resource } from "../../../../src/resources/resource.ts";

const address = IpAddress.parse("10.244.1.0");
const macAddress = "66:00:00:00:00:01";
const other = IpAddress.parse("10.244.9.0");

function node(told: IpAddress | undefined): Resource<"Node"> {
  const text = told?.toString();
  const spec = text === undefined ? {} : { bgp: { ipv4IPIPTunnelAddr: text }, ipv4VXLANTunnelAddr: text };
  return { kind: "Node", apiVersion: "projectcalico.org/v3", metadata: { name: "n1" }, spec };
}

/** What the node tells of two tunnels that are both like this. */
const tell = (told: IpAddress | undefined, wanted: IpAddress | undefined, ready: boolean) =>
  withTunnels(node(told).spec, { ipip: { address: wanted, ready }, vxlan: { address: wanted, ready, macAddress } });

const both = {
  bgp: { ipv4IPIPTunnelAddr: `${address}` },
  ipv4VXLANTunnelAddr: `${address}`,
  vxlanTunnelMACAddr: macAddress,
};
const none = {};

describe("what a node tells of its tunnels", () => {
  it("is nothing until their devices are ready, and nothing of one that no pool wants", () => {
    expect(tell(undefined, address, false)).toEqual(none);
    expect(tell(undefined, address, true)).toEqual(both);
    expect(tell(address, undefined, true)).toEqual(none);
    expect(tell(address, undefined, false)).toEqual(none);
  });

  it("stays while a device that it has told of is not known to be ready, as at a restart", () => {
    expect(tell(address, address, false)).toEqual(both);
  });

  it("is no address that is not the node's any more", () => {
    expect(tell(other, address, false)).toEqual(none);
  });

  it("is told beside all else that the node says", () => {
    const spec = { bgp: { ipv4Address: "10.0.0.1/24" }, addresses: [] };
    const tunnels = { ipip: { address, ready: true }, vxlan: { address: undefined, ready: false, macAddress } };
    expect(withTunnels(spec, tunnels)).toEqual({ ...spec, bgp: { ...spec.bgp, ipv4IPIPTunnelAddr: `${address}` } });
  });
});
