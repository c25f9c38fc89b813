import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { IpAddress } from "../../src/net/address.ts";
import { DeviceControl } from "../../src/netlink/device-control.ts";
import { VxlanDevice } from "../../src/vxlan/vxlan-device.ts";
import { Monitor } from "../support/network-namespace.ts";
import { Cleanup, packetsOn, soon, TunnelNode, withinOneSecond } from "./support/tunnel-nodes.ts";

const address = (text: string): IpAddress => IpAddress.parse(text);

type Options = Partial<ConstructorParameters<typeof VxlanDevice>[0]>;

const cleanup = new Cleanup();
let a: TunnelNode;
let b: TunnelNode;

beforeEach(async () => {
  [a, b] = await TunnelNode.pair(cleanup);
});
afterEach(() => cleanup.run());

function start(node: TunnelNode, nodeName: string, options: Options = {}): VxlanDevice {
  const base = { netlink: node.netlink, clock: systemClock, logger: silentLogger, nodeName };
  const device = new VxlanDevice({ ...base, ...options });
  cleanup.add(() => device.stop());
  return device;
}

const isReady = async (device: VxlanDevice, mtu = 1450): Promise<void> =>
  await expect.poll(() => device.state(), soon).toMatchObject({ ready: true, mtu });

/** Node a with a device, and node b as its peer. */
async function startA(options: Options = {}): Promise<VxlanDevice> {
  const device = start(a, "node-a", options);
  device.set({ address: address("10.65.0.0"), mtu: 1450, localAddress: a.address });
  device.setPeers([{ vtep: address("10.65.1.0"), macAddress: "66:f9:37:c3:7e:94", address: b.address }]);
  await isReady(device);
  return device;
}

const show = async (command: string): Promise<unknown> => (await a.namespace.json(command))[0];
const details = () => show("-details link show vxlan.calico");
const forwarding = async (): Promise<string> => await a.namespace.exec("bridge", "fdb", "show", "dev", "vxlan.calico");
const neighbours = async (): Promise<string> => await a.namespace.ip("neigh show dev vxlan.calico nud permanent");
const inPlace = { mtu: 1450, operstate: "UNKNOWN", address: "66:d5:13:f4:1e:29" };

describe("two nodes", () => {
  test("reach each other with packets of the tunnel's full size, which go as VNI 4096 to port 4789", async () => {
    const nodes = [
      { node: a, device: start(a, "node-a"), vtep: "10.65.0.0" },
      { node: b, device: start(b, "node1"), vtep: "10.65.1.0" },
    ];
    for (const { node, device, vtep } of nodes) {
      device.set({ address: address(vtep), mtu: 1450, localAddress: node.address });
      const others = nodes.filter((other) => other.node !== node);
      device.setPeers(
        others.map((other) => ({
          vtep: address(other.vtep),
          macAddress: other.device.macAddress,
          address: other.node.address,
        })),
      );
    }
    for (const { device } of nodes) await isReady(device);
    await a.routeThrough("vxlan.calico", "10.65.1.0/26", "10.65.1.0");
    await b.routeThrough("vxlan.calico", "10.65.0.0/26", "10.65.0.0");
    const seen = await packetsOn(
      b.namespace,
      "eth0",
      (output) => output.includes("ICMP echo reply"),
      async () => expect(await a.echoes("10.65.0.0", "10.65.1.0", 1450)).toBe(true),
    );
    expect(seen).toMatch(/IP 172\.30\.0\.1\.\d+ > 172\.30\.0\.2\.4789: VXLAN, flags \[I\] \(0x08\), vni 4096/);
    expect(seen).toContain("IP 10.65.0.0 > 10.65.1.0: ICMP echo request");
    expect(await a.echoes("10.65.0.0", "10.65.1.0", 1451)).toBe(false);
  });

  test("reach each other over IPv6 with packets of 1430 octets", async () => {
    const ends = [
      { node: a, local: "fd00:30::1", vtep: "fd00:65::", device: start(a, "localhostname", { family: 6 }) },
      { node: b, local: "fd00:30::2", vtep: "fd00:65:0:1::", device: start(b, "node1", { family: 6 }) },
    ];
    for (const { node, local, vtep, device } of ends) {
      device.set({ address: address(vtep), mtu: 1430, localAddress: address(local) });
      const [other] = ends.filter((end) => end.node !== node);
      if (other === undefined) throw new TypeError("there are two ends");
      const peer = { vtep: address(other.vtep), macAddress: other.device.macAddress, address: address(other.local) };
      device.setPeers([peer]);
    }
    for (const { device } of ends) await isReady(device, 1430);
    await a.routeThrough("vxlan-v6.calico", "fd00:65:0:1::/122", "fd00:65:0:1::");
    await b.routeThrough("vxlan-v6.calico", "fd00:65::/122", "fd00:65::");
    expect(await a.echoes("fd00:65::", "fd00:65:0:1::", 1430)).toBe(true);
  });
});

