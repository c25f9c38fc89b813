import { defaultInterfacePrefix, interfacePrefix } from "../../endpoint/names.ts";
import type { NatOptions, PortRange } from "../../nat/ruleset.ts";
import type { IpAddress } from "../../net/address.ts";
import { RouteProtocol } from "../../netlink/types.ts";
import { type BgpConfig, bgpSettings } from "./bgp-settings.ts";
import { type DatastoreConfig, datastoreSettings } from "./datastore-settings.ts";
import { type IpamConfig, ipamSettings } from "./ipam-settings.ts";
import { type MonitoringConfig, monitoringSettings } from "./monitoring-settings.ts";
import { parseExclusions, parseInterfaceFilter, parsePortRange, parseSourceAddress } from "./nat-settings.ts";
import { type NodeConfig, nodeSettings } from "./node-settings.ts";
import { type PoolConfig, poolSettings } from "./pool-settings.ts";
import { parseRouteMetric, parseRouteProtocol, parseTakeover } from "./route-settings.ts";
import { type Setting, settingOf } from "./setting.ts";
import { type TunnelConfig, tunnelSettings } from "./tunnel-settings.ts";
import { parseBoolean, parsePath } from "./values.ts";

/** Everything an agent can be told. Resolved from flags, then environment, then the file, then defaults (DESIGN §1). */
export interface AgentConfig
  extends DatastoreConfig,
    NodeConfig,
    PoolConfig,
    BgpConfig,
    TunnelConfig,
    MonitoringConfig,
    IpamConfig {
  readonly runDir: string;
  /** Folder of passwords: files NAME/KEY for what a `secretKeyRef` names. */
  readonly secretsDir: string;
  readonly stateDir: string;
  readonly logLevel: LogLevel;
  /** How names of pods' host interfaces begin. */
  readonly interfacePrefix: string;
  /** Metric of the routes that we write: 0 as Calico until v3.31; auto as later ones, which tell it by LOCAL_PREF. */
  readonly routeMetric: number | "auto";
  /** RTPROT_* of the routes that we write. */
  readonly routeProtocol: number;
  /** RTPROT_* of routes that are replaced where they stand in the way. */
  readonly takeoverProtocols: readonly number[] | undefined;
  readonly natOutgoingExclusions: NatOptions["natOutgoingExclusions"];
  readonly natPortRange: PortRange | undefined;
  readonly natOutgoingAddress: IpAddress | undefined;
  readonly natOutgoingInterfaceFilter: string | undefined;
  readonly protectEncapsulation: boolean;
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof logLevels)[number];

const setting = settingOf<AgentConfig>();

