import type { Family } from "../packet/family.ts";
import type { NextHop } from "../packet/message.ts";
import type { Path, PathSource } from "../types.ts";
import { type BucketContent, type BucketTable, noBucket } from "./bucket.ts";
import { notAnnounced, notByOctets, OctetExport } from "./export-octets.ts";
import type { ExportRules } from "./export-rules.ts";
import { none } from "./path-rows.ts";
import type { Rib } from "./rib.ts";
import type { RibViews } from "./rib-views.ts";

interface ExportEnvironment {
  readonly rib: Rib;
  readonly views: RibViews;
  readonly learnedHeld: () => boolean;
  readonly onRefused?: ((path: Path, reason: string) => void) | undefined;
}

/** What becomes of paths on their way to a group: from octets to octets where that is possible, else by the rules on objects. */
export class GroupExport {
  readonly #rules: ExportRules;
  readonly #environment: ExportEnvironment;
  readonly #buckets: BucketTable;
  readonly #octets: OctetExport;
  /** The last export, since routes of one UPDATE come one after another. */
  readonly #last = { accepted: none, table: none, nextHop: none, family: "", bucket: noBucket };

  constructor(rules: ExportRules, environment: ExportEnvironment, buckets: BucketTable) {
    this.#rules = rules;
    this.#environment = environment;
    this.#buckets = buckets;
    this.#octets = new OctetExport(environment.rib.attributes, buckets, rules.profile);
  }

  /** Forgets the last export: numbers may have been given to others since. */
  begin(): void {
    this.#last.accepted = none;
  }

  /** The bucket of a path, held for the caller. */
  bucketOf(row: number): number {
    if (row === none) return noBucket;
    const { rib, learnedHeld } = this.#environment;
    const table = rib.tableOf(row);
    if (table.source.kind === "peer" && learnedHeld()) return noBucket;
    const accepted = rib.paths.accepted[row] ?? none;
    const nextHop = rib.paths.nextHops[row] ?? none;
    const family = rib.prefixes.familyOf(rib.prefixOf(row));
    const last = this.#last;
    const isKnown =
      last.accepted === accepted && last.table === table.id && last.nextHop === nextHop && last.family === family;
    if (isKnown) {
      this.#buckets.retain(last.bucket);
      return last.bucket;
    }
    const bucket = this.#exportByOctets(row, accepted, family) ?? this.#exportByRules(row);
    if (bucket === undefined) return noBucket;
    last.accepted = this.#rules.looksAtPrefix ? none : accepted;
    last.table = table.id;
    last.nextHop = nextHop;
    last.family = family;
    last.bucket = bucket;
    return bucket;
  }

  /** Undefined where that is not possible. */
  #exportByOctets(row: number, accepted: number, family: Family): number | undefined {
    const { rib } = this.#environment;
    const { source } = rib.tableOf(row);
    if (!this.#rules.profile.context.families.includes(family)) return undefined;
    const nextHop = this.#rules.nextHopFor(rib.trackedOf(row)?.nextHop, family);
    if (nextHop === undefined) return undefined;
    const content = this.#octets.rewrite(accepted, source);
    if (content.attributes === notAnnounced) return noBucket;
    return content.attributes === notByOctets ? undefined : this.#take(content, nextHop, source);
  }

  /** Undefined where the answer need not be the same for the next route like this. */
  #exportByRules(row: number): number | undefined {
    const { rib, views, onRefused } = this.#environment;
    const path = views.path(row);
    const result = this.#rules.apply(path, rib.trackedOf(row)?.interface);
    if (result.announced) {
      const attributes = rib.attributes.take(result.attributes);
      return this.#take({ attributes, form: 0, originator: 0 }, result.nextHop, path.source);
    }
    if (result.byPolicy !== true || onRefused === undefined) return noBucket;
    onRefused(path, result.reason);
    return undefined;
  }

  /** Takes over the hold of the attributes. */
  #take(content: BucketContent, nextHop: NextHop, source: PathSource): number {
    const mayBeMember = source.kind === "peer" && source.type === this.#rules.profile.context.peerType;
    const bucket = this.#buckets.take(content, nextHop, mayBeMember ? source.peer : undefined);
    this.#environment.rib.attributes.release(content.attributes);
    return bucket;
  }
}
