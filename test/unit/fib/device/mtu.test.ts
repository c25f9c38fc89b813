import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../../src/core/logger.ts";
import { hostMtu, tunnelMtu } from "../../../../src/fib/device/mtu.ts";
import { MtuWatcher } from "../../../../src/fib/device/mtu-watcher.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import type { KernelRoute, Link } from "../../../../src/netlink/types.ts";
import { FakeClock } from "../fake-clock.ts";
import { DeviceKernel } from "./device-kernel.ts";

const link = (index: number, name: string, mtu: number, fields: Partial<Link> = {}): Link => ({
  index,
  name,
  mtu,
  up: true,
  running: true,
  loopback: false,
  ...fields,
});

test("tunnels have room for less by 20, 50 and 70 octets", () => {
  expect([tunnelMtu("ipip", 1500), tunnelMtu("vxlan", 1500), tunnelMtu("vxlan-v6", 1500)]).toEqual([1480, 1450, 1430]);
});

describe("the MTU of a host", () => {
  const lo = link(1, "lo", 65_536, { loopback: true });

  test("is the smallest of its network cards that are up", () => {
    const links = [lo, link(2, "eth0", 9_000), link(3, "enp3s0", 1_500), link(4, "ens4", 1_300, { up: false })];
    expect(hostMtu(links, new Set())).toBe(1_500);
  });

  test("does not depend on pods, tunnels and bridges", () => {
    const links = [lo, link(2, "eth0", 9_000), link(3, "cali1", 1_400), link(4, "tunl0", 1_480), link(5, "br0", 1_200)];
    expect(hostMtu(links, new Set())).toBe(9_000);
  });

  test("counts a bond that has the node's address", () => {
    const links = [lo, link(2, "eth0", 9_000), link(3, "bond0", 8_000)];
    expect(hostMtu(links, new Set([3]))).toBe(8_000);
    expect(hostMtu(links, new Set())).toBe(9_000);
  });

  test("is Calico's 1460 where nothing says anything", () => {
    expect(hostMtu([lo], new Set([1]))).toBe(1_460);
  });

  test("goes by another pattern if there is one", () => {
    expect(hostMtu([link(2, "eth0", 1_500), link(3, "lan0", 1_400)], new Set(), /^lan/)).toBe(1_400);
  });
});

describe("the watcher", () => {
  const localAddress = IpAddress.parse("172.17.0.5");

  async function start(setUp: (kernel: DeviceKernel) => void) {
    const kernel = new DeviceKernel();
    const clock = new FakeClock();
    const told: number[] = [];
    kernel.linksHeld = [link(1, "lo", 65_536, { loopback: true }), link(2, "eth0", 1_500), link(3, "bond0", 9_000)];
    setUp(kernel);
    const watcher = new MtuWatcher({
      netlink: kernel,
      clock,
      logger: silentLogger,
      localAddress,
      onChange: (mtu) => told.push(mtu),
    });
    const pass = async (ms: number) => {
      for (let left = ms; left > 0; left -= 10) {
        clock.advance(10);
        await setImmediate();
      }
    };
    watcher.start();
    await pass(200);
    return { kernel, watcher, told, pass };
  }

  const own = (interfaceIndex: number) => ({
    interfaceIndex,
    address: localAddress,
    prefixLength: 24,
    scope: "universe" as const,
  });
  const routeBy = (interfaceIndex: number, mtu?: number): KernelRoute => ({
    destination: Prefix.parse("172.17.0.0/24"),
    ...{ type: "unicast", table: 254, protocol: 2, scope: "link", metric: 0, tos: 0 },
    ...(mtu !== undefined && { mtu }),
    nextHops: [{ interfaceIndex, onlink: false, weight: 1 }],
  });

  test("tells the MTU at first and when a device that counts gets another", async () => {
    const { kernel, told, watcher, pass } = await start(() => {});
    expect(told).toEqual([1_500]);
    kernel.setLink(link(2, "eth0", 1_400));
    await pass(200);
    expect(told).toEqual([1_500, 1_400]);
    expect(watcher.mtu).toBe(1_400);
    kernel.setLink(link(9, "cali9", 500));
    await pass(31_000);
    expect(told).toHaveLength(2);
  });

  test("follows the node's address to a device of any name", async () => {
    const { kernel, told, pass } = await start((made) => {
      made.linksHeld = made.linksHeld.filter(({ name }) => name !== "eth0");
    });
    expect(told).toEqual([1_460]);
    kernel.addressesHeld.push(own(3));
    kernel.tell({ type: "address", action: "new", address: own(3) });
    await pass(200);
    expect(told).toEqual([1_460, 9_000]);
  });

  test("goes by the routes to the peers as soon as there are peers", async () => {
    const { kernel, told, watcher, pass } = await start((made) => made.addressesHeld.push(own(2)));
    const [near, far] = ["172.17.0.6", "172.18.0.7"];
    kernel.routesTo.set(near, routeBy(3));
    kernel.routesTo.set(far, routeBy(3, 8_900));
    watcher.setPeers([IpAddress.parse(near)]);
    await pass(200);
    watcher.setPeers([IpAddress.parse(near), IpAddress.parse(far)]);
    await pass(200);
    expect(told).toEqual([1_500, 9_000, 8_900]);
    kernel.setLink(link(3, "bond0", 1_300));
    await pass(200);
    expect(told).toEqual([1_500, 9_000, 8_900, 1_300]);
  });

  test("goes on after a kernel that did not answer", async () => {
    const { kernel, told, pass } = await start((made) => {
      made.failure = new TypeError("busy");
    });
    expect(told).toEqual([]);
    kernel.failure = undefined;
    await pass(31_000);
    expect(told).toEqual([1_500]);
  });
});
