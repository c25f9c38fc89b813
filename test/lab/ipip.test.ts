import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { IpipDevice } from "../../src/ipip/tunnel-device.ts";
import { IpAddress } from "../../src/net/address.ts";
import { DeviceControl } from "../../src/netlink/device-control.ts";
import { ip, ipJson, NetlinkFixture, type OpenedNetlink } from "./netlink-fixture.ts";
import { soon } from "./support/tunnel-nodes.ts";

// What a kernel with IPIP makes of the same device is shown in the uml lane.
const fixture = new NetlinkFixture();
const undo: (() => void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) step();
  await fixture.dispose();
});

async function startDevice(): Promise<{ name: string; netlink: OpenedNetlink; device: IpipDevice }> {
  const { name, path } = fixture.namespace();
  const netlink = await fixture.open(path);
  const control = new DeviceControl({ namespace: { path } });
  const device = new IpipDevice({ netlink, clock: systemClock, logger: silentLogger, control });
  undo.push(() => device.stop());
  return { name, netlink, device };
}

const wish = { address: IpAddress.parse("10.65.0.0"), mtu: 1480 };

test("a kernel without IPIP is named as what is missing, with the way out", async ({ skip }) => {
  const { netlink, device } = await startDevice();
  const [probe] = await netlink.execute([{ op: "link-add", link: { kind: "ipip", name: "probe0" } }]);
  if (probe?.ok === true) skip("this kernel has IPIP");
  device.set(wish);
  await expect
    .poll(() => device.state(), soon)
    .toMatchObject({
      ready: false,
      code: "KERNEL_LACKS_IPIP",
      reason: expect.stringContaining("modprobe ipip"),
    });
});

test("a device of another kind that is called tunl0 is left alone", async () => {
  const { name, device } = await startDevice();
  // Where the kernel makes a tunl0 in every namespace, that one has to go out of the way.
  if (ipJson(name, "link", "show").some(({ ifname }) => ifname === "tunl0"))
    ip(name, "link", "set", "tunl0", "name", "t");
  ip(name, "link", "add", "tunl0", "type", "bridge");
  const before = ipJson(name, "address", "show", "tunl0");
  device.set(wish);
  await expect.poll(() => device.state(), soon).toMatchObject({ ready: false, code: "DEVICE_CONFLICT" });
  expect(ipJson(name, "address", "show", "tunl0")).toEqual(before);
});

test("wishes that no IPIP device can have are refused by name", async () => {
  const { device } = await startDevice();
  expect(() => device.set({ ...wish, mtu: 20 })).toThrow(/^mtu: 20 is not an integer from 68 to 65535$/);
  expect(() => device.set({ ...wish, address: IpAddress.parse("fd00::1") })).toThrow(
    /^address: fd00::1 is not an IPv4/,
  );
  expect(device.state()).toMatchObject({ code: "TUNNEL_NOT_WANTED" });
});