/** The one table behind flags, environment, file, `--help` and docs/configuration.md. */
export const settings = [
  ...datastoreSettings,
  ...nodeSettings,
  ...poolSettings,
  ...bgpSettings,
  setting({
    key: "runDir",
    flag: "run-dir",
    placeholder: "DIR",
    environment: ["CALIBIRD_RUN_DIR"],
    help: "folder of the agent's sockets",
    defaultValue: "/run/calibird",
    parse: parsePath,
  }),
  setting({
    key: "stateDir",
    flag: "state-dir",
    placeholder: "DIR",
    environment: ["CALIBIRD_STATE_DIR"],
    help: "folder of what must survive a reboot",
    defaultValue: "/var/lib/calibird",
    parse: parsePath,
  }),
  setting({
    key: "secretsDir",
    flag: "secrets-dir",
    placeholder: "DIR",
    environment: ["CALIBIRD_SECRETS_DIR"],
    help: "folder of the passwords that resources name by secretKeyRef, as files NAME/KEY",
    defaultValue: "/etc/calibird/secrets",
    parse: parsePath,
  }),
  setting({
    key: "logLevel",
    flag: "log-level",
    placeholder: "LEVEL",
    environment: ["CALIBIRD_LOG_LEVEL"],
    help: `one of ${logLevels.join(", ")}`,
    defaultValue: "info",
    parse: parseLogLevel,
  }),
  setting({
    key: "interfacePrefix",
    flag: "interface-prefix",
    placeholder: "TEXT",
    environment: ["CALIBIRD_INTERFACE_PREFIX", "FELIX_INTERFACEPREFIX"],
    help: "how the names of pods' host interfaces begin",
    defaultValue: defaultInterfacePrefix,
    parse: interfacePrefix,
  }),
  setting({
    key: "routeMetric",
    flag: "route-metric",
    placeholder: "NUMBER",
    environment: ["CALIBIRD_ROUTE_METRIC"],
    help: "metric of the kernel routes: auto (1024, or as a peer's LOCAL_PREF says), or a fixed one",
    defaultValue: "auto",
    parse: parseRouteMetric,
  }),
  setting({
    key: "routeProtocol",
    flag: "route-protocol",
    placeholder: "NUMBER",
    environment: ["CALIBIRD_ROUTE_PROTOCOL"],
    help: "protocol number of the kernel routes; bird (12) and felix (80) are Calico's",
    defaultValue: RouteProtocol.calibird,
    parse: parseRouteProtocol,
  }),
  setting({
    key: "takeoverProtocols",
    flag: "takeover-protocols",
    placeholder: "LIST",
    environment: ["CALIBIRD_TAKEOVER_PROTOCOLS"],
    help: "protocol numbers of routes to replace when ours are there, e.g. 12,80,3 after Calico (default: none)",
    defaultValue: undefined,
    parse: parseTakeover,
  }),
  setting({
    key: "natOutgoingExclusions",
    flag: "nat-outgoing-exclusions",
    placeholder: "WHAT",
    environment: ["CALIBIRD_NAT_OUTGOING_EXCLUSIONS", "FELIX_NATOUTGOINGEXCLUSIONS"],
    help: "destinations that natOutgoing leaves alone: IPPoolsOnly or IPPoolsAndHostIPs (nodes, too)",
    defaultValue: "IPPoolsOnly",
    parse: parseExclusions,
  }),
  setting({
    key: "natPortRange",
    flag: "nat-port-range",
    placeholder: "FIRST:LAST",
    environment: ["CALIBIRD_NAT_PORT_RANGE", "FELIX_NATPORTRANGE"],
    help: "source ports of natOutgoing for TCP and UDP (default: the kernel's choice)",
    defaultValue: undefined,
    parse: parsePortRange,
  }),
  setting({
    key: "natOutgoingAddress",
    flag: "nat-outgoing-address",
    placeholder: "ADDRESS",
    environment: ["CALIBIRD_NAT_OUTGOING_ADDRESS", "FELIX_NATOUTGOINGADDRESS"],
    help: "source address of natOutgoing (default: that of the interface a packet leaves by)",
    defaultValue: undefined,
    parse: parseSourceAddress,
  }),
  setting({
    key: "natOutgoingInterfaceFilter",
    flag: "nat-outgoing-interface-filter",
    placeholder: "NAME",
    environment: ["CALIBIRD_NAT_OUTGOING_INTERFACE_FILTER", "FELIX_IPTABLESNATOUTGOINGINTERFACEFILTER"],
    help: "natOutgoing only for what leaves by this interface; a trailing + stands for anything",
    defaultValue: undefined,
    parse: parseInterfaceFilter,
  }),
  setting({
    key: "protectEncapsulation",
    flag: "protect-encapsulation",
    placeholder: "BOOLEAN",
    environment: ["CALIBIRD_PROTECT_ENCAPSULATION"],
    help: "true: drop IPIP and VXLAN packets that come from no node",
    defaultValue: false,
    parse: parseBoolean,
  }),
  ...tunnelSettings,
  ...ipamSettings,
  ...monitoringSettings,
] as const satisfies readonly Setting[];

function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((name) => name === text.toLowerCase());
  if (level === undefined) throw new Error(`must be one of ${logLevels.join(", ")}`);
  return level;
}
