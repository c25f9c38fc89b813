import type { Prefix } from "../../net/prefix.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { Family } from "../packet/family.ts";
import type { NextHop } from "../packet/message.ts";
import type { PathSource } from "../paths.ts";
import type { AttributeTable } from "./attribute-table.ts";

/** What loop checks and the import policy make of a received route. */
export type ImportVerdict =
  | { readonly accepted: true; readonly attributes: PathAttributes }
  | { readonly accepted: false; readonly reason: string };

/** Must be deterministic; called once per received route and again for all routes when the rules change. */
export type ImportRules = (
  prefix: Prefix,
  attributes: PathAttributes,
  nextHop: NextHop | undefined,
  /** By which the next hop is reached, if that is known. */
  interfaceName: string | undefined,
) => ImportVerdict;

/** The rules of one source with what spares asking them for every single route. */
export interface ImportSide {
  readonly judge: ImportRules;
  /** False if the verdict is the same for all prefixes of a family. */
  readonly looksAtPrefix: boolean;
  /** True if attributes of this number certainly come through unchanged; then nobody need look at them as an object. */
  readonly passes: (attributes: AttributeTable, id: number, nextHop: NextHop | undefined) => boolean;
}

/**
 * The routes of one source: a peer's Adj-RIB-In (RFC 4271 §3.2), or the routes that we originate. Refused ones stay, so that they
 * can be shown and a change of policy needs no route refresh. The paths themselves are rows of the RIB.
 */
export class AdjRibIn {
  /** Stands in the RIB's rows. */
  readonly id: number;
  /** Stands in every path; replace it only when something in it changed. */
  source: PathSource;
  side: ImportSide;
  ipv4 = 0;
  ipv6 = 0;
  accepted = 0;
  stale = 0;
  /** Rows that name this table, those included that are about to be freed. */
  rows = 0;
  /** Nothing comes from the source any more: `id` is given to another when the last row is freed. */
  closed = false;

  /** Tables are made by the RIB. */
  constructor(id: number, source: PathSource, side: ImportSide) {
    this.id = id;
    this.source = source;
    this.side = side;
  }

  /** How many paths there are, refused ones included. */
  get size(): number {
    return this.ipv4 + this.ipv6;
  }

  /** How many paths of a family there are, refused ones included. */
  countOf(family: Family): number {
    return family === "ipv4-unicast" ? this.ipv4 : this.ipv6;
  }
}

/** The unicast family of a prefix. */
export function familyOfPrefix(prefix: Prefix): Family {
  return prefix.family === 4 ? "ipv4-unicast" : "ipv6-unicast";
}
