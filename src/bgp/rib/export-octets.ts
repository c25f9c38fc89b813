import type { PathSource } from "../types.ts";
import { Trait } from "./attribute-summary.ts";
import type { AttributeTable } from "./attribute-table.ts";
import { defaultLocalPref } from "./decision-steps.ts";
import type { ExportProfile } from "./export-rules.ts";

/** Stands for what has to be done with objects. */
export const notByOctets = -1;

const originLength = 4;
const longestSegment = 255;
/** Attributes that do not leave an AS, and MULTI_EXIT_DISC, which goes no further than the next one. */
const localPref = 5;
const insideAs: readonly number[] = [localPref, 9, 10];
const med = 4;

/** Where octets are put together; what is in it is of no use to anybody from one call to the next. */
const scratch = new Uint8Array(0x10000 + 16);

/**
 * What `ExportRules` makes of attributes in the plain cases, from octets to octets: towards eBGP our AS number in front and
 * nothing that belongs inside an AS, towards iBGP a LOCAL_PREF. Everything else is left to the rules on objects; a test holds one
 * against the other.
 */
export class OctetExport {
  readonly #attributes: AttributeTable;
  readonly #profile: ExportProfile;
  readonly #isPlain: boolean;
  #at = 0;

  constructor(attributes: AttributeTable, profile: ExportProfile) {
    this.#attributes = attributes;
    this.#profile = profile;
    const { policy, role, gracefulShutdown, asPath } = profile;
    const acceptsAll = policy.rules.length === 0 && policy.defaultAction === "accept";
    this.#isPlain = acceptsAll && role === undefined && gracefulShutdown === undefined && asPath === undefined;
  }

  /** The number of the attributes that go out, held for the caller; `notByOctets` if that has to be found out otherwise. */
  rewrite(id: number, source: PathSource): number {
    const length = this.#attributes.lengthOf(id);
    const traits = this.#attributes.traitsOf(id);
    const special = Trait.wellKnownCommunity | Trait.confederation;
    if (!this.#isPlain || length === 0 || length > 0xfff0 || (traits & special) !== 0) return notByOctets;
    if (this.#profile.context.peerType === "ebgp")
      return (traits & Trait.extendedCommunity) === 0 ? this.#towardsEbgp(id, source.kind === "peer") : notByOctets;
    // Reflected, or kept back (RFC 4456).
    if (source.kind === "peer" && source.type === "ibgp") return notByOctets;
    if ((traits & Trait.localPref) !== 0) {
      this.#attributes.retain(id);
      return id;
    }
    return this.#withLocalPref(id);
  }

  #towardsEbgp(id: number, isLearned: boolean): number {
    const chunk = this.#attributes.chunkOf(id);
    const start = this.#attributes.offsetOf(id);
    const end = start + this.#attributes.lengthOf(id);
    const pathEnd = start + this.#attributes.endOfAsPath(id);
    const pathLength = chunk[start + originLength + 2] ?? 0;
    const first = start + originLength + 3;
    const count = pathLength === 0 ? 0 : (chunk[first + 1] ?? 0);
    const grown = pathLength + (count === 0 ? 6 : 4);
    const isLong = ((chunk[start + originLength] ?? 0) & 0x10) !== 0;
    if (isLong || grown > 255 || count === longestSegment) return notByOctets;
    this.#at = 0;
    this.#copy(chunk, start, start + originLength + 2);
    this.#push(grown);
    this.#push(2);
    this.#push(count + 1);
    this.#word(this.#profile.localAs);
    this.#copy(chunk, count === 0 ? first : first + 2, pathEnd);
    this.#copyRest(chunk, pathEnd, end, (code) => insideAs.includes(code) || (isLearned && code === med));
    return this.#attributes.takeOctets(scratch, 0, this.#at);
  }

  #withLocalPref(id: number): number {
    const chunk = this.#attributes.chunkOf(id);
    const start = this.#attributes.offsetOf(id);
    const end = start + this.#attributes.lengthOf(id);
    // Ascending by code: behind ORIGIN, AS_PATH and MULTI_EXIT_DISC, which has seven octets.
    const pathEnd = start + this.#attributes.endOfAsPath(id);
    const place = chunk[pathEnd + 1] === med && pathEnd < end ? pathEnd + 7 : pathEnd;
    this.#at = 0;
    this.#copy(chunk, start, place);
    this.#push(0x40);
    this.#push(localPref);
    this.#push(4);
    this.#word(defaultLocalPref);
    this.#copy(chunk, place, end);
    return this.#attributes.takeOctets(scratch, 0, this.#at);
  }

  /** Copies whole attributes but those that are left out. */
  #copyRest(chunk: Uint8Array, start: number, end: number, isLeftOut: (code: number) => boolean): void {
    for (let at = start; at < end; ) {
      const isLong = ((chunk[at] ?? 0) & 0x10) !== 0;
      const length = isLong ? 4 + (((chunk[at + 2] ?? 0) << 8) | (chunk[at + 3] ?? 0)) : 3 + (chunk[at + 2] ?? 0);
      if (!isLeftOut(chunk[at + 1] ?? 0)) this.#copy(chunk, at, at + length);
      at += length;
    }
  }

  #copy(chunk: Uint8Array, start: number, end: number): void {
    for (let from = start; from < end; from++) scratch[this.#at++] = chunk[from] ?? 0;
  }

  #push(octet: number): void {
    scratch[this.#at++] = octet;
  }

  #word(value: number): void {
    for (let shift = 24; shift >= 0; shift -= 8) this.#push(value >>> shift);
  }
}
