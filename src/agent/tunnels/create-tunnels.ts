import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { MtuWatcher } from "../../fib/device/mtu-watcher.ts";
import type { RouteStatus } from "../../fib/types.ts";
import { IpipDevice } from "../../ipip/tunnel-device.ts";
import { UserspaceIpip } from "../../ipip/userspace/userspace-device.ts";
import type { AddressFamily, IpAddress } from "../../net/address.ts";
import { DeviceControl } from "../../netlink/device-control.ts";
import type { ForwardingDatabase, Netlink } from "../../netlink/types.ts";
import { VxlanDevice } from "../../vxlan/vxlan-device.ts";
import type { Cleanups } from "../cleanups.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import type { AgentConfig } from "../config/settings.ts";
import type { OwnAddresses } from "../own-addresses.ts";
import { IpipBackend, type IpipBackendChoice } from "./ipip-backend.ts";
import type { IpipRoutes } from "./ipip-routes.ts";
import type { TunnelIpam } from "./tunnel-address.ts";
import { TunnelManager, type Underlay } from "./tunnel-manager.ts";
import { VxlanTunnel } from "./vxlan-tunnel.ts";

/**
 * Makes the tunnel manager with its devices, which wake it when they change, and who carries IPIP packets. Nothing happens
 * before the manager is started.
 */
export function createTunnels(
  options: {
    readonly nodeName: string;
    readonly ownAddresses: OwnAddresses;
    readonly ipipBackend: IpipBackendChoice;
    /** Names of the devices, network identifier and UDP port. */
    readonly vxlan: Pick<AgentConfig, "vxlanDevice" | "vxlanDeviceV6" | "vxlanVni" | "vxlanPort">;
    /** Tells a user-space tunnel where packets go, beginning with `knownRoutes`. */
    readonly ipipRoutes: IpipRoutes;
    readonly knownRoutes: () => Iterable<RouteStatus>;
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
): { readonly manager: TunnelManager; readonly ipip: IpipBackend } {
  const { netlink, clock, random, nodeName, graceMs } = options;
  const logger = options.logger.child({ part: "tunnels" });
  const wake = () => manager.wake();
  const control = new DeviceControl();
  const device = { netlink, clock, logger, control, random, graceMs };
  const kernel = new IpipDevice({ ...device, onChange: () => ipip.kernelChanged() });
  const userspace = new UserspaceIpip({ ...device, onChange: wake });
  const ipip: IpipBackend = new IpipBackend({
    choice: options.ipipBackend,
    kernel,
    userspace,
    netlink,
    logger,
    onUserspace: () => options.ipipRoutes.follow(userspace, options.knownRoutes()),
    onChange: wake,
  });
  const underlays = new Map<AddressFamily, Underlay>();
  for (const { address } of Object.values(options.ownAddresses)) {
    const { vxlanDevice, vxlanDeviceV6, vxlanVni: vni, vxlanPort: port } = options.vxlan;
    const { family } = address;
    const name = family === 4 ? vxlanDevice : vxlanDeviceV6;
    const vxlan = new VxlanDevice({ ...device, nodeName, name, family, vni, port, onChange: wake });
    const mtu = new MtuWatcher({ netlink, clock, logger, localAddress: address, onChange: wake });
    const tunnel = { nodeName, nodeAddress: address, device: vxlan, ipam: options.ipam, clock, logger, graceMs };
    underlays.set(family, { mtu, vxlan: new VxlanTunnel({ ...tunnel, onChange: wake }) });
    cleanups.add("underlay", () => {
      mtu.stop();
      vxlan.stop();
    });
    mtu.start();
  }
  const manager = new TunnelManager({ ...options, logger, ipip, underlays });
  cleanups.add("tunnels", async () => {
    manager.stop();
    await ipip.stop();
  });
  return { manager, ipip };
}
