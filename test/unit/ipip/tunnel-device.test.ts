import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../../src/core/logger.ts";
import { IpipDevice } from "../../../src/ipip/tunnel-device.ts";
import { IpAddress } from "../../../src/net/address.ts";
import type { InterfaceAddress } from "../../../src/netlink/types.ts";
import { DeviceKernel } from "../fib/device/device-kernel.ts";
import { FakeClock } from "../fib/fake-clock.ts";

const address = IpAddress.parse("10.65.0.0");
const wish = { address, mtu: 1480 };
const ready = { ready: true, device: "tunl0", mtu: 1480 };
const control = {
  setPmtuDiscovery() {},
  reversePathFilter: () => 0,
  setReversePathFilter() {},
};

let kernel: DeviceKernel;
let clock: FakeClock;
let device: IpipDevice;
let changes: unknown[];
let warnings: string[];

beforeEach(() => {
  kernel = new DeviceKernel();
  clock = new FakeClock();
  changes = [];
  warnings = [];
  const warn = (_fields: object, message: string) => warnings.push(message);
  const logger = { ...silentLogger, warn, child: () => logger };
  device = new IpipDevice({
    netlink: kernel,
    clock,
    logger,
    control,
    graceMs: 5_000,
    random: () => 0.5,
    onChange: () => changes.push(device.state()),
  });
});

/** Lets everything happen that is due within `ms`. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 10) {
    clock.advance(Math.min(10, left));
    await setImmediate();
  }
}

/** The device is up and settled. */
async function settled(): Promise<void> {
  device.set(wish);
  await pass(200);
  expect(device.state()).toEqual(ready);
  kernel.requests.length = 0;
}

const ownAddress = (): InterfaceAddress => {
  const [held] = kernel.addressesHeld;
  if (held === undefined) throw new TypeError("the device has no address");
  return held;
};

describe("a wish", () => {
  test("is told when it has come true, and once", async () => {
    device.set(wish);
    expect(device.state()).toMatchObject({ ready: false, code: "TUNNEL_PENDING" });
    await pass(5_000);
    expect(changes).toEqual([expect.objectContaining({ code: "TUNNEL_PENDING" }), ready]);
  });

  test("costs no request when it is true already", async () => {
    await settled();
    device.set({ ...wish });
    await pass(200_000);
    expect(kernel.requests).toEqual([]);
    expect(device.state()).toEqual(ready);
  });

  test("replaces another whose work is under way", async () => {
    device.set(wish);
    kernel.beforeAnswer = () => device.set({ address: IpAddress.parse("10.65.0.7"), mtu: 1400 });
    await pass(500);
    expect(device.state()).toEqual({ ...ready, mtu: 1400 });
    expect(kernel.addressesHeld.map((held) => held.address.toString())).toEqual(["10.65.0.7"]);
  });

  test("taken back within the grace time leaves the device as it was", async () => {
    await settled();
    device.set(undefined);
    expect(device.state()).toMatchObject({ ready: false, code: "TUNNEL_NOT_WANTED" });
    await pass(4_000);
    device.set(wish);
    await pass(20_000);
    expect(kernel.requests).toEqual([]);
    expect(device.state()).toEqual(ready);
  });

  test("that is gone takes the address with it when the grace time is over, and nothing that others added", async () => {
    await settled();
    device.set(undefined);
    await pass(4_900);
    const others: InterfaceAddress = { ...ownAddress(), address: IpAddress.parse("10.9.9.9") };
    kernel.addressesHeld.push(others);
    expect(kernel.requests).toEqual([]);
    await pass(300);
    expect(kernel.addressesHeld).toEqual([others]);
    expect(kernel.link("tunl0").up).toBe(true);
  });

  test("never stated leaves a tunnel of others alone", async () => {
    kernel.setLink({
      ...{ index: 3, name: "tunl0", kind: "ipip", mtu: 1400 },
      up: true,
      running: true,
      loopback: false,
    });
    kernel.addressesHeld.push({ interfaceIndex: 3, address, prefixLength: 32, scope: "universe" });
    device.set(undefined);
    await pass(60_000);
    expect(kernel.requests).toEqual([]);
  });
});

