import { release } from "node:os";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { MtuWatcher } from "../../fib/device/mtu-watcher.ts";
import type { RouteStatus } from "../../fib/types.ts";
import { IpipDevice, ipipDeviceName } from "../../ipip/tunnel-device.ts";
import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { DeviceControl } from "../../netlink/device-control.ts";
import type { ForwardingDatabase, Netlink } from "../../netlink/types.ts";
import { UserspaceTunnel } from "../../tunnel/userspace-tunnel.ts";
import { hasBrokenChecksumOffload } from "../../vxlan/checksum-offload.ts";
import { VxlanDevice } from "../../vxlan/vxlan-device.ts";
import type { NodeView, UdpTunnelView } from "../api/views.ts";
import type { Cleanups } from "../cleanups.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import type { AgentConfig } from "../config/settings.ts";
import type { OwnAddresses } from "../start/own-addresses.ts";
import { IpipBackend, type IpipBackendChoice } from "./ipip-backend.ts";
import type { TunnelIpam } from "./tunnel-address.ts";
import { TunnelManager, type Underlay } from "./tunnel-manager.ts";
import type { TunnelRouteFeed } from "./tunnel-routes.ts";
import { VxlanTunnel } from "./vxlan-tunnel.ts";

const anyAddress = IpAddress.v4(0);

/**
 * Makes the tunnel manager with its devices, which wake it when they change, and what the status says of them. Nothing happens
 * before the manager is started.
 */
export function createTunnels(
  options: {
    readonly nodeName: string;
    readonly ownAddresses: OwnAddresses;
    readonly ipipBackend: IpipBackendChoice;
    /** Names of the devices, network identifier, UDP port, and who computes checksums. */
    readonly vxlan: Pick<
      AgentConfig,
      "vxlanDevice" | "vxlanDeviceV6" | "vxlanVni" | "vxlanPort" | "vxlanChecksumOffload"
    >;
    readonly udp: Pick<AgentConfig, "udpEncapDevice" | "udpEncapPort">;
    /** Outer packets of IPIP and UDP must not be fragmented. */
    readonly pmtuDiscovery: boolean;
    /** They tell user-space tunnels where packets go, beginning with `knownRoutes`. */
    readonly ipipRoutes: TunnelRouteFeed;
    readonly udpRoutes: TunnelRouteFeed;
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
    readonly onPeersChange: (nextHops: readonly IpAddress[]) => void;
  },
  cleanups: Cleanups,
): { readonly manager: TunnelManager; readonly view: () => Pick<NodeView, "ipip" | "udp"> } {
  const { netlink, clock, random, nodeName, graceMs } = options;
  const logger = options.logger.child({ part: "tunnels" });
  const wake = () => manager.wake();
  const deviceChanged = () => manager.deviceChanged();
  const control = new DeviceControl();
  const device = { netlink, clock, logger, control, random, graceMs };
  const kernel = new IpipDevice({ ...device, onChange: () => ipip.kernelChanged() });
  const userspace = new UserspaceTunnel({
    ...device,
    name: ipipDeviceName,
    carrier: { kind: "ipip" },
    onChange: deviceChanged,
  });
  const ipip: IpipBackend = new IpipBackend({
    choice: options.ipipBackend,
    kernel,
    userspace,
    netlink,
    logger,
    onUserspace: () => options.ipipRoutes.follow(userspace, options.knownRoutes()),
    onChange: deviceChanged,
  });
  const { udpEncapDevice, udpEncapPort } = options.udp;
  // A node without an address has no tunnels.
  const localAddress = options.ownAddresses[4]?.address ?? anyAddress;
  const udp = new UserspaceTunnel({
    ...device,
    name: udpEncapDevice,
    carrier: { kind: "udp", localAddress, port: udpEncapPort },
    onChange: deviceChanged,
  });
  options.udpRoutes.follow(udp, options.knownRoutes());
  const { vxlanChecksumOffload: offload } = options.vxlan;
  const isOffloadOff = offload === "off" || (offload === "auto" && hasBrokenChecksumOffload(release()));
  const checksum = isOffloadOff ? { checksumControl: control } : {};
  const underlays = new Map<AddressFamily, Underlay>();
  for (const { address } of Object.values(options.ownAddresses)) {
    const { vxlanDevice, vxlanDeviceV6, vxlanVni: vni, vxlanPort: port } = options.vxlan;
    const { family } = address;
    const name = family === 4 ? vxlanDevice : vxlanDeviceV6;
    const vxlan = new VxlanDevice({
      ...device,
      ...checksum,
      nodeName,
      name,
      family,
      vni,
      port,
      onChange: deviceChanged,
    });
    const mtu = new MtuWatcher({ netlink, clock, logger, localAddress: address, onChange: wake });
    const tunnel = { nodeName, nodeAddress: address, device: vxlan, ipam: options.ipam, clock, logger, graceMs };
    underlays.set(family, { mtu, vxlan: new VxlanTunnel(tunnel) });
    cleanups.add("underlay", () => {
      mtu.stop();
      vxlan.stop();
    });
    mtu.start();
  }
  const manager = new TunnelManager({ ...options, logger, ipip, udp, udpPort: udpEncapPort, underlays });
  cleanups.add("tunnels", async () => {
    manager.stop();
    await ipip.stop();
    await udp.stop();
  });
  const udpView = (): UdpTunnelView | null => {
    const packets = udp.counters();
    return packets === undefined ? null : { device: udpEncapDevice, port: udpEncapPort, packets };
  };
  return { manager, view: () => ({ ipip: ipip.view(), udp: udpView() }) };
}
