import { beforeEach, describe, expect, it } from "vitest";
import { TunnelManager } from "../../../../src/agent/tunnels/tunnel-manager.ts";
import { VxlanTunnel } from "../../../../src/agent/tunnels/vxlan-tunnel.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { DeviceState } from "../../../../src/fib/device/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { VxlanPeer } from "../../../../src/vxlan/peers.ts";
import { CountingCluster } from "../../../support/cluster-nodes.ts";
import { FakeClock } from "../../fib/fake-clock.ts";

const never = () => Promise.reject(new Error("no pool wants a tunnel"));
const ipam = { autoAssign: never, addressesByHandle: never, releaseAddresses: never, releaseByHandle: never };
const unwanted: DeviceState = { ready: false, code: "TUNNEL_NOT_WANTED", reason: "nothing needs it" };
const ownAddress = { address: IpAddress.parse("10.0.0.1"), prefixLength: 24 };

let cluster: CountingCluster;
let told: { everything: number; nextHops: string[]; mtuPeers: number; vxlanPeers: VxlanPeer[][] };
let reachable: Set<string>;
let changed: Set<string>;
let manager: TunnelManager;

beforeEach(() => {
  cluster = new CountingCluster();
  told = { everything: 0, nextHops: [], mtuPeers: 0, vxlanPeers: [] };
  reachable = new Set();
  changed = new Set();
  const clock = new FakeClock();
  const common = { nodeName: "n0", ipam, clock, logger: silentLogger, graceMs: 60_000 };
  const device = {
    set: () => {},
    setPeers: (peers: readonly VxlanPeer[]) => void told.vxlanPeers.push([...peers]),
    state: () => unwanted,
    hasPeer: (address: IpAddress) => reachable.has(address.toString()),
    takeChangedPeers: () => changed,
    macAddress: "66:00:00:00:00:01",
  };
  const mtu = { mtu: 1500, setPeers: () => void told.mtuPeers++ };
  manager = new TunnelManager({
    ...common,
    ownAddresses: { 4: ownAddress },
    underlays: new Map([[4, { mtu, vxlan: new VxlanTunnel({ ...common, nodeAddress: ownAddress.address, device }) }]]),
    cluster,
    client: undefined as never,
    ipip: { set: () => {}, state: () => unwanted },
    udp: { set: () => {}, setPeers: () => {}, state: () => unwanted },
    udpPort: 8285,
    pmtuDiscovery: true,
    onAddresses: () => {},
    onChange: () => void told.everything++,
    onPeersChange: (nextHops) => void told.nextHops.push(...nextHops.map(String)),
  });
  for (let node = 0; node < 500; node++) cluster.change(`n${node}`, specOf(node));
  manager.update(cluster.everything());
  Object.assign(told, { everything: 0, nextHops: [], mtuPeers: 0, vxlanPeers: [] });
  cluster.reads = 0;
  cluster.listings = 0;
});

const specOf = (node: number, bgp: object = {}) => ({
  bgp: { ipv4Address: `10.0.${Math.floor(node / 250)}.${(node % 250) + 1}/24`, ...bgp },
});

describe("TunnelManager, when one node of 500 changes,", () => {
  it("has what leads to that node composed again, and looks at no other", () => {
    manager.update(cluster.change("n7", specOf(7, { ipv4IPIPTunnelAddr: "10.244.7.0" })));
    expect(new Set(told.nextHops)).toEqual(new Set(["10.0.0.8"]));
    expect(told).toMatchObject({ everything: 0, mtuPeers: 0, vxlanPeers: [] });
    expect(cluster.listings).toBe(0);
    expect(cluster.reads).toBeLessThan(40);
  });

  it("does nothing if it tells nothing new of tunnels", () => {
    manager.update(cluster.change("n7", specOf(7), { rack: "r1" }));
    expect(told).toEqual({ everything: 0, nextHops: [], mtuPeers: 0, vxlanPeers: [] });
  });

  it("tells the VXLAN device of its new end, and composes again once the kernel has the way there", () => {
    manager.update(cluster.change("n7", { ...specOf(7), ipv4VXLANTunnelAddr: "10.244.7.1" }));
    expect(told.vxlanPeers.at(-1)?.map(({ vtep, address }) => `${vtep} ${address}`)).toEqual(["10.244.7.1 10.0.0.8"]);
    told.nextHops = [];
    reachable.add("10.244.7.1");
    changed.add("10.244.7.1");
    manager.deviceChanged();
    expect(told).toMatchObject({ everything: 0, nextHops: ["10.0.0.8"] });
    const peer = manager.context().peerAt(IpAddress.parse("10.0.0.8"));
    expect(peer?.vxlanGateways[4]?.toString()).toBe("10.244.7.1");
  });

  it("forgets one that is gone, and knows one that has moved", () => {
    manager.update(cluster.change("n7", undefined));
    manager.update(cluster.change("n8", { bgp: { ipv4Address: "10.9.0.8/24" } }));
    expect(told.mtuPeers).toBe(2);
    expect(new Set(told.nextHops)).toEqual(new Set(["10.0.0.8", "10.0.0.9", "10.9.0.8"]));
  });
});
