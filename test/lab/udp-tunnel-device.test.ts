import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { DeviceControl } from "../../src/netlink/device-control.ts";
import { UserspaceTunnel } from "../../src/tunnel/userspace-tunnel.ts";
import { Cleanup, packetsOn, soon, TunnelNode } from "./support/tunnel-nodes.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const port = 8285;
const mtu = 1472;
const name = "flannel0";

function makeTunnel(node: TunnelNode): UserspaceTunnel {
  const namespace = { path: node.namespace.path };
  const carrier = { kind: "udp", localAddress: node.address, port } as const;
  const control = new DeviceControl({ namespace });
  const common = { netlink: node.netlink, clock: systemClock, logger: silentLogger };
  const tunnel = new UserspaceTunnel({ ...common, name, carrier, control, namespace });
  cleanup.add(() => tunnel.stop());
  return tunnel;
}

/** Node n's tunnel with the address 10.65.n.1, and the way to the other one through it. */
async function startTunnel(node: TunnelNode, number: number): Promise<UserspaceTunnel> {
  const tunnel = makeTunnel(node);
  tunnel.set({ address: IpAddress.parse(`10.65.${number}.1`), mtu, pmtuDiscovery: true });
  await expect.poll(() => tunnel.state(), soon).toEqual({ ready: true, device: name, mtu });
  const other = 3 - number;
  const prefix = Prefix.parse(`10.65.${other}.0/24`);
  tunnel.setRoutes({ set: [{ prefix, nodes: [IpAddress.parse(`172.30.0.${other}`)] }], remove: [] });
  await node.routeThrough(name, prefix.toString(), `172.30.0.${other}`);
  return tunnel;
}

/** Node 2's end by a program that is not ours. */
async function startProxy(node: TunnelNode): Promise<void> {
  const argv = [join(import.meta.dirname, "support/udp-proxy.py"), name, "172.30.0.2", "172.30.0.1", String(port)];
  const child = spawn("ip", ["netns", "exec", node.namespace.name, "python3", ...argv], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  cleanup.add(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await Promise.race([once(child.stdout, "data"), ended]);
  await node.namespace.ipBatch([
    `link set ${name} up mtu ${mtu}`,
    `addr add 10.65.2.1/32 dev ${name}`,
    `route add 10.65.0.0/16 dev ${name} src 10.65.2.1`,
  ]);
}

test("exchanges packets with a proxy that speaks as flannel's does, plain IP in UDP, up to the whole MTU", async () => {
  const [a, b] = await TunnelNode.pair(cleanup);
  const tunnel = await startTunnel(a, 1);
  await startProxy(b);
  const output = await packetsOn(
    b.namespace,
    "eth0",
    (text) => /172\.30\.0\.2\.8285 > 172\.30\.0\.1\.8285: UDP, length 1472\n(\s+0x.*\n)*\s+0x0050/.test(text),
    async () => expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu)).toBe(true),
    ["-x"],
  );
  expect(output).toContain("172.30.0.1.8285 > 172.30.0.2.8285: UDP, length 1472");
  const hex = output.replaceAll(/\n\s+0x[0-9a-f]{4}:/g, "").replaceAll(" ", "");
  // Of the echo request: version, length, whole length 1472; ICMP, the addresses.
  expect(hex).toMatch(/450005c0[0-9a-f]{4}4000[0-9a-f]{2}01[0-9a-f]{4}0a4101010a4102010800/);
  expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu + 1)).toBe(false);
  expect(tunnel.counters()).toMatchObject({ sent: 1, received: 1 });
});

test("carries between two of ours what a proxy would carry", async () => {
  const [a, b] = await TunnelNode.pair(cleanup);
  const [tunnelA, tunnelB] = [await startTunnel(a, 1), await startTunnel(b, 2)];
  expect(await a.echoes("10.65.1.1", "10.65.2.1", mtu)).toBe(true);
  expect([tunnelA.counters(), tunnelB.counters()]).toMatchObject([
    { sent: 1, received: 1 },
    { sent: 1, received: 1 },
  ]);
});

test("takes packets from nodes and from where its routes lead to, and counts others as foreign", async () => {
  const [a, b] = await TunnelNode.pair(cleanup);
  const tunnel = await startTunnel(a, 1);
  await b.namespace.ip("addr add 172.30.0.99/24 dev eth0");
  const send = (source: string) =>
    b.namespace.exec(
      "python3",
      "-c",
      "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); " +
        `s.bind(("${source}", 0)); s.sendto(bytes.fromhex("4500001c000000004011665b0a4102010a410101") + bytes(8), ("172.30.0.1", ${port}))`,
    );
  const seen = () => ({ received: tunnel.counters()?.received, foreign: tunnel.counters()?.dropped.foreign });
  await send("172.30.0.99");
  await expect.poll(seen, soon).toEqual({ received: 0, foreign: 1 });
  await send("172.30.0.2");
  await expect.poll(seen, soon).toEqual({ received: 1, foreign: 1 });
  tunnel.setPeers([IpAddress.parse("172.30.0.99")]);
  await send("172.30.0.99");
  await expect.poll(seen, soon).toEqual({ received: 2, foreign: 1 });
  tunnel.setRoutes({ set: [], remove: [Prefix.parse("10.65.2.0/24")] });
  await send("172.30.0.2");
  await expect.poll(seen, soon).toEqual({ received: 2, foreign: 2 });
});

test("says which port is taken, and works as soon as it is free", async () => {
  const [a] = await TunnelNode.pair(cleanup);
  const holder = spawn("ip", ["netns", "exec", a.namespace.name, "python3", "-c", holdPort], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(holder, "exit");
  cleanup.add(async () => {
    holder.kill("SIGKILL");
    await ended;
  });
  await Promise.race([once(holder.stdout, "data"), ended]);
  const tunnel = makeTunnel(a);
  tunnel.set({ address: IpAddress.parse("10.65.1.1"), mtu });
  await expect
    .poll(() => tunnel.state(), soon)
    .toMatchObject({
      ready: false,
      code: "KERNEL_REFUSED",
      reason: "UDP port 8285 of 172.30.0.1 belongs to another program: end it, or give all nodes another port",
    });
  holder.stdin.end();
  await ended;
  await expect.poll(() => tunnel.state().ready, soon).toBe(true);
});

const holdPort =
  "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); " +
  `s.bind(("172.30.0.1", ${port})); print("held", flush=True); sys.stdin.read()`;
