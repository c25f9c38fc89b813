import { type DecisionOptions, defaultDecisionOptions } from "../../bgp/rib/decision-steps.ts";
import type { PrefixLimitSettings } from "../../bgp/rib/prefix-limit.ts";

import type { PeerConfig } from "../../bgp/types.ts";
import type { AgentConfig } from "./settings.ts";

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
}: Pick<AgentConfig, "bgpMaxPrefix" | "bgpBlackhole">): Pick<PeerConfig, "maxPrefix" | "treatment"> {
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
export function parseDecision(text: string): string {
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
