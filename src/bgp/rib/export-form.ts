import type { AttributeTable } from "./attribute-table.ts";
import { defaultLocalPref } from "./decision-steps.ts";

/** What is done to the octets of attributes while they are written for peers. Absent fields do nothing. */
export interface ExportForm {
  /** This AS number in front of an AS_PATH that has room for it in a short attribute and its first segment. */
  readonly prepend?: number;
  /** Without MULTI_EXIT_DISC. */
  readonly dropsMed?: true;
  /** With the LOCAL_PREF that everybody takes if there is none; only where there is none. */
  readonly addsLocalPref?: true;
  /** This cluster in front of the CLUSTER_LIST, which is short, and an ORIGINATOR_ID if there is none. */
  readonly clusterId?: number;
}

/** As they are. */
export const plainForm: ExportForm = {};

/** A form adds no more octets than this, with a NEXT_HOP. */
export const largestGrowth = 64;

const originLength = 4;
const nextHopCode = 3;
export const medCode = 4;
export const localPrefCode = 5;
export const originatorIdCode = 9;
export const clusterListCode = 10;
const behindAll = 256;
const wellKnown = 0x40;
const optional = 0x80;

/**
 * Writes attributes as peers are told them, ascending by code: the same octets that the encoder makes of what `ExportRules` makes of the
 * objects. `originator` is the ORIGINATOR_ID where the form wants one and the set has none; `nextHop` is that of IPv4, undefined where it stands elsewhere. Where to go on; there must be room.
 */
export function writeExported(
  table: AttributeTable,
  attributes: number,
  form: ExportForm,
  originator: number,
  nextHop: number | undefined,
  into: Uint8Array,
  start: number,
): number {
  const chunk = table.chunkOf(attributes);
  const offset = table.offsetOf(attributes);
  const end = offset + table.lengthOf(attributes);
  const pathEnd = offset + table.endOfAsPath(attributes);
  let at = start;
  if (form.prepend === undefined) at = copy(chunk, offset, pathEnd, into, at);
  else at = writePrepended(chunk, offset, pathEnd, form.prepend, into, at);
  if (nextHop !== undefined) at = writeWord(wellKnown, nextHopCode, nextHop, into, at);
  if (form.dropsMed === undefined && form.addsLocalPref === undefined && form.clusterId === undefined)
    return copy(chunk, pathEnd, end, into, at);
  let lacksLocalPref = form.addsLocalPref === true;
  let lacksOriginator = form.clusterId !== undefined;
  let lacksCluster = lacksOriginator;
  for (let from = pathEnd; ; ) {
    const code = from < end ? (chunk[from + 1] ?? 0) : behindAll;
    if (lacksLocalPref && code >= localPrefCode) {
      at = writeWord(wellKnown, localPrefCode, defaultLocalPref, into, at);
      lacksLocalPref = false;
    }
    if (lacksOriginator && code >= originatorIdCode) {
      if (code !== originatorIdCode) at = writeWord(optional, originatorIdCode, originator, into, at);
      lacksOriginator = false;
    }
    if (lacksCluster && code > clusterListCode) {
      at = writeWord(optional, clusterListCode, form.clusterId ?? 0, into, at);
      lacksCluster = false;
    }
    if (code === behindAll) return at;
    const next = from + attributeLength(chunk, from);
    if (code === clusterListCode && lacksCluster) {
      const length = chunk[from + 2] ?? 0;
      at = writeWord(optional, clusterListCode, form.clusterId ?? 0, into, at);
      into[at - 5] = length + 4;
      at = copy(chunk, from + 3, next, into, at);
      lacksCluster = false;
    } else if (code !== medCode || form.dropsMed === undefined) at = copy(chunk, from, next, into, at);
    from = next;
  }
}

/** Octets of the attribute that begins at `at`, with its head. */
export function attributeLength(chunk: Uint8Array, at: number): number {
  const isLong = ((chunk[at] ?? 0) & 0x10) !== 0;
  return isLong ? 4 + (((chunk[at + 2] ?? 0) << 8) | (chunk[at + 3] ?? 0)) : 3 + (chunk[at + 2] ?? 0);
}

/** ORIGIN, and an AS_PATH with one number more. */
function writePrepended(
  chunk: Uint8Array,
  offset: number,
  pathEnd: number,
  asNumber: number,
  into: Uint8Array,
  start: number,
): number {
  const length = chunk[offset + originLength + 2] ?? 0;
  const first = offset + originLength + 3;
  const count = length === 0 ? 0 : (chunk[first + 1] ?? 0);
  let at = copy(chunk, offset, offset + originLength + 2, into, start);
  into[at++] = length + (count === 0 ? 6 : 4);
  into[at++] = 2;
  into[at++] = count + 1;
  into[at++] = asNumber >>> 24;
  into[at++] = asNumber >>> 16;
  into[at++] = asNumber >>> 8;
  into[at++] = asNumber;
  return copy(chunk, count === 0 ? first : first + 2, pathEnd, into, at);
}

function writeWord(flags: number, code: number, value: number, into: Uint8Array, start: number): number {
  into[start] = flags;
  into[start + 1] = code;
  into[start + 2] = 4;
  into[start + 3] = value >>> 24;
  into[start + 4] = value >>> 16;
  into[start + 5] = value >>> 8;
  into[start + 6] = value;
  return start + 7;
}

function copy(chunk: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
  let to = at;
  for (let from = start; from < end; from++) into[to++] = chunk[from] ?? 0;
  return to;
}