describe("a refusal", () => {
  test("is tried again after pauses that grow, and logged once", async () => {
    kernel.refusals.set("link-add", { ok: false, errno: 1, code: "EPERM", message: "not permitted" });
    device.set(wish);
    await pass(10_000);
    expect(device.state()).toMatchObject({ code: "KERNEL_REFUSED", reason: expect.stringContaining("EPERM") });
    // At once, and after 1, 2 and 4 seconds.
    expect(kernel.requests).toHaveLength(4);
    expect(warnings).toHaveLength(1);
    kernel.refusals.clear();
    await pass(10_000);
    expect(device.state()).toEqual(ready);
  });

  test("for want of IPIP is tried again once a minute, and at once when a tunl0 appears", async () => {
    kernel.refusals.set("link-add", { ok: false, errno: 95, code: "EOPNOTSUPP", message: "Unknown device type" });
    device.set(wish);
    await pass(30_000);
    expect(device.state()).toMatchObject({ code: "KERNEL_LACKS_IPIP" });
    expect(kernel.requests).toHaveLength(1);
    await pass(60_000);
    expect(kernel.requests).toHaveLength(2);
    kernel.setLink({
      ...{ index: 3, name: "tunl0", kind: "ipip", mtu: 1480 },
      up: false,
      running: false,
      loopback: false,
    });
    await pass(300);
    expect(device.state()).toEqual(ready);
  });

  test("of a detail leaves a device that carries packets ready", async () => {
    await settled();
    kernel.refusals.set("link-set", { ok: false, errno: 22, code: "EINVAL", message: "invalid" });
    device.set({ ...wish, mtu: 9_000 });
    await pass(300);
    expect(device.state()).toEqual(ready);
    expect(warnings).toEqual([expect.stringContaining("EINVAL")]);
  });

  test("to answer at all says nothing about a device that was ready", async () => {
    await settled();
    kernel.failure = new TypeError("the worker is gone");
    device.set({ ...wish, mtu: 1400 });
    await pass(2_000);
    expect(device.state()).toEqual(ready);
    expect(warnings).toEqual([expect.stringContaining("the worker is gone")]);
    kernel.failure = undefined;
    await pass(10_000);
    expect(device.state()).toEqual({ ...ready, mtu: 1400 });
  });
});

describe("what others do", () => {
  test("is undone without the device being called unready", async () => {
    await settled();
    kernel.deleteAddress(ownAddress());
    await pass(200);
    expect(kernel.addressesHeld).toHaveLength(1);
    kernel.deleteLink(kernel.link("tunl0"));
    await pass(200);
    expect(kernel.link("tunl0").up).toBe(true);
    expect(changes.at(-1)).toEqual(ready);
    expect(changes).toHaveLength(2);
  });

  test("to other devices costs nothing", async () => {
    await settled();
    kernel.failure = new TypeError("nobody shall ask");
    const link = { ...kernel.link("tunl0"), index: 77, name: "cali0" };
    kernel.tell({ type: "link", action: "new", link });
    kernel.tell({ type: "address", action: "new", address: { ...ownAddress(), interfaceIndex: 77 } });
    await pass(1_000);
    expect(warnings).toEqual([]);
  });

  test("unnoticed is found after lost events, and by the periodic comparison", async () => {
    await settled();
    kernel.addressesHeld = [];
    kernel.tell({ type: "overrun" });
    await pass(200);
    expect(kernel.addressesHeld).toHaveLength(1);
    kernel.addressesHeld = [];
    await pass(61_000);
    expect(kernel.addressesHeld).toHaveLength(1);
  });

  test("again and again is undone after growing pauses only, and the state says so", async () => {
    await settled();
    let repairs = 0;
    for (let elapsed = 0; elapsed < 60_000; elapsed += 200) {
      // A caller that says the same again does not start another fight.
      device.set({ ...wish });
      if (kernel.addressesHeld.length > 0) {
        repairs++;
        kernel.deleteAddress(ownAddress());
      }
      await pass(200);
    }
    // Five at once, then after 1, 2, 4, 8, 16 and 32 seconds.
    expect(repairs).toBeLessThan(14);
    expect(device.state()).toMatchObject({ ready: false, code: "TUNNEL_CONTESTED" });
    await pass(70_000);
    expect(device.state()).toEqual(ready);
  });

  test("is of no interest after stop", async () => {
    await settled();
    device.stop();
    expect(kernel.listeners).toBe(0);
    kernel.deleteAddress(ownAddress());
    await pass(200_000);
    expect(kernel.requests).toEqual([]);
  });
});
