import { namespaceName } from "../text-formats.ts";
import { choice, count, flag, interval, pairs, pattern, port, text } from "./field-shapes.ts";

const refresh = "0s never does.";

/** Settings of the dataplane in general, of iptables, of devices, and of logs. In the order in which they are stored. */
export const dataplaneFields = {
  useInternalDataplaneDriver: flag("Whether Felix programs the kernel itself and starts no external driver.", "true"),
  dataplaneDriver: text("File name of the external dataplane driver.", "calico-iptables-plugin"),
  dataplaneWatchdogTimeout: interval("Deprecated: healthTimeoutOverrides takes its place.", "90s"),
  ipv6Support: flag("Whether IPv6 is programmed.", "true"),
  routeRefreshInterval: interval(
    `How often routes in the kernel are compared with what they should be. ${refresh}`,
    "90s",
  ),
  interfaceRefreshInterval: interval(`How often the state of all devices is read again. ${refresh}`, "90s"),
  iptablesRefreshInterval: interval(
    `How often iptables rules are compared with what they should be. ${refresh}`,
    "180s",
  ),
  iptablesPostWriteCheckInterval: interval("How long after a write of rules they are read once more.", "1s"),
  iptablesLockFilePath: text("The lock file of iptables.", "/run/xtables.lock"),
  iptablesLockTimeout: interval("Deprecated: iptables-restore takes the lock itself.", "0s"),
  iptablesLockProbeInterval: interval("How often Felix tries to take the iptables lock.", "50ms"),
  featureDetectOverride: pairs("Features to take as present or absent: NAME=true|false, with commas between.", "none"),
  featureGates: pairs("Features on trial to switch on: NAME=VALUE, with commas between.", "none"),
  ipsetsRefreshInterval: interval(`How often IP sets are compared with what they should be. ${refresh}`, "90s"),
  maxIpsetSize: count("Most members of an IP set; not with nftables.", "1048576", { unit: "members" }),
  iptablesBackend: choice(["Auto", "Legacy", "NFT"], "Which iptables is used.", "Auto"),
  xdpRefreshInterval: interval(`How often XDP programs and maps are checked. ${refresh}`, "90s"),
  netlinkTimeout: interval("How long to wait for an answer of the kernel over netlink.", "10s"),
  metadataAddr: text("OpenStack: address or name of the metadata server; none for no such rule.", "127.0.0.1"),
  metadataPort: port("OpenStack: TCP port of the metadata server.", "8775"),
  openstackRegion: {
    ...text('OpenStack: the region that the node belongs to; at most 46 letters, digits and "-".', "none"),
    format: namespaceName,
    maxLength: 46,
  },
  interfacePrefix: text("What the names of pod devices on the node begin with; several with commas between.", "cali"),
  interfaceExclude: text(
    "Devices that are no host endpoints: names, or /regular expressions/, with commas.",
    "kube-ipvs0",
  ),
  chainInsertMode: choice(["Insert", "Append"], "Where Felix's jumps go in the kernel's top-level chains.", "Insert"),
  defaultEndpointToHostAction: choice(
    ["Drop", "Accept", "Return"],
    "What becomes of a packet from a pod to its own node after policy has let it pass.",
    "Drop",
  ),
  iptablesFilterAllowAction: choice(["Accept", "Return"], "How the filter table lets a packet pass.", "Accept"),
  iptablesMangleAllowAction: choice(["Accept", "Return"], "How the mangle table lets a packet pass.", "Accept"),
  iptablesFilterDenyAction: choice(["Drop", "Reject"], "How iptables refuses a packet.", "Drop"),
  logPrefix: text("What log lines of rules with the action Log begin with.", "calico-packet"),
  logFilePath: text("Felix's log file; none for no file.", "/var/log/calico/felix.log"),
  logSeverityFile: choice(
    ["Debug", "Info", "Warning", "Error", "Fatal"],
    "From which level on the file is written.",
    "Info",
  ),
  logSeverityScreen: choice(
    ["Trace", "Debug", "Info", "Warning", "Error", "Fatal"],
    "From which level on standard output is written.",
    "Info",
  ),
  logSeveritySys: choice(
    ["Debug", "Info", "Warning", "Error", "Fatal"],
    "From which level on syslog is written.",
    "Info",
  ),
  logDebugFilenameRegex: pattern("Debug lines only of source files whose names match.", "all files"),
} as const;
