import { createHash } from "node:crypto";
import type { Interval, SetElement } from "./intervals.ts";

/** The name of our table in each family. Nothing outside of it is ever written. */
export const tableName = "calibird";

export type TableFamily = "ip" | "ip6";

/** A statement of a rule in nft's JSON, such as `{"masquerade": {…}}`. */
export type Statement = Readonly<Record<string, unknown>>;

export interface NatRule {
  readonly comment: string;
  readonly statements: readonly Statement[];
}

/** A base chain; its policy is accept. */
export interface NatChain {
  readonly name: string;
  readonly type: "nat" | "filter";
  readonly hook: "postrouting" | "input";
  readonly priority: number;
  readonly rules: readonly NatRule[];
}

export interface NatSet {
  readonly name: string;
  /** As `mergeIntervals` makes them. */
  readonly elements: ReadonlyMap<string, Interval>;
}

/** How our table of one family shall be. */
export interface NatTable {
  readonly family: TableFamily;
  /** False: it need not be made, but is kept in order if it is there. */
  readonly needed: boolean;
  readonly sets: readonly NatSet[];
  readonly chains: readonly NatChain[];
}

/** What counts when a table that is wanted is compared with one that is there. */
export interface TableImage {
  /** One text per set and chain (and per thing that is not ours), sorted. */
  readonly definitions: readonly string[];
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, Interval>>;
  /** The comments of each chain's rules, in order. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
}

export interface NamedInTable {
  readonly family: TableFamily;
  readonly table: string;
  readonly name: string;
}

/** One command of nft's JSON (libnftables-json(5)). */
export type NftCommand =
  | { readonly add: AddableObject }
  | { readonly delete: { readonly table: TableReference } | { readonly element: ElementReference } }
  | { readonly flush: { readonly chain: NamedInTable } }
  | { readonly list: { readonly tables: null } | { readonly table: TableReference } };

type AddableObject =
  | { readonly table: TableReference }
  | { readonly set: NamedInTable & { readonly type: string; readonly flags: readonly string[] } }
  | { readonly element: ElementReference }
  | { readonly chain: NamedInTable & ChainDefinition }
  | { readonly rule: RuleDefinition };

export interface TableReference {
  readonly family: TableFamily;
  readonly name: string;
}

type ElementReference = NamedInTable & { readonly elem: readonly SetElement[] };

interface ChainDefinition {
  readonly type: string;
  readonly hook: string;
  readonly prio: number;
  readonly policy: "accept";
}

interface RuleDefinition {
  readonly family: TableFamily;
  readonly table: string;
  readonly chain: string;
  readonly comment: string;
  readonly expr: readonly Statement[];
}

/** The type of the addresses in a set. */
export function addressType(family: TableFamily): "ipv4_addr" | "ipv6_addr" {
  return family === "ip" ? "ipv4_addr" : "ipv6_addr";
}

/**
 * The comment that a rule carries in the kernel: its own and a digest of its statements. nft lists a rule in other words
 * than it was written in (protocol 4 as "ipencap", and every version its own), so rules are compared by this digest.
 */
export function ruleTag({ comment, statements }: NatRule): string {
  const digest = createHash("sha256").update(JSON.stringify(statements)).digest("hex").slice(0, 12);
  return `${comment} [${digest}]`;
}

/** The image of a table that is exactly as wanted. */
export function imageOf(table: NatTable): TableImage {
  const { family, sets, chains } = table;
  return {
    definitions: [
      ...sets.map(({ name }) => setDefinition(name, addressType(family), ["interval"])),
      ...chains.map(({ name, type, hook, priority }) => chainDefinition(name, type, hook, priority, "accept")),
    ].sort(),
    elements: new Map(sets.map(({ name, elements }) => [name, elements])),
    rules: new Map(chains.map(({ name, rules }) => [name, rules.map(ruleTag)])),
  };
}

export function setDefinition(name: string, type: unknown, flags: readonly unknown[]): string {
  return `set ${name} ${JSON.stringify([type, ...flags])}`;
}

export function chainDefinition(
  name: string,
  type: unknown,
  hook: unknown,
  priority: unknown,
  policy: unknown,
): string {
  return `chain ${name} ${JSON.stringify([type, hook, priority, policy])}`;
}