describe("a device", () => {
  test("has Calico's VNI, port, MAC address and parent, does not learn, and leads to the peer", async () => {
    const device = await startA();
    expect(await details()).toMatchObject({
      ...inPlace,
      address: device.macAddress,
      linkinfo: { info_data: { id: 4096, port: 4789, local: "172.30.0.1", link: "eth0", learning: false } },
    });
    expect(await show("addr show vxlan.calico")).toMatchObject({
      addr_info: [{ local: "10.65.0.0", prefixlen: 32, scope: "global" }, expect.objectContaining({ family: "inet6" })],
    });
    expect((await neighbours()).trim()).toBe("10.65.1.0 lladdr 66:f9:37:c3:7e:94 PERMANENT");
    expect((await forwarding()).trim()).toBe("66:f9:37:c3:7e:94 dst 172.30.0.2 self permanent");
    expect(device.hasPeer(address("10.65.1.0"))).toBe(true);
    expect(device.hasPeer(address("10.65.2.0"))).toBe(false);
  });

  test.each([
    ["it is set down", "link set vxlan.calico down"],
    ["its address is deleted", "addr del 10.65.0.0/32 dev vxlan.calico"],
    ["another address is added", "addr add 10.99.0.1/24 dev vxlan.calico"],
    ["its MTU is changed", "link set vxlan.calico mtu 1300"],
    ["its MAC address is changed", "link set vxlan.calico address 02:00:00:00:00:01"],
    ["it is deleted", "link del vxlan.calico"],
    ["it is renamed", "link set vxlan.calico down name other"],
    ["the neighbour is deleted", "neigh del 10.65.1.0 dev vxlan.calico"],
    ["the neighbour gets another MAC", "neigh replace 10.65.1.0 lladdr 02:00:00:00:00:01 dev vxlan.calico"],
  ])("is as before within a second after %s", async (_what, command) => {
    await startA();
    const wanted = { link: await details(), neighbours: await neighbours(), forwarding: await forwarding() };
    const properties = (link: unknown) => {
      const { ifindex: _new, qdisc: _other, ...rest } = Object(link);
      return rest;
    };
    await a.namespace.ip(command);
    await expect
      .poll(async () => properties(await details().catch(() => ({}))), withinOneSecond)
      .toEqual(properties(wanted.link));
    await expect.poll(neighbours, withinOneSecond).toBe(wanted.neighbours);
    await expect.poll(forwarding, withinOneSecond).toBe(wanted.forwarding);
    await expect
      .poll(() => show("addr show vxlan.calico"), withinOneSecond)
      .toMatchObject({
        addr_info: [{ local: "10.65.0.0", prefixlen: 32 }, expect.objectContaining({ family: "inet6" })],
      });
  });

  test.each([
    ["deleted", ["del", "66:f9:37:c3:7e:94"]],
    ["led elsewhere", ["replace", "66:f9:37:c3:7e:94", "dst", "172.30.0.9"]],
    ["joined by a stranger", ["append", "02:00:00:00:00:01", "dst", "172.30.0.9"]],
  ])(
    "has its forwarding entry again within a second after it was %s",
    async (_what, [verb = "", mac = "", ...rest]) => {
      await startA();
      const before = await forwarding();
      await a.namespace.exec("bridge", "fdb", verb, mac, "dev", "vxlan.calico", ...rest);
      await expect.poll(forwarding, withinOneSecond).toBe(before);
    },
  );

  test("is taken over after a restart as it is, with entries of peers that are not known yet", async () => {
    (await startA()).stop();
    const before = [await details(), await neighbours(), await forwarding()];
    const monitor = await Monitor.start(a.namespace, "link", "address", "neigh", "route");
    cleanup.add(() => monitor.stop());
    const device = start(a, "node-a");
    device.set({ address: address("10.65.0.0"), mtu: 1450, localAddress: a.address });
    await isReady(device);
    await monitor.mark(a.namespace);
    expect(monitor.lines).toEqual([]);
    expect([await details(), await neighbours(), await forwarding()]).toEqual(before);
    device.setPeers([]);
    await expect.poll(neighbours, soon).toBe("");
    expect(await forwarding()).toBe("");
  });

  test("made as a real Calico makes it is taken over", async () => {
    await a.namespace.ipBatch([
      "link add vxlan.calico address 66:d5:13:f4:1e:29 mtu 1450 type vxlan id 4096 dstport 4789 local 172.30.0.1 dev eth0 nolearning",
      "addr add 10.65.0.0/32 dev vxlan.calico",
      "link set vxlan.calico up",
    ]);
    const index = await a.linkIndex("vxlan.calico");
    await startA();
    expect(await a.linkIndex("vxlan.calico")).toBe(index);
  });

  test("follows the node's address and loses no route over it", async () => {
    const device = await startA();
    const index = await a.linkIndex("vxlan.calico");
    await a.routeThrough("vxlan.calico", "10.65.1.0/26", "10.65.1.0");
    await a.namespace.ip("addr add 172.30.0.7/24 dev eth0");
    device.set({ address: address("10.65.0.1"), mtu: 1400, localAddress: address("172.30.0.7") });
    await isReady(device, 1400);
    expect(await details()).toMatchObject({
      ifindex: index,
      mtu: 1400,
      linkinfo: { info_data: { local: "172.30.0.7", learning: false } },
    });
    expect(await a.namespace.ip("route show 10.65.1.0/26")).toContain("via 10.65.1.0 dev vxlan.calico");
  });

  test("follows the node's address to another interface", async () => {
    const device = await startA();
    await a.namespace.ipBatch(["link add eth1 type veth peer name far1", "link set eth1 up", "link set far1 up"]);
    await a.namespace.ip("addr add 172.30.9.1/24 dev eth1");
    device.set({ address: address("10.65.0.0"), mtu: 1450, localAddress: address("172.30.9.1") });
    await expect.poll(details, soon).toMatchObject({ linkinfo: { info_data: { local: "172.30.9.1", link: "eth1" } } });
  });

  test("is made anew when its VNI is another, with all that belongs to it", async () => {
    await a.namespace.ip("link add vxlan.calico type vxlan id 1 dstport 8472 local 172.30.0.1 dev eth0");
    await startA();
    await expect.poll(details, soon).toMatchObject({ linkinfo: { info_data: { id: 4096, port: 4789 } } });
    await expect.poll(forwarding, soon).toContain("66:f9:37:c3:7e:94 dst 172.30.0.2");
  });

  test("leaves learned and dynamic entries alone", async () => {
    await startA();
    const bridge = (...rest: string[]) => a.namespace.exec("bridge", "fdb", ...rest);
    await bridge("add", "02:00:00:00:00:05", "dev", "vxlan.calico", "dst", "172.30.0.5", "dynamic");
    await a.namespace.ip("neigh add 10.65.5.0 lladdr 02:00:00:00:00:05 dev vxlan.calico nud stale");
    await a.namespace.ip("neigh del 10.65.1.0 dev vxlan.calico");
    await expect.poll(neighbours, withinOneSecond).toContain("10.65.1.0");
    expect(await forwarding()).toContain("02:00:00:00:00:05");
    expect(await a.namespace.ip("neigh show dev vxlan.calico")).toContain("10.65.5.0");
  });

  test("has no larger MTU than its parent has room for, and follows it", async () => {
    const device = await startA();
    await a.namespace.ip("link set eth0 mtu 1400");
    await isReady(device, 1350);
    await a.namespace.ip("link set eth0 mtu 9000");
    await isReady(device, 1450);
  });

  test("is deleted after the grace time when nobody needs it, and another of its name is not", async () => {
    const device = await startA({ graceMs: 100 });
    device.set(undefined);
    expect(device.state()).toMatchObject({ ready: false, code: "TUNNEL_NOT_WANTED" });
    await expect
      .poll(async () => (await a.netlink.links()).map(({ name }) => name), soon)
      .not.toContain("vxlan.calico");
    await a.namespace.ip("link add vxlan.calico type bridge");
    device.set({ address: address("10.65.0.0"), mtu: 1450, localAddress: a.address });
    await expect.poll(() => device.state(), soon).toMatchObject({ ready: false, code: "DEVICE_CONFLICT" });
    device.set(undefined);
    await expect.poll(() => device.state(), soon).toMatchObject({ code: "TUNNEL_NOT_WANTED" });
    expect(await show("-details link show vxlan.calico")).toMatchObject({ linkinfo: { info_kind: "bridge" } });
  });

  test("says which device has its VNI and port", async () => {
    await a.namespace.ip("link add other type vxlan id 4096 dstport 4789 local 172.30.0.1 dev eth0");
    const device = start(a, "node-a");
    device.set({ address: address("10.65.0.0"), mtu: 1450, localAddress: a.address });
    await expect
      .poll(() => device.state(), soon)
      .toMatchObject({ code: "DEVICE_CONFLICT", reason: expect.stringContaining("device other has VNI 4096") });
    await a.namespace.ip("link del other");
    await isReady(device);
  });

  test("comes up with flannel's name, VNI and port", async () => {
    await startA({ name: "flannel.1", vni: 1, port: 8472 });
    expect(await show("-details link show flannel.1")).toMatchObject({
      linkinfo: { info_data: { id: 1, port: 8472 } },
    });
  });

  test("leaves checksums to the hardware unless told otherwise, and then keeps that off", async () => {
    const control = new DeviceControl({ namespace: a.namespace });
    const device = await startA();
    expect(control.checksumOffload("vxlan.calico")).toBe(true);
    device.stop();
    await startA({ checksumControl: control });
    await expect.poll(() => control.checksumOffload("vxlan.calico"), soon).toBe(false);
  });

  test("that somebody sets down again and again is contested, and right in the end", async () => {
    const device = await startA();
    const codes: string[] = [];
    for (let round = 0; round < 12; round++) {
      await a.namespace.ip("link set vxlan.calico down");
      await expect
        .poll(() => {
          const state = device.state();
          if (!state.ready) codes.push(state.code);
          return a.netlink
            .links()
            .then((links) => !state.ready || links.some(({ name, up }) => name === "vxlan.calico" && up));
        }, soon)
        .toBe(true);
      if (codes.includes("TUNNEL_CONTESTED")) break;
    }
    expect(codes).toContain("TUNNEL_CONTESTED");
    await isReady(device);
  });
});
