import { choice, count, flag, interval, pattern, port, text } from "./field-shapes.ts";

const range = {
  min: { type: "integer", required: true, min: 1, max: 0xffffffff, description: "The lowest." },
  max: { type: "integer", required: true, min: 1, max: 0xffffffff, description: "The highest." },
} as const;

/** Settings of route tables, WireGuard and the rest. In the order in which they are stored. */
export const routingFields = {
  routeSource: choice(
    ["CalicoIPAM", "WorkloadIPs"],
    "What routes are made of: blocks, or pods' addresses.",
    "CalicoIPAM",
  ),
  routeTableRanges: {
    type: "list",
    zero: "keep",
    items: { type: "object", fields: range },
    description: "Numbers of further route tables that Felix may use.",
    default: "1 to 250",
  },
  routeTableRange: {
    type: "object",
    fields: range,
    description: "Deprecated: routeTableRanges takes its place. Within 1 to 250, and not together with it.",
    default: "none",
  },
  routeSyncDisabled: flag("Whether Felix leaves routes alone, for policy only.", "false"),
  localSubnetL2Reachability: choice(
    ["Enabled", "Disabled"],
    "Whether the node answers ARP and NDP for pods whose addresses lie in its own subnet.",
    "Disabled",
  ),
  wireguardEnabled: flag("Whether IPv4 traffic between nodes is encrypted.", "false"),
  wireguardEnabledV6: flag("Whether IPv6 traffic between nodes is encrypted.", "false"),
  wireguardThreadingEnabled: flag("Whether WireGuard uses several CPUs for receiving.", "false"),
  wireguardListeningPort: port("UDP port of WireGuard over IPv4.", "51820", 1),
  wireguardListeningPortV6: port("UDP port of WireGuard over IPv6.", "51821", 1),
  wireguardRoutingRulePriority: count("Priority of the routing rule of WireGuard.", "99", { min: 1, max: 32765 }),
  wireguardInterfaceName: { ...text("Name of the IPv4 WireGuard device.", "wireguard.cali"), maxLength: 15 },
  wireguardInterfaceNameV6: { ...text("Name of the IPv6 WireGuard device.", "wg-v6.cali"), maxLength: 15 },
  wireguardMTU: count("MTU of the IPv4 WireGuard device; 0: as the node's devices allow.", "0", { unit: "bytes" }),
  wireguardMTUV6: count("MTU of the IPv6 WireGuard device; 0: as the node's devices allow.", "0", { unit: "bytes" }),
  wireguardHostEncryptionEnabled: flag("Whether traffic of the nodes themselves is encrypted, too.", "false"),
  wireguardKeepAlive: interval("How often WireGuard sends something to quiet peers; 0s for never.", "0s"),
  awsSrcDstCheck: choice(
    ["DoNothing", "Enable", "Disable"],
    "AWS: what becomes of the instance's check of source and destination.",
    "DoNothing",
  ),
  serviceLoopPrevention: choice(
    ["Drop", "Reject", "Disabled"],
    "What becomes of packets to advertised service addresses that no service has.",
    "Drop",
  ),
  workloadSourceSpoofing: choice(["Disabled", "Any"], "Whether pods may ask for further source addresses.", "Disabled"),
  mtuIfacePattern: pattern("Devices whose MTU counts for that of pods and tunnels.", "usual names of network cards"),
  floatingIPs: choice(["Enabled", "Disabled"], "Whether pods may have floating addresses.", "Disabled"),
  windowsManageFirewallRules: choice(
    ["Enabled", "Disabled"],
    "Windows: whether the firewall is opened for metrics.",
    "Disabled",
  ),
  goGCThreshold: count("How far Felix's heap grows before it is collected; -1 for ever.", "40", {
    min: -1,
    unit: "percent",
  }),
  goMemoryLimitMB: count("Memory that Felix tries to stay below; -1 for no limit.", "-1", { min: -1, unit: "MiB" }),
  goMaxProcs: count("CPUs that Felix uses at once; -1 for all.", "-1", { min: -1, unit: "CPUs" }),
  requireMTUFile: flag("Whether Felix waits for the file that holds the MTU.", "false"),
} as const;
