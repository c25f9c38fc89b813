import { Prefix } from "../../net/prefix.ts";
import type { EncapsulationMode } from "../../resources/ip-pool.ts";
import { compileSelector } from "../../resources/selector.ts";
import { settingOf } from "./setting.ts";
import { parseBoolean, parseInteger } from "./values.ts";

/** The pools that are created at the start when there is none of their family; later they are the operator's. */
export interface PoolConfig {
  readonly skipDefaultPools: boolean;
  /** Undefined: a range of private addresses that this node is not in. */
  readonly ipv4PoolCidr: Prefix | undefined;
  readonly ipv4PoolIpip: EncapsulationMode;
  readonly ipv4PoolVxlan: EncapsulationMode;
  readonly ipv4PoolNatOutgoing: boolean;
  readonly ipv4PoolBlockSize: number;
  readonly ipv4PoolNodeSelector: string;
  readonly ipv4PoolDisableBgpExport: boolean;
  /** Undefined: a random unique local one (RFC 4193). */
  readonly ipv6PoolCidr: Prefix | undefined;
  readonly ipv6PoolVxlan: EncapsulationMode;
  readonly ipv6PoolNatOutgoing: boolean;
  readonly ipv6PoolBlockSize: number;
  readonly ipv6PoolNodeSelector: string;
  readonly ipv6PoolDisableBgpExport: boolean;
}

const setting = settingOf<PoolConfig>();

const modeHelp = "Always, CrossSubnet or Never";

export const poolSettings = [
  setting({
    key: "skipDefaultPools",
    flag: "skip-default-pools",
    placeholder: "BOOLEAN",
    environment: ["NO_DEFAULT_POOLS"],
    help: "true: create no pool when there is none",
    defaultValue: false,
    parse: parseBoolean,
  }),
  setting({
    key: "ipv4PoolCidr",
    flag: "ipv4-pool-cidr",
    placeholder: "PREFIX",
    environment: ["CALICO_IPV4POOL_CIDR"],
    help: "range of the default IPv4 pool (default: 192.168.0.0/16, or another private range if the node is in that one)",
    defaultValue: undefined,
    parse: (text: string) => parsePoolRange(text, 4),
  }),
  setting({
    key: "ipv4PoolIpip",
    flag: "ipv4-pool-ipip",
    placeholder: "MODE",
    environment: ["CALICO_IPV4POOL_IPIP"],
    help: `ipipMode of the default IPv4 pool: ${modeHelp}`,
    defaultValue: "Never",
    parse: parseMode,
  }),
  setting({
    key: "ipv4PoolVxlan",
    flag: "ipv4-pool-vxlan",
    placeholder: "MODE",
    environment: ["CALICO_IPV4POOL_VXLAN"],
    help: `vxlanMode of the default IPv4 pool: ${modeHelp}`,
    defaultValue: "Never",
    parse: parseMode,
  }),
  setting({
    key: "ipv4PoolNatOutgoing",
    flag: "ipv4-pool-nat-outgoing",
    placeholder: "BOOLEAN",
    environment: ["CALICO_IPV4POOL_NAT_OUTGOING"],
    help: "natOutgoing of the default IPv4 pool",
    defaultValue: true,
    parse: parseBoolean,
  }),
  setting({
    key: "ipv4PoolBlockSize",
    flag: "ipv4-pool-block-size",
    placeholder: "NUMBER",
    environment: ["CALICO_IPV4POOL_BLOCK_SIZE"],
    help: "blockSize of the default IPv4 pool",
    defaultValue: 26,
    parse: (text: string) => parseInteger(text, 20, 32, "a prefix length"),
  }),
  setting({
    key: "ipv4PoolNodeSelector",
    flag: "ipv4-pool-node-selector",
    placeholder: "SELECTOR",
    environment: ["CALICO_IPV4POOL_NODE_SELECTOR"],
    help: "nodeSelector of the default IPv4 pool",
    defaultValue: "all()",
    parse: parseSelector,
  }),
  setting({
    key: "ipv4PoolDisableBgpExport",
    flag: "ipv4-pool-disable-bgp-export",
    placeholder: "BOOLEAN",
    environment: ["CALICO_IPV4POOL_DISABLE_BGP_EXPORT"],
    help: "disableBGPExport of the default IPv4 pool",
    defaultValue: false,
    parse: parseBoolean,
  }),
  setting({
    key: "ipv6PoolCidr",
    flag: "ipv6-pool-cidr",
    placeholder: "PREFIX",
    environment: ["CALICO_IPV6POOL_CIDR"],
    help: "range of the default IPv6 pool (default: a random fd…::/48, if the node has an IPv6 address)",
    defaultValue: undefined,
    parse: (text: string) => parsePoolRange(text, 6),
  }),
  setting({
    key: "ipv6PoolVxlan",
    flag: "ipv6-pool-vxlan",
    placeholder: "MODE",
    environment: ["CALICO_IPV6POOL_VXLAN"],
    help: `vxlanMode of the default IPv6 pool: ${modeHelp}`,
    defaultValue: "Never",
    parse: parseMode,
  }),
  setting({
    key: "ipv6PoolNatOutgoing",
    flag: "ipv6-pool-nat-outgoing",
    placeholder: "BOOLEAN",
    environment: ["CALICO_IPV6POOL_NAT_OUTGOING"],
    help: "natOutgoing of the default IPv6 pool",
    defaultValue: false,
    parse: parseBoolean,
  }),
  setting({
    key: "ipv6PoolBlockSize",
    flag: "ipv6-pool-block-size",
    placeholder: "NUMBER",
    environment: ["CALICO_IPV6POOL_BLOCK_SIZE"],
    help: "blockSize of the default IPv6 pool",
    defaultValue: 122,
    parse: (text: string) => parseInteger(text, 116, 128, "a prefix length"),
  }),
  setting({
    key: "ipv6PoolNodeSelector",
    flag: "ipv6-pool-node-selector",
    placeholder: "SELECTOR",
    environment: ["CALICO_IPV6POOL_NODE_SELECTOR"],
    help: "nodeSelector of the default IPv6 pool",
    defaultValue: "all()",
    parse: parseSelector,
  }),
  setting({
    key: "ipv6PoolDisableBgpExport",
    flag: "ipv6-pool-disable-bgp-export",
    placeholder: "BOOLEAN",
    environment: ["CALICO_IPV6POOL_DISABLE_BGP_EXPORT"],
    help: "disableBGPExport of the default IPv6 pool",
    defaultValue: false,
    parse: parseBoolean,
  }),
];

const modes: readonly EncapsulationMode[] = ["Always", "CrossSubnet", "Never"];

/** Calico takes Off for Never. */
function parseMode(text: string): EncapsulationMode {
  const mode = modes.find((name) => name.toLowerCase() === text.toLowerCase());
  if (mode === undefined && text.toLowerCase() !== "off") throw new Error(`must be ${modeHelp}`);
  return mode ?? "Never";
}

function parsePoolRange(text: string, family: 4 | 6): Prefix {
  const prefix = Prefix.parse(text);
  if (prefix.family !== family) throw new Error(`must be an IPv${family} prefix`);
  return prefix;
}

function parseSelector(text: string): string {
  compileSelector(text);
  return text;
}
