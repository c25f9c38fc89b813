import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { MtuWatcher } from "../../fib/device/mtu-watcher.ts";
import { IpipDevice } from "../../ipip/tunnel-device.ts";
import type { IpAddress } from "../../net/address.ts";
import { DeviceControl } from "../../netlink/device-control.ts";
import type { ForwardingDatabase, Netlink } from "../../netlink/types.ts";
import { VxlanDevice } from "../../vxlan/vxlan-device.ts";
import type { Cleanups } from "../cleanups.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import type { NodeAddress } from "../config/detect-address.ts";
import type { TunnelIpam } from "./tunnel-address.ts";
import { TunnelManager } from "./tunnel-manager.ts";

/** Makes the tunnel manager with its devices, which wake it when they change. Nothing happens before it is started. */
export function createTunnels(
  options: {
    readonly nodeName: string;
    readonly nodeAddress: NodeAddress | undefined;
    readonly netlink: Netlink & ForwardingDatabase;
    readonly cluster: ClusterCache;
    readonly client: ResourceClient;
    readonly ipam: TunnelIpam;
    readonly clock: Clock;
    readonly random: () => number;
    readonly logger: Logger;
    /** How long devices and their addresses stay when no pool wants them any more, in milliseconds. */
    readonly graceMs: number;
    readonly onAddresses: (addresses: readonly IpAddress[]) => void;
    readonly onChange: () => void;
  },
  cleanups: Cleanups,
): TunnelManager {
  const { netlink, clock, random, nodeName, nodeAddress, graceMs } = options;
  const logger = options.logger.child({ part: "tunnels" });
  const wake = () => manager.wake();
  const control = new DeviceControl();
  const ipip = new IpipDevice({ netlink, clock, logger, control, random, graceMs, onChange: wake });
  const vxlan = new VxlanDevice({ netlink, clock, logger, nodeName, random, graceMs, onChange: wake });
  const mtu = new MtuWatcher({
    netlink,
    clock,
    logger,
    ...(nodeAddress !== undefined && { localAddress: nodeAddress.address }),
    onChange: wake,
  });
  const manager = new TunnelManager({ ...options, logger, ipip, vxlan, mtu });
  cleanups.add("tunnels", () => {
    manager.stop();
    mtu.stop();
    ipip.stop();
    vxlan.stop();
  });
  mtu.start();
  return manager;
}
