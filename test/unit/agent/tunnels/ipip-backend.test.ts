import { describe, expect, it } from "vitest";
import { IpipBackend, type IpipBackendChoice } from "../../../../src/agent/tunnels/ipip-backend.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { DeviceState } from "../../../../src/fib/device/types.ts";
import type { TunnelWish } from "../../../../src/fib/device/wish.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { Link } from "../../../../src/netlink/types.ts";

const wish = { address: IpAddress.parse("10.65.0.0"), mtu: 1480 };
const ready: DeviceState = { ready: true, device: "tunl0", mtu: 1480 };
const pending: DeviceState = { ready: false, code: "TUNNEL_PENDING", reason: "tunl0 is being set up" };

class Device {
  wish: TunnelWish | undefined;
  stopped = false;
  answer: DeviceState = pending;

  set(wanted: TunnelWish | undefined): void {
    this.wish = wanted;
  }

  state(): DeviceState {
    return this.answer;
  }

  counters(): undefined {
    return undefined;
  }

  stop(): Promise<void> {
    this.stopped = true;
    return Promise.resolve();
  }
}

const tunnelDevice = (kind: string): Link => ({
  index: 7,
  name: "tunl0",
  kind,
  mtu: 1480,
  up: true,
  running: true,
  loopback: false,
});

async function choose(choice: IpipBackendChoice, links: readonly Link[] = []) {
  const kernel = new Device();
  const userspace = new Device();
  const warnings: unknown[] = [];
  let followed = 0;
  const logger = Object.create(silentLogger, { warn: { value: (facts: unknown) => warnings.push(facts) } });
  const backend = new IpipBackend({
    choice,
    kernel,
    userspace,
    netlink: { links: async () => [...links] },
    logger,
    onUserspace: () => {
      followed++;
    },
    onChange: () => {},
  });
  backend.set(wish);
  expect(backend.state()).toEqual(pending);
  await new Promise((resolve) => setImmediate(resolve));
  return { backend, kernel, userspace, warnings, followed: () => followed };
}

describe("IpipBackend", () => {
  it("leaves packets to a kernel that has ipip", async () => {
    const { backend, kernel, userspace } = await choose("auto");
    kernel.answer = ready;
    backend.kernelChanged();
    expect(kernel.wish).toBe(wish);
    expect(userspace.wish).toBeUndefined();
    expect(backend.state()).toEqual(ready);
    expect(backend.view()).toEqual({ backend: "kernel", reason: null, packets: null });
  });

  it("carries them itself if the kernel has none, and says so once", async () => {
    const { backend, kernel, userspace, warnings, followed } = await choose("auto");
    kernel.answer = { ready: false, code: "KERNEL_LACKS_IPIP", reason: "no ipip" };
    backend.kernelChanged();
    backend.kernelChanged();
    expect(userspace.wish).toBe(wish);
    expect(kernel.stopped).toBe(true);
    userspace.answer = ready;
    expect(backend.state()).toEqual(ready);
    expect(backend.view()).toEqual({ backend: "userspace", reason: "kernel has no ipip", packets: null });
    expect(warnings).toEqual([{ reason: "kernel has no ipip" }]);
    expect(followed()).toBe(1);
    backend.set(undefined);
    expect(userspace.wish).toBeUndefined();
  });

  it("goes on with a TUN device from before, and leaves the kernel's name for others alone", async () => {
    const { userspace, kernel } = await choose("auto", [tunnelDevice("tun")]);
    expect([userspace.wish, kernel.wish]).toEqual([wish, undefined]);
    const other = await choose("auto", [tunnelDevice("ipip")]);
    expect([other.userspace.wish, other.kernel.wish]).toEqual([undefined, wish]);
  });

  it("does what it is told, whatever there is", async () => {
    const forced = await choose("kernel", [tunnelDevice("tun")]);
    forced.kernel.answer = { ready: false, code: "KERNEL_LACKS_IPIP", reason: "no ipip" };
    forced.backend.kernelChanged();
    expect(forced.userspace.wish).toBeUndefined();
    expect(forced.backend.state()).toMatchObject({ code: "KERNEL_LACKS_IPIP" });
    expect((await choose("userspace")).userspace.wish).toBe(wish);
  });

  it("touches nothing while no pool wants a tunnel", async () => {
    const { backend, kernel, userspace } = await choose("auto");
    expect(backend.view()).not.toBeNull();
    const idle = new IpipBackend({
      choice: "auto",
      kernel,
      userspace,
      netlink: { links: () => Promise.reject(new Error("asked")) },
      logger: silentLogger,
      onUserspace: () => {},
      onChange: () => {},
    });
    idle.set(undefined);
    expect(idle.state()).toMatchObject({ code: "TUNNEL_NOT_WANTED" });
    expect(idle.view()).toBeNull();
  });
});
