import type { Family } from "../packet/family.ts";
import type { NextHop } from "../packet/message.ts";
import type { PathSource } from "../paths.ts";
import { type BucketContent, type BucketTable, noBucket } from "./bucket.ts";
import { notAnnounced, notByOctets, OctetExport } from "./export-octets.ts";
import type { ExportRules, ExportVerdict } from "./export-rules.ts";
import { none } from "./path-rows.ts";
import type { Rib } from "./rib.ts";
import type { RibViews } from "./rib-views.ts";

interface ExportEnvironment {
  readonly rib: Rib;
  readonly views: RibViews;
  readonly learnedHeld: () => boolean;
  readonly onRefused?: ((path: number, reason: string) => void) | undefined;
}

/** What becomes of paths on their way to a group: from octets to octets where that is possible, else by the rules on objects. */
export class GroupExport {
  readonly #rules: ExportRules;
  readonly #environment: ExportEnvironment;
  readonly #buckets: BucketTable;
  readonly #octets: OctetExport;
  /** The last export, since routes of one UPDATE come one after another: what it was of, and its bucket. */
  #accepted = none;
  #table = none;
  #nextHop = none;
  #family: Family = "ipv4-unicast";
  #bucket = noBucket;
  /** Only routes of our own go out for now. */
  #holdsLearned = false;

  constructor(rules: ExportRules, environment: ExportEnvironment, buckets: BucketTable) {
    this.#rules = rules;
    this.#environment = environment;
    this.#buckets = buckets;
    this.#octets = new OctetExport(environment.rib.attributes, buckets, rules.profile);
  }

  /** Forgets the last export: numbers may have been given to others since. */
  begin(): void {
    this.#accepted = none;
    this.#holdsLearned = this.#environment.learnedHeld();
  }

  /** The bucket of a path of this prefix, held for the caller. */
  bucketOf(prefix: number, path: number): number {
    if (path === none) return noBucket;
    if (this.#rules.looksAtPrefix) {
      const verdict = this.#verdictOf(prefix, path);
      if (verdict === undefined || verdict.refusal !== undefined)
        return this.#exportByRules(prefix, path, verdict) ?? noBucket;
    }
    const { paths, prefixes } = this.#environment.rib;
    if (
      paths.accepted[path] !== this.#accepted ||
      paths.tables[path] !== this.#table ||
      paths.nextHops[path] !== this.#nextHop ||
      prefixes.familyOf(prefix) !== this.#family
    )
      return this.#exportAnew(prefix, path);
    this.#buckets.retain(this.#bucket);
    return this.#bucket;
  }

  #verdictOf(prefix: number, path: number): ExportVerdict | undefined {
    if (this.#rules.common !== undefined) return this.#rules.common;
    const { prefixes, paths, attributes } = this.#environment.rib;
    const { source } = this.#environment.rib.tableOf(path);
    const traits = attributes.traitsOf(paths.accepted[path] ?? none);
    return this.#rules.verdictOf(prefixes.prefixOf(prefix), source, traits);
  }

  /** The same then for all prefixes of the family that the policy treats alike. */
  #exportAnew(prefix: number, path: number): number {
    const { rib } = this.#environment;
    if (this.#isHeld(path)) return noBucket;
    const accepted = rib.paths.accepted[path] ?? none;
    const family = rib.prefixes.familyOf(prefix);
    const verdict = this.#verdictOf(prefix, path);
    const passes = verdict !== undefined && verdict.refusal === undefined;
    const byOctets = passes ? this.#exportByOctets(path, accepted, family) : undefined;
    const bucket = byOctets ?? this.#exportByRules(prefix, path, verdict);
    if (bucket === undefined) return noBucket;
    this.#accepted = accepted;
    this.#table = rib.paths.tables[path] ?? none;
    this.#nextHop = rib.paths.nextHops[path] ?? none;
    this.#family = family;
    this.#bucket = bucket;
    return bucket;
  }

  #isHeld(path: number): boolean {
    return this.#holdsLearned && this.#environment.rib.tableOf(path).source.kind === "peer";
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
  #exportByRules(prefix: number, row: number, verdict: ExportVerdict | undefined): number | undefined {
    const { rib, views, onRefused } = this.#environment;
    if (this.#isHeld(row)) return undefined;
    if (verdict?.refusal !== undefined) {
      onRefused?.(row, verdict.refusal);
      return undefined;
    }
    const destination = rib.prefixes.prefixOf(prefix);
    const path = views.path(row, destination);
    const result = this.#rules.apply(path, rib.trackedOf(row)?.interface);
    if (result.announced) {
      const attributes = rib.attributes.take(result.attributes);
      return this.#take({ attributes, form: 0, originator: 0 }, result.nextHop, path.source);
    }
    if (result.byPolicy !== true || onRefused === undefined) return noBucket;
    onRefused(row, result.reason);
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
