import { describe, expect, it } from "vitest";
import { type CleanupSettings, type KernelState, planCleanup } from "../../../../src/agent/cleanup/plan.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import type { KernelRoute, Link } from "../../../../src/netlink/types.ts";

const settings: CleanupSettings = {
  routeProtocol: 202,
  vxlanDevice: "vxlan.calico",
  vxlanDeviceV6: "vxlan-v6.calico",
  vxlanVni: 4096,
  vxlanPort: 4789,
  udpEncapDevice: "udp.calibird",
  interfacePrefix: "cali",
};
const link = (index: number, name: string, fields: Partial<Link> = {}): Link => ({
  ...{ index, name, mtu: 1500, up: true, running: true, loopback: false },
  ...fields,
});
const route = (destination: string, protocol: number, fields: Partial<KernelRoute> = {}): KernelRoute => ({
  ...{ destination: Prefix.parse(destination), type: "unicast", table: 254, protocol, scope: "universe" },
  ...{ metric: 0, tos: 0, nextHops: [] },
  ...fields,
});
const through = (interfaceIndex: number) => ({ nextHops: [{ interfaceIndex, onlink: true, weight: 1 }] });
const vxlan = (vni: number, port: number): Partial<Link> => ({ kind: "vxlan", vxlan: { vni, port, learning: false } });
const ipip = (remote?: string): Partial<Link> => ({
  kind: "ipip",
  ipip: { ttl: 0, pmtuDiscovery: false, ...(remote !== undefined && { remote: IpAddress.parse(remote) }) },
});
const address = (interfaceIndex: number, text: string, prefixLength: number) => ({
  ...{ interfaceIndex, address: IpAddress.parse(text), prefixLength, scope: "universe" as const },
});

function plan(state: Partial<KernelState>, pods = false) {
  const { leftovers, kept } = planCleanup(
    { routes: [], links: [], addresses: [], tables: [], ...state },
    settings,
    pods,
  );
  return { names: leftovers.map(({ kind, name }) => `${kind} ${name}`), kept, leftovers };
}

describe("what is left of an agent", () => {
  it("are the routes of its protocol in the main table, of both families", () => {
    const { names, leftovers } = plan({
      routes: [
        route("10.244.1.0/26", 202, { type: "blackhole" }),
        route("fd00:1::/64", 202, { metric: 1024 }),
        route("10.244.2.0/26", 12),
        route("10.244.3.0/26", 202, { table: 100 }),
      ],
    });
    expect(names).toEqual(["route blackhole 10.244.1.0/26", "route fd00:1::/64 metric 1024"]);
    expect(leftovers[1]).toMatchObject({ request: { op: "route-delete", key: { metric: 1024 }, protocol: 202 } });
  });

  it("is the VXLAN device with its name, network identifier and port, and no other", () => {
    const names = (...links: Link[]) => plan({ links }).names;
    expect(names(link(5, "vxlan.calico", vxlan(4096, 4789)))).toEqual(["device vxlan.calico"]);
    expect(names(link(5, "vxlan-v6.calico", vxlan(4096, 4789)))).toEqual(["device vxlan-v6.calico"]);
    expect(names(link(5, "vxlan.calico", vxlan(1, 4789)), link(6, "vxlan.calico", vxlan(4096, 8472)))).toEqual([]);
    expect(names(link(5, "vxlan.other", vxlan(4096, 4789)), link(6, "vxlan.calico", { kind: "dummy" }))).toEqual([]);
  });

  it("is of the kernel's tunl0 the IPv4 address, and a TUN device of this name altogether", () => {
    const addresses = [address(7, "10.244.1.1", 32), address(7, "fe80::1", 64), address(8, "10.0.0.1", 24)];
    const names = (fields: Partial<Link>) => plan({ links: [link(7, "tunl0", fields)], addresses }).names;
    expect(names(ipip())).toEqual(["address 10.244.1.1/32 of tunl0"]);
    expect(names({ kind: "tun" })).toEqual(["device tunl0"]);
    expect(names(ipip("10.0.0.2"))).toEqual([]);
    expect(names({ kind: "dummy" })).toEqual([]);
  });

  it("are the interfaces of pods only on demand", () => {
    const links = [link(9, "cali0123456789a", { kind: "veth" }), link(10, "veth0", { kind: "veth" })];
    expect(plan({ links }).names).toEqual([]);
    expect(plan({ links }, true).names).toEqual(["device cali0123456789a"]);
  });

  it("comes with its tables last", () => {
    const { names } = plan({ tables: ["ip", "ip6"], links: [link(5, "vxlan.calico", vxlan(4096, 4789))] });
    expect(names).toEqual(["device vxlan.calico", "table ip calibird", "table ip6 calibird"]);
  });

  it("does not comprise a device that somebody else's route uses, but for the kernel's own routes", () => {
    const links = [link(5, "vxlan.calico", vxlan(4096, 4789))];
    const routes = [route("10.244.2.0/26", 202, through(5)), route("10.244.9.0/32", 2, through(5))];
    expect(plan({ links, routes }).kept).toEqual([]);
    const { names, kept } = plan({ links, routes: [...routes, route("10.250.0.0/26", 80, through(5))] });
    expect(names).toEqual(["route 10.244.2.0/26"]);
    expect(kept).toEqual([expect.stringContaining("vxlan.calico stays: the route 10.250.0.0/26 of protocol 80")]);
  });
});
