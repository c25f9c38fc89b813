import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { DeviceControl } from "../../src/netlink/device-control.ts";
import { withNamespaceSync } from "../../src/netlink/namespace.ts";
import { openRawIpSocket } from "../../src/sys/ip-sockets.ts";
import { MessageBatch } from "../../src/sys/message-batch.ts";
import { PacketMemory } from "../../src/sys/packet-memory.ts";
import { UserspaceTunnel } from "../../src/tunnel/userspace-tunnel.ts";
import { Cleanup, packetsOn, soon, TunnelNode, withinOneSecond } from "./support/tunnel-nodes.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const mtu = 1480;
const ipip = { name: "tunl0", carrier: { kind: "ipip" } } as const;

/** A node's tunnel with the address 10.65.n.1, and the way to the other one through it. */
async function startTunnel(node: TunnelNode, number: number): Promise<UserspaceTunnel> {
  const namespace = { path: node.namespace.path };
  const control = new DeviceControl({ namespace });
  const logger = silentLogger;
  const device = new UserspaceTunnel({
    netlink: node.netlink,
    clock: systemClock,
    logger,
    control,
    namespace,
    ...ipip,
  });
  cleanup.add(() => device.stop());
  device.set({ address: IpAddress.parse(`10.65.${number}.1`), mtu });
  await expect.poll(() => device.state(), soon).toEqual({ ready: true, device: "tunl0", mtu });
  const other = 3 - number;
  const prefix = Prefix.parse(`10.65.${other}.0/24`);
  device.setRoutes({ set: [{ prefix, nodes: [IpAddress.parse(`172.30.0.${other}`)] }], remove: [] });
  await node.routeThrough("tunl0", prefix.toString(), `172.30.0.${other}`);
  return device;
}

async function startPair() {
  const [a, b] = await TunnelNode.pair(cleanup);
  return { a, b, tunnelA: await startTunnel(a, 1), tunnelB: await startTunnel(b, 2) };
}

test("a packet as large as the tunnel's MTU crosses as protocol 4, and a larger one does not", async () => {
  const { a, b } = await startPair();
  const output = await packetsOn(
    b.namespace,
    "eth0",
    (text) => text.includes("ICMP echo reply"),
    async () => expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu)).toBe(true),
  );
  expect(output).toContain("IP 172.30.0.1 > 172.30.0.2: IP 10.65.1.1 > 10.65.2.1: ICMP echo request");
  expect(output).toContain("IP 172.30.0.2 > 172.30.0.1: IP 10.65.2.1 > 10.65.1.1: ICMP echo reply");
  expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu + 1)).toBe(false);
});

test("a packet that leads nowhere is dropped and counted", async () => {
  const { a, tunnelA } = await startPair();
  tunnelA.setRoutes({ set: [], remove: [Prefix.parse("10.65.2.0/24")] });
  expect(await a.echoes("10.65.1.1", "10.65.2.1", 100)).toBe(false);
  await expect.poll(() => tunnelA.counters()?.dropped.noRoute, soon).toBeGreaterThan(0);
});

test("garbage of protocol 4 is dropped and counted, and disturbs nobody", async () => {
  const { a, b, tunnelA } = await startPair();
  const rawFd = withNamespaceSync(b.namespace.path, () => openRawIpSocket(4, 65_536));
  cleanup.add(() => closeSync(rawFd));
  const memory = new PacketMemory(256);
  const { bytes, view } = memory;
  const batch = new MessageBatch(memory, { messages: 1, vectors: 1 });
  const count = 300;
  for (let packet = 0; packet < count; packet++) {
    const length = 20 + (packet % 200);
    bytes.set(randomBytes(256));
    // Version and length, the protocol, and the addresses are right, or it would not get there; half say IPv4 inside.
    view.setUint8(0, 0x45);
    view.setUint16(6, 0);
    view.setUint16(8, 0x4004);
    view.setUint32(12, b.address.w0);
    view.setUint32(16, a.address.w0);
    if (packet % 2 === 0) view.setUint8(20, 0x45);
    batch.clear();
    batch.begin(a.address.w0, 0, 0);
    batch.add(0, length);
    expect(batch.send(rawFd, 0)).toBe(1);
  }
  const seen = () => {
    const { received = 0, dropped } = tunnelA.counters() ?? {};
    return Object.values(dropped ?? {}).reduce((sum, each) => sum + each, received);
  };
  // The device itself sends a packet or two of IPv6.
  await expect.poll(seen, soon).toBeGreaterThanOrEqual(count);
  expect(tunnelA.counters()?.dropped.malformed).toBeGreaterThan(count / 4);
  expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu)).toBe(true);
});

test("a device that is deleted is made again within a second, and the tunnel works again", async () => {
  const { a, tunnelA } = await startPair();
  for (let time = 0; time < 3; time++) {
    await a.namespace.ip("link del tunl0");
    const isBack = async () => (await a.netlink.links()).some(({ name, up }) => name === "tunl0" && up);
    await expect.poll(isBack, withinOneSecond).toBe(true);
    await expect.poll(() => tunnelA.state().ready, soon).toBe(true);
    await a.routeThrough("tunl0", "10.65.2.0/24", "172.30.0.2");
    expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu)).toBe(true);
  }
});

test("device and routes outlive us, and the next one takes them over", async () => {
  const { a, b, tunnelB } = await startPair();
  const before = await b.netlink.routes({ protocol: 202 });
  const index = await b.linkIndex("tunl0");
  await tunnelB.stop();
  expect(await b.netlink.routes({ protocol: 202 })).toMatchObject(before);
  expect(await a.echoes("10.65.1.1", "10.65.2.1", 100)).toBe(false);
  await startTunnel(b, 2);
  expect(await b.linkIndex("tunl0")).toBe(index);
  expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu)).toBe(true);
});

test("a device of another kind that is called tunl0 is left alone", async () => {
  const [a] = await TunnelNode.pair(cleanup);
  await a.namespace.ip("link add tunl0 type bridge");
  const control = new DeviceControl({ namespace: { path: a.namespace.path } });
  const device = new UserspaceTunnel({
    ...ipip,
    netlink: a.netlink,
    clock: systemClock,
    logger: silentLogger,
    control,
    namespace: { path: a.namespace.path },
  });
  cleanup.add(() => device.stop());
  device.set({ address: IpAddress.parse("10.65.1.1"), mtu });
  await expect.poll(() => device.state(), soon).toMatchObject({ ready: false, code: "DEVICE_CONFLICT" });
  expect((await a.netlink.links()).find(({ name }) => name === "tunl0")?.kind).toBe("bridge");
});
