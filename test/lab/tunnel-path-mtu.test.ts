import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { DeviceControl } from "../../src/netlink/device-control.ts";
import { openNetlink } from "../../src/netlink/open.ts";
import { UserspaceTunnel } from "../../src/tunnel/userspace-tunnel.ts";
import { TestNamespace } from "../support/network-namespace.ts";
import { Cleanup, soon } from "./support/tunnel-nodes.ts";

const run = promisify(execFile);
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const name = "tun0";
const narrow = 1400;
const carriers = { ipip: { mtu: 1480, overhead: 20 }, udp: { mtu: 1472, overhead: 28 } } as const;
type Kind = keyof typeof carriers;

/** Two nodes with a router between them, the link of the second one narrower than that of the first one. */
async function twoNodes(): Promise<[TestNamespace, TestNamespace]> {
  const [a, b, router] = [new TestNamespace("a"), new TestNamespace("b"), new TestNamespace("r")];
  for (const namespace of [a, b, router]) cleanup.add(() => namespace.remove());
  for (const [index, node] of [a, b].entries()) {
    const port = `to${index + 1}`;
    const mtu = index === 0 ? 1500 : narrow;
    await node.ip(`link add eth0 type veth peer name ${port} netns ${router.name}`);
    await node.ipBatch([
      "link set lo up",
      `link set eth0 up mtu ${mtu}`,
      `addr add 172.30.${index + 1}.1/24 dev eth0`,
      `route add default via 172.30.${index + 1}.254`,
    ]);
    await router.ipBatch([`link set ${port} up mtu ${mtu}`, `addr add 172.30.${index + 1}.254/24 dev ${port}`]);
  }
  await router.exec("sysctl", "-qw", "net.ipv4.ip_forward=1");
  return [a, b];
}

/** Node n's tunnel with the address 10.65.n.1, and the way to the other one through it. */
async function startTunnel(
  node: TestNamespace,
  number: number,
  kind: Kind,
  pmtuDiscovery: boolean,
): Promise<UserspaceTunnel> {
  const namespace = { path: node.path };
  const netlink = await openNetlink({ namespace });
  cleanup.add(() => netlink.close());
  const { mtu: wide, overhead } = carriers[kind];
  const mtu = number === 1 ? wide : narrow - overhead;
  const localAddress = IpAddress.parse(`172.30.${number}.1`);
  const carrier = kind === "ipip" ? { kind } : ({ kind, localAddress, port: 8285 } as const);
  const common = { netlink, clock: systemClock, logger: silentLogger, control: new DeviceControl({ namespace }) };
  const tunnel = new UserspaceTunnel({ ...common, name, carrier, namespace });
  cleanup.add(() => tunnel.stop());
  tunnel.set({ address: IpAddress.parse(`10.65.${number}.1`), mtu, pmtuDiscovery });
  await expect.poll(() => tunnel.state(), soon).toEqual({ ready: true, device: name, mtu });
  const other = 3 - number;
  const nodes = [IpAddress.parse(`172.30.${other}.1`)];
  tunnel.setRoutes({ set: [{ prefix: Prefix.parse(`10.65.${other}.0/24`), nodes }], remove: [] });
  await node.ip(`route add 10.65.${other}.0/24 via ${nodes[0]} dev ${name} onlink`);
  return tunnel;
}

/** What ping says of one packet of this many octets from node 1, which may be cut or not. */
async function ping(node: TestNamespace, octets: number, cut: "do" | "dont"): Promise<string> {
  const argv = ["-n", "-c", "1", "-W", "1", "-I", "10.65.1.1", "-M", cut, "-s", String(octets - 28), "10.65.2.1"];
  try {
    return (await run("ip", ["netns", "exec", node.name, "ping", ...argv])).stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return stdout + stderr;
  }
}

const octets = 3_000_000;
/** A hash of what comes, after all of it, on a TCP port. */
const receiver = `
import hashlib, socket
server = socket.create_server(("10.65.2.1", 5000))
print("listening", flush=True)
peer, _ = server.accept()
hash = hashlib.sha1()
while data := peer.recv(65536): hash.update(data)
print(hash.hexdigest())`;
const sender = `
import hashlib, random, socket
data = random.Random(1).randbytes(${octets})
socket.create_connection(("10.65.2.1", 5000), source_address=("10.65.1.1", 0)).sendall(data)
print(hashlib.sha1(data).hexdigest())`;

describe.each(["ipip", "udp"] as const)("a path that is narrower than the own network, with %s", (kind) => {
  const { mtu, overhead } = carriers[kind];
  const largest = narrow - overhead;

  it("is found out: the sender of a packet that must not be cut is told what gets through", async () => {
    const [a, b] = await twoNodes();
    const tunnel = await startTunnel(a, 1, kind, true);
    await startTunnel(b, 2, kind, true);
    await expect.poll(() => ping(a, largest, "do"), soon).toContain("1 received");
    // The first one is lost, because only a router knows.
    await expect.poll(() => ping(a, mtu, "do"), soon).toMatch(new RegExp(`mtu ?= ?${largest}\\b`));
    // The answer may be here before the thread has counted it.
    await expect.poll(() => tunnel.counters()?.dropped.tooBig, soon).toBeGreaterThan(0);
    await expect.poll(() => ping(a, largest, "do"), soon).toContain("1 received");
  });

  it("carries what may be cut, and TCP octet for octet", async () => {
    const [a, b] = await twoNodes();
    await startTunnel(a, 1, kind, true);
    await startTunnel(b, 2, kind, true);
    await expect.poll(() => ping(a, mtu, "dont"), soon).toContain("1 received");
    const receiving = run("ip", ["netns", "exec", b.name, "python3", "-c", receiver]);
    await new Promise((resolve) => receiving.child.stdout?.once("data", resolve));
    const sent = await a.exec("python3", "-c", sender);
    expect((await receiving).stdout).toContain(sent.trim());
  });

  it("is nothing to find out where routers may cut outer packets", async () => {
    const [a, b] = await twoNodes();
    const tunnel = await startTunnel(a, 1, kind, false);
    await startTunnel(b, 2, kind, false);
    await expect.poll(() => ping(a, mtu, "dont"), soon).toContain("1 received");
    expect(tunnel.counters()?.dropped.tooBig).toBe(0);
  });
});
