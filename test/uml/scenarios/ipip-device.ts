import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { DeviceState } from "../../../src/fib/device/types.ts";
import { IpipDevice } from "../../../src/ipip/tunnel-device.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { DeviceControl } from "../../../src/netlink/device-control.ts";
import { ip, ipJson, NetlinkFixture, type OpenedNetlink } from "../../lab/netlink-fixture.ts";
import { eventually } from "../guest/eventually.ts";
import type { Check, Scenario } from "../guest/scenario.ts";

/** One namespace and the device that is kept in it. */
interface World {
  readonly name: string;
  readonly path: string;
  readonly netlink: OpenedNetlink;
  device: IpipDevice;
}

type Options = Partial<ConstructorParameters<typeof IpipDevice>[0]>;

const fixture = new NetlinkFixture();
const address = IpAddress.parse("10.65.0.0");
const wish = { address, mtu: 1480 };
/** What is promised for repairs; the guest has one slow processor. */
const repairMs = 1_000;

async function newWorld(options: Options = {}): Promise<World> {
  const { name, path } = fixture.namespace();
  const netlink = await fixture.open(path);
  return { name, path, netlink, device: newDevice({ path, netlink }, options) };
}

function newDevice({ path, netlink }: Pick<World, "path" | "netlink">, options: Options = {}): IpipDevice {
  const control = new DeviceControl({ namespace: { path } });
  return new IpipDevice({ netlink, clock: systemClock, logger: silentLogger, control, ...options });
}

const shown = ({ name }: World) => ipJson(name, "address", "show", "tunl0")[0] ?? {};

/** What iproute2 says of tunl0. */
function summary(world: World): { index: unknown; mtu: unknown; up: boolean; addresses: string[] } {
  const { ifindex, mtu, flags, addr_info } = shown(world);
  const addresses = addr_info as { local: string; prefixlen: number }[];
  return {
    index: ifindex,
    mtu,
    up: (flags as string[]).includes("UP"),
    addresses: addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
  };
}

async function equals(actual: () => unknown, expected: unknown, timeoutMs?: number): Promise<void> {
  await eventually(async () => {
    try {
      assert.deepEqual(actual(), expected);
      return [];
    } catch (error) {
      return [String(error)];
    }
  }, timeoutMs);
}

const ready = (mtu = 1480): DeviceState => ({ ready: true, device: "tunl0", mtu });

/** `command` of iproute2 is undone within a second, and the device is the same. */
function repairs(command: string): Check<World> {
  return async (world) => {
    const before = summary(world);
    ip(world.name, ...command.split(" "));
    assert.notDeepEqual(summary(world), before);
    await equals(() => summary(world), before, repairMs);
  };
}

export const scenario: Scenario<World> = {
  start: () => newWorld(),
  checks: {
    "the tunl0 of the module is taken over": async (world) => {
      assert.equal(world.device.state().ready, false);
      world.device.set(wish);
      await equals(() => world.device.state(), ready());
      const { index, ...rest } = summary(world);
      assert.ok(index);
      assert.deepEqual(rest, { mtu: 1480, up: true, addresses: ["10.65.0.0/32"] });
    },

    "down: it is up again within a second": repairs("link set tunl0 down"),
    "address deleted: it is back within a second": repairs("address del 10.65.0.0/32 dev tunl0"),
    "address added: it is gone within a second": repairs("address add 10.99.0.1/24 dev tunl0"),
    "MTU changed: it is as before within a second": repairs("link set tunl0 mtu 1300"),

    "renamed: it has its name again within a second": async (world) => {
      world.device.set({ ...wish, mtu: 1460 });
      await equals(() => world.device.state(), ready(1460));
      const before = summary(world);
      ip(world.name, "link", "set", "tunl0", "down");
      ip(world.name, "link", "set", "tunl0", "name", "other");
      await equals(() => (ipJson(world.name, "link", "show").length > 0 ? summary(world) : {}), before, repairMs);
    },

    "a restart changes nothing, and a new address comes before the old one goes": async (world) => {
      const { index } = summary(world);
      world.device.stop();
      world.device = newDevice(world);
      const addressEvents: string[] = [];
      const end = await world.netlink.subscribe(["address", "link"], (events) => {
        for (const event of events)
          addressEvents.push(event.type === "address" ? `${event.action} ${event.address.address}` : event.type);
      });
      world.device.set({ ...wish, mtu: 1460 });
      await equals(() => world.device.state(), ready(1460));
      assert.deepEqual(addressEvents, []);
      world.device.set({ address: IpAddress.parse("10.65.0.9"), mtu: 1460 });
      await equals(() => addressEvents, ["new 10.65.0.9", "delete 10.65.0.0"]);
      end();
      await equals(() => summary(world).index, index);
      assert.deepEqual(world.device.state(), ready(1460));
    },

    "path MTU discovery and rp_filter are as asked": async (world) => {
      const discovery = () => ipJson(world.name, "link", "show", "tunl0")[0]?.linkinfo as { info_data?: object };
      const control = new DeviceControl({ namespace: world });
      const isOn = () => "pmtudisc" in (discovery().info_data ?? {}) && Object(discovery().info_data).pmtudisc === true;
      assert.equal(isOn(), false);
      const filterBefore = control.reversePathFilter("tunl0");
      world.device.set({ address, mtu: 1460, pmtuDiscovery: true });
      await equals(isOn, true);
      assert.equal(control.reversePathFilter("tunl0"), filterBefore);
      world.device.set({ address, mtu: 1460, pmtuDiscovery: false, reversePathFilter: 2 });
      await equals(isOn, false);
      await equals(() => control.reversePathFilter("tunl0"), 2);
    },

    "not needed any more, it loses its address after the grace time and stays up": async () => {
      const world = await newWorld({ graceMs: 200 });
      world.device.set(wish);
      await equals(() => world.device.state(), ready());
      world.device.set(undefined);
      assert.deepEqual(world.device.state(), {
        ready: false,
        code: "TUNNEL_NOT_WANTED",
        reason: "nothing needs tunl0",
      });
      await equals(() => summary(world).addresses, []);
      assert.equal(summary(world).up, true);
    },

    "where the kernel makes no tunl0 by itself, it is made, and again when deleted": async () => {
      writeFileSync("/proc/sys/net/core/fb_tunnels_only_for_init_net", "1");
      const world = await newWorld();
      world.device.set({ ...wish, pmtuDiscovery: true });
      await equals(() => world.device.state(), ready());
      const { index: first, ...before } = summary(world);
      ip(world.name, "link", "del", "tunl0");
      const isBack = () =>
        ipJson(world.name, "link", "show").some(({ ifname, ifindex }) => ifname === "tunl0" && ifindex !== first);
      await equals(isBack, true, repairMs);
      await equals(() => ({ ...summary(world), index: undefined }), { ...before, index: undefined }, repairMs);
    },

    "an IPIP tunnel to one node alone is not taken for ours": async () => {
      const world = await newWorld();
      ip(world.name, ..."link add tunl0 type ipip remote 10.9.9.9 local 10.9.9.8".split(" "));
      world.device.set(wish);
      await equals(() => Object(world.device.state()).code, "DEVICE_CONFLICT");
      assert.deepEqual(summary(world).addresses, []);
    },
  },
};
