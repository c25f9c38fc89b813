import { type DecisionOptions, defaultDecisionOptions } from "../../bgp/rib/decision-steps.ts";
import type { PrefixLimitSettings } from "../../bgp/rib/prefix-limit.ts";
import type { PeerConfig } from "../../bgp/types.ts";
import { settingOf } from "./setting.ts";
import { parseAsNumber, parseBoolean, parseInteger } from "./values.ts";

/** What all BGP sessions of the agent have in common. */
export interface BgpConfig {
  /** Undefined: the cluster's default. */
  readonly asNumber: number | undefined;
  /** Undefined: the cluster's BGPConfiguration, else 179. */
  readonly listenPort: number | undefined;
  /** How many routes of a family a BGPPeer's session may bring; undefined: any number. */
  readonly bgpMaxPrefix: PrefixLimitSettings | undefined;
  /** How many past events of routes are kept. */
  readonly bgpHistory: number;
  /** Peers of BGPPeers may have packets dropped by the community BLACKHOLE (RFC 7999). */
  readonly bgpBlackhole: boolean;
  /** Options of the decision process, as `decisionOptions` reads them. */
  readonly bgpDecision: string;
}

const setting = settingOf<BgpConfig>();

export const bgpSettings = [
  setting({
    key: "asNumber",
    flag: "as",
    placeholder: "NUMBER",
    environment: ["AS"],
    help: "AS number of this node (default: the cluster's, else 64512)",
    defaultValue: undefined,
    parse: parseAsNumber,
  }),
  setting({
    key: "listenPort",
    flag: "listen-port",
    placeholder: "PORT",
    environment: ["CALIBIRD_LISTEN_PORT"],
    help: "TCP port of BGP (default: the cluster's, else 179)",
    defaultValue: undefined,
    parse: (text: string) => parseInteger(text, 1, 65535, "a TCP port"),
  }),
  setting({
    key: "bgpDecision",
    flag: "bgp-decision",
    placeholder: "LIST",
    environment: ["CALIBIRD_BGP_DECISION"],
    help: "how the best path is chosen: multipath=N, multipath-relaxed, as-path-ignore, … (docs/bgp.md)",
    defaultValue: "multipath-relaxed",
    parse: parseDecision,
  }),
  setting({
    key: "bgpMaxPrefix",
    flag: "bgp-max-prefix",
    placeholder: "LIMIT",
    environment: ["CALIBIRD_BGP_MAX_PREFIX"],
    help: "most routes from a BGPPeer, and what happens with more: N:warn, N:discard, N:restart:SECONDS or N:shutdown",
    defaultValue: undefined,
    parse: parseMaxPrefix,
  }),
  setting({
    key: "bgpBlackhole",
    flag: "bgp-blackhole",
    placeholder: "BOOLEAN",
    environment: ["CALIBIRD_BGP_BLACKHOLE"],
    help: "true: drop packets to routes that a BGPPeer sends with the community BLACKHOLE (RFC 7999)",
    defaultValue: false,
    parse: parseBoolean,
  }),
  setting({
    key: "bgpHistory",
    flag: "bgp-history",
    placeholder: "NUMBER",
    environment: ["CALIBIRD_BGP_HISTORY"],
    help: "past events of routes, and as many of BGP sessions, kept for calictl routes history; 0: none",
    defaultValue: 10_000,
    parse: (text: string) => parseInteger(text, 0, 1_000_000, "a number of events"),
  }),
] as const;

const switches = {
  "multipath-relaxed": { multipathRelaxed: true },
  "as-path-ignore": { asPathIgnore: true },
  "always-compare-med": { alwaysCompareMed: true },
  "missing-med-worst": { missingMedIsWorst: true },
  "ignore-router-id": { compareRouterId: false },
} as const satisfies Record<string, Partial<DecisionOptions>>;

const limits = {
  multipath: ["multipathEbgp", "multipathIbgp"],
  "multipath-ebgp": ["multipathEbgp"],
  "multipath-ibgp": ["multipathIbgp"],
} as const satisfies Record<string, readonly (keyof DecisionOptions)[]>;

const mostPaths = 64;

const limitActions = ["warn", "discard", "restart", "shutdown"] as const;

/** `10000`, `10000:discard` or `10000:restart:300`: the limit of routes, what happens with more, and the rest in seconds. */
export function parseMaxPrefix(text: string): PrefixLimitSettings {
  const [, limit = "", action = "restart", idle] = /^(\d{1,9})(?::([a-z]+)(?::(\d{1,5}))?)?$/.exec(text) ?? [];
  const known = limitActions.find((name) => name === action);
  if (Number(limit) < 1 || known === undefined || (idle !== undefined && (known !== "restart" || Number(idle) < 1)))
    throw new Error(
      "must be a number of routes and what to do with more: 10000:warn, 10000:discard, 10000:shutdown, or 10000:restart:60",
    );
  return { limit: Number(limit), action: known, ...(idle !== undefined && { idleSec: Number(idle) }) };
}

/** What the settings say of all sessions of BGPPeers. */
export function peerDefaults({
  bgpMaxPrefix: limit,
  bgpBlackhole,
}: Pick<BgpConfig, "bgpMaxPrefix" | "bgpBlackhole">): Pick<PeerConfig, "maxPrefix" | "treatment"> {
  return {
    ...(limit !== undefined && { maxPrefix: { "ipv4-unicast": limit, "ipv6-unicast": limit } }),
    ...(bgpBlackhole && { treatment: { honourBlackhole: true } }),
  };
}

/** What `bgpDecision` says: options of the decision process, separated by commas. Throws an Error that says what is wrong. */
export function decisionOptions(text: string): DecisionOptions {
  let options = defaultDecisionOptions;
  for (const word of text.split(",").map((part) => part.trim()))
    if (word !== "standard") options = { ...options, ...parseWord(word) };
  return options;
}

/** The text itself, once it is known to mean something. */
function parseDecision(text: string): string {
  decisionOptions(text);
  return text;
}

function parseWord(word: string): Partial<DecisionOptions> {
  if (isKeyOf(switches, word)) return switches[word];
  const [name = "", number = ""] = word.split("=");
  const count = /^\d{1,2}$/.test(number) ? Number(number) : 0;
  if (isKeyOf(limits, name) && word.includes("=") && count >= 1 && count <= mostPaths)
    return Object.fromEntries(limits[name].map((option) => [option, count]));
  throw new Error(
    `must be a list such as multipath=4,multipath-relaxed of standard, ${Object.keys(switches).join(", ")}, ` +
      `and ${Object.keys(limits).join(", ")} with a number of paths from 1 to ${mostPaths}`,
  );
}

function isKeyOf<Table extends object>(table: Table, key: string): key is keyof Table & string {
  return Object.hasOwn(table, key);
}
