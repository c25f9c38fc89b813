import type { PathSource } from "../paths.ts";
import { Trait } from "./attribute-summary.ts";
import type { AttributeTable } from "./attribute-table.ts";
import type { BucketContent, BucketTable } from "./bucket.ts";
import { attributeLength, clusterListCode, localPrefCode, medCode, originatorIdCode } from "./export-form.ts";
import type { ExportProfile } from "./export-rules.ts";

/** Stands for what has to be done with objects. */
export const notByOctets = -1;
/** Stands for what is not announced. */
export const notAnnounced = -2;

const originLength = 4;
const longestSegment = 255;
const shortAttribute = 255;
/** Attributes that do not leave an AS. */
const insideAs: readonly number[] = [localPrefCode, originatorIdCode, clusterListCode];
const internalTraits = Trait.localPref | Trait.originatorId | Trait.clusterList;

/** Where octets are put together; what is in it is of no use to anybody from one call to the next. */
const scratch = new Uint8Array(0x10000);

/** The attributes are held for whoever asked. */
interface OctetExportResult extends BucketContent {
  /** `notByOctets` or `notAnnounced` instead of a number. */
  attributes: number;
  form: number;
  originator: number;
}

/**
 * What `ExportRules` makes of attributes that the policy lets pass as they are in the plain cases, from octets to octets: towards eBGP our AS number in front and
 * nothing that belongs inside an AS, towards iBGP a LOCAL_PREF, and what a route reflector adds. Everything else is left to the rules on
 * objects; a test holds one against the other.
 *
 * Sets that differ only in what stays inside an AS become one here, so that their routes share messages. A MULTI_EXIT_DISC goes
 * only when the message is written.
 */
export class OctetExport {
  readonly #attributes: AttributeTable;
  readonly #profile: ExportProfile;
  readonly #isPlain: boolean;
  /** Numbers of the forms that the profile asks for. */
  readonly #prepended: number;
  readonly #withoutMed: number;
  readonly #reflected: number;
  readonly #reflectedWithLocalPref: number;
  readonly #withLocalPref: number;
  readonly #result: OctetExportResult = { attributes: notByOctets, form: 0, originator: 0 };

  constructor(attributes: AttributeTable, buckets: BucketTable, profile: ExportProfile) {
    this.#attributes = attributes;
    this.#profile = profile;
    const { role, gracefulShutdown, asPath, localAs, clusterId } = profile;
    this.#isPlain = role === undefined && gracefulShutdown === undefined && asPath === undefined;
    this.#prepended = buckets.formNumber({ prepend: localAs });
    this.#withoutMed = buckets.formNumber({ prepend: localAs, dropsMed: true });
    this.#reflected = buckets.formNumber({ clusterId });
    this.#reflectedWithLocalPref = buckets.formNumber({ clusterId, addsLocalPref: true });
    this.#withLocalPref = buckets.formNumber({ addsLocalPref: true });
  }

  /** What goes out for this set; good until the next call. */
  rewrite(id: number, source: PathSource): BucketContent {
    const result = this.#result;
    const length = this.#attributes.lengthOf(id);
    const traits = this.#attributes.traitsOf(id);
    const special = Trait.wellKnownCommunity | Trait.confederation;
    result.attributes = notByOctets;
    result.originator = 0;
    if (!this.#isPlain || length === 0 || length > 0xfff0 || (traits & special) !== 0) return result;
    if (this.#profile.context.peerType === "ebgp") this.#towardsEbgp(id, traits, source.kind === "peer");
    else this.#towardsIbgp(id, traits, source);
    return result;
  }

  #towardsEbgp(id: number, traits: number, isLearned: boolean): void {
    const result = this.#result;
    if ((traits & Trait.extendedCommunity) !== 0 || !this.#hasRoomInPath(id)) return;
    const dropsMed = isLearned && (traits & Trait.med) !== 0;
    if ((traits & internalTraits) !== 0) {
      result.attributes = this.#withoutInternals(id, dropsMed);
      result.form = this.#prepended;
      return;
    }
    this.#attributes.retain(id);
    result.attributes = id;
    result.form = dropsMed ? this.#withoutMed : this.#prepended;
  }

  #towardsIbgp(id: number, traits: number, source: PathSource): void {
    const result = this.#result;
    const lacksLocalPref = (traits & Trait.localPref) === 0;
    if (source.kind === "peer" && source.type === "ibgp") {
      if (!source.routeReflectorClient && !this.#profile.routeReflectorClient) {
        result.attributes = notAnnounced;
        return;
      }
      if ((traits & Trait.clusterList) !== 0 && !this.#hasRoomInClusterList(id)) return;
      if ((traits & Trait.originatorId) === 0) result.originator = source.identifier;
      result.form = lacksLocalPref ? this.#reflectedWithLocalPref : this.#reflected;
    } else result.form = lacksLocalPref ? this.#withLocalPref : 0;
    this.#attributes.retain(id);
    result.attributes = id;
  }

  #hasRoomInPath(id: number): boolean {
    const chunk = this.#attributes.chunkOf(id);
    const at = this.#attributes.offsetOf(id) + originLength;
    const length = chunk[at + 2] ?? 0;
    const count = length === 0 ? 0 : (chunk[at + 4] ?? 0);
    const isLong = ((chunk[at] ?? 0) & 0x10) !== 0;
    return !isLong && length + 6 <= shortAttribute && count < longestSegment;
  }

  #hasRoomInClusterList(id: number): boolean {
    const chunk = this.#attributes.chunkOf(id);
    const start = this.#attributes.offsetOf(id);
    const end = start + this.#attributes.lengthOf(id);
    for (let at = start; at < end; at += attributeLength(chunk, at))
      if (chunk[at + 1] === clusterListCode) return attributeLength(chunk, at) + 4 <= shortAttribute;
    return true;
  }

  #withoutInternals(id: number, dropsMed: boolean): number {
    const chunk = this.#attributes.chunkOf(id);
    const start = this.#attributes.offsetOf(id);
    const end = start + this.#attributes.lengthOf(id);
    let to = 0;
    for (let at = start; at < end; ) {
      const code = chunk[at + 1] ?? 0;
      const next = at + attributeLength(chunk, at);
      if (!insideAs.includes(code) && !(dropsMed && code === medCode))
        for (let from = at; from < next; from++) scratch[to++] = chunk[from] ?? 0;
      at = next;
    }
    return this.#attributes.takeOctets(scratch, 0, to);
  }
}
