import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { MtuWatcher } from "../../src/fib/device/mtu-watcher.ts";
import { Cleanup, TunnelNode, withinOneSecond } from "./support/tunnel-nodes.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

test("the MTU towards the peers is followed live, through links, bonds in all but name and routes", async () => {
  const [a, b] = await TunnelNode.pair(cleanup);
  const told: number[] = [];
  const watcher = new MtuWatcher({
    netlink: a.netlink,
    clock: systemClock,
    logger: silentLogger,
    localAddress: a.address,
    onChange: (mtu) => told.push(mtu),
  });
  cleanup.add(() => watcher.stop());
  watcher.start();
  await expect.poll(() => told, withinOneSecond).toEqual([1500]);
  await a.namespace.ip("link set eth0 mtu 1400");
  await expect.poll(() => told, withinOneSecond).toEqual([1500, 1400]);
  // The node's address moves to a bridge, as with a bond: no pattern knows its name.
  await a.namespace.ipBatch([
    "link add uplink mtu 1350 type bridge",
    "link set uplink up",
    "addr del 172.30.0.1/24 dev eth0",
    "addr add 172.30.0.1/24 dev uplink",
  ]);
  await expect.poll(() => told, withinOneSecond).toEqual([1500, 1400, 1350]);
  watcher.setPeers([b.address]);
  await a.namespace.ip("link set uplink mtu 1300");
  await expect.poll(() => told, withinOneSecond).toEqual([1500, 1400, 1350, 1300]);
});
