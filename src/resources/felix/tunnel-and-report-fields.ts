import { addressOrCidr, hostName, ipv4Address, ipv6Address, partName, portRange } from "../text-formats.ts";
import { choice, count, flag, interval, port, ports, prefixes, routePriority, text } from "./field-shapes.ts";

const mtu = { max: 65535, unit: "bytes" } as const;

/** A port that host endpoint policy never closes. */
const failsafePorts = (description: string, unset: string) =>
  ({
    type: "list",
    zero: "keep",
    description,
    default: unset,
    items: {
      type: "object",
      fields: {
        protocol: {
          type: "text",
          values: ["tcp", "udp", "sctp"],
          anyCase: true,
          description: "The transport protocol.",
          default: "tcp",
        },
        port: { type: "integer", required: true, zero: "keep", min: 0, max: 65535, description: "The port." },
        net: { type: "text", format: addressOrCidr, description: "From or to these addresses only.", default: "all" },
      },
    },
  }) as const;

/** Settings of tunnels, reports, metrics, NAT, routes and debugging. In the order in which they are stored. */
export const tunnelAndReportFields = {
  ipipEnabled: flag("Whether the node has the device tunl0.", "if a pool uses IPIP"),
  ipipMTU: count("MTU of tunl0; 0: as the node's devices allow.", "0", mtu),
  vxlanEnabled: flag("Whether the node has the device vxlan.calico.", "if a pool uses VXLAN"),
  vxlanMTU: count("MTU of vxlan.calico; 0: as the node's devices allow.", "0", mtu),
  vxlanMTUV6: count("MTU of vxlan-v6.calico; 0: as the node's devices allow.", "0", mtu),
  vxlanPort: port("UDP port of VXLAN.", "4789"),
  vxlanVNI: count("The VXLAN network identifier.", "4096", { max: 0xffffff }),
  allowVXLANPacketsFromWorkloads: flag("Whether pods may send VXLAN packets of their own.", "false"),
  allowIPIPPacketsFromWorkloads: flag("Whether pods may send IPIP packets of their own.", "false"),
  reportingInterval: interval("How often Felix reports its state to the datastore; 0s for never.", "30s"),
  reportingTTL: interval("For how long a report of Felix's state is valid.", "90s"),
  endpointReportingEnabled: flag("OpenStack: whether the state of endpoints is reported to the datastore.", "false"),
  endpointReportingDelay: interval("OpenStack: how long to wait before an endpoint's state is reported.", "1s"),
  endpointStatusPathPrefix: text(
    "Directory for the state of endpoints, which the CNI plugin waits for.",
    "/var/run/calico",
  ),
  iptablesMarkMask: count("Which bits of the packet mark Felix uses with iptables; at least 8.", "0xffff0000", {
    max: 0xffffffff,
  }),
  disableConntrackInvalidCheck: flag("Whether packets that conntrack calls invalid pass.", "false"),
  healthEnabled: flag("Whether readiness and liveness are served over HTTP.", "false"),
  healthHost: { ...text("Address or name that the health server binds to.", "localhost"), zero: "keep" },
  healthPort: port("TCP port of the health server.", "9099"),
  healthTimeoutOverrides: {
    type: "list",
    description: "Other time limits for parts of Felix after which they count as hanging.",
    default: "none",
    items: {
      type: "object",
      fields: {
        name: { type: "text", required: true, format: partName, description: "The part, as Felix's log names it." },
        timeout: interval("Its time limit.", "0s"),
      },
    },
  },
  prometheusMetricsEnabled: flag("Whether metrics are served for Prometheus.", "false"),
  prometheusMetricsHost: {
    ...text("Address or name that the metrics server binds to.", "all addresses"),
    format: hostName,
  },
  prometheusMetricsPort: port("TCP port of the metrics server.", "9091"),
  prometheusGoMetricsEnabled: flag("Whether metrics of the Go runtime are served.", "true"),
  prometheusProcessMetricsEnabled: flag("Whether metrics of the process are served.", "true"),
  prometheusWireGuardMetricsEnabled: flag("Whether metrics of WireGuard are served.", "true"),
  failsafeInboundHostPorts: failsafePorts(
    "Ports of the node that stay reachable whatever policy says; [] for none.",
    "SSH, DHCP, BGP, etcd, Typha and the Kubernetes API",
  ),
  failsafeOutboundHostPorts: failsafePorts(
    "Ports that the node can always reach, whatever policy says; [] for none.",
    "DNS, DHCP, BGP, etcd, Typha and the Kubernetes API",
  ),
  kubeNodePortRanges: {
    type: "list",
    zero: "keep",
    maxItems: 7,
    items: { type: "numberOrText", min: 1, max: 65535, format: portRange },
    description: "Ports of services of type NodePort, for kube-proxy in IPVS mode; at most 7.",
    default: "30000:32767",
  },
  policySyncPathPrefix: text("Directory in which external services get policy changes.", "none"),
  usageReportingEnabled: flag("Whether version and cluster size are reported to projectcalico.org.", "true"),
  usageReportingInitialDelay: interval("How long to wait before the first such report.", "300s"),
  usageReportingInterval: interval("How often such a report is sent.", "86400s"),
  natPortRange: ports("Source ports for outgoing NAT.", "as the kernel chooses"),
  natOutgoingAddress: {
    ...text("IPv4 source address for outgoing NAT.", "that of the device a packet leaves by"),
    format: ipv4Address,
  },
  natOutgoingExclusions: choice(
    ["IPPoolsOnly", "IPPoolsAndHostIPs"],
    "Destinations for which the source address of a packet from a natOutgoing pool stays.",
    "IPPoolsOnly",
  ),
  deviceRouteSourceAddress: {
    ...text("IPv4 source address in the node's routes to its pods.", "none"),
    format: ipv4Address,
  },
  deviceRouteSourceAddressIPv6: {
    ...text("IPv6 source address in the node's routes to its pods.", "none"),
    format: ipv6Address,
  },
  deviceRouteProtocol: count("Protocol number of Felix's routes in the kernel.", "80", { max: 255 }),
  removeExternalRoutes: flag("Whether routes to pod devices that Felix did not make are removed.", "true"),
  programClusterRoutes: choice(
    ["Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"],
    "Which routes to other nodes' blocks Felix makes; BGPConfiguration.spec.programClusterRoutes must name the others.",
    "EnabledIPIPOnly",
  ),
  ipv4NormalRoutePriority: routePriority("Metric of IPv4 routes.", "1024"),
  ipv4ElevatedRoutePriority: routePriority("Metric of the IPv4 route of a virtual machine that is moving here.", "512"),
  ipv6NormalRoutePriority: routePriority("Metric of IPv6 routes.", "1024"),
  ipv6ElevatedRoutePriority: routePriority("Metric of the IPv6 route of a virtual machine that is moving here.", "512"),
  liveMigrationRouteConvergenceTime: interval("How long such a route stays after the move.", "30s"),
  ipForwarding: choice(["Enabled", "Disabled"], "Whether Felix switches forwarding on in the kernel.", "Enabled"),
  externalNodesList: prefixes(
    "IPv4 prefixes of nodes outside the cluster from which tunnel packets are taken.",
    "none",
  ),
  debugMemoryProfilePath: text("File for a memory profile, written on a signal.", "none"),
  debugDisableLogDropping: flag("Whether Felix waits when its log can't be written fast enough.", "false"),
  debugSimulateCalcGraphHangAfter: interval("For tests: when the calculation hangs.", "never"),
  debugSimulateDataplaneHangAfter: interval("For tests: when the dataplane hangs.", "never"),
  debugSimulateDataplaneApplyDelay: interval("For tests: how much longer every change takes.", "0s"),
  debugHost: { ...text("Address or name that the debug server binds to.", "localhost"), zero: "keep" },
  debugPort: port("TCP port of the debug server, which has no protection.", "no server"),
  iptablesNATOutgoingInterfaceFilter: text(
    "Device by which packets must leave for outgoing NAT; + is a wildcard.",
    "any",
  ),
  sidecarAccelerationEnabled: flag("Whether sockets of sidecars are joined directly; on trial.", "false"),
  xdpEnabled: flag("Whether XDP refuses packets early where policy allows that.", "true"),
  genericXDPEnabled: flag("Whether XDP is used with network cards that have no support for it.", "false"),
} as const;
