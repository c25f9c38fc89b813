import { describe, expect, it } from "vitest";
import { tunnelsToTell } from "../../../../src/agent/tunnels/node-tunnels.ts";
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
  tunnelsToTell(node(told), { ipip: { address: wanted, ready }, vxlan: { address: wanted, ready, macAddress } });

const both = { ipip: address, vxlan: { address, macAddress } };
const none = { ipip: undefined, vxlan: undefined };

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
});
