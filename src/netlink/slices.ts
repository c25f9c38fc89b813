import { errnoName, errnoText } from "../sys/errno.ts";
import type { KernelAnswer } from "./codec/message.ts";
import { encodeRequest } from "./codec/request.ts";
import { MessageWriter } from "./codec/writer.ts";
import { NetlinkError } from "./errors.ts";
import type { NetlinkRequest, NetlinkResult } from "./types.ts";
import type { BatchOutcome } from "./worker-messages.ts";

/** Requests per send: enough to make the cost of a send vanish, few enough to encode in about a millisecond. */
export const SLICE_REQUESTS = 512;
/** Well below the default send buffer (208 KiB), beyond which the kernel refuses a send as a whole. */
export const SLICE_BYTES = 65_536;

export const EINVAL = 22;
const ENOBUFS = 105;
const succeeded: NetlinkResult = { ok: true };

/** The kernel's refusal of one request. */
export type Failure = Extract<NetlinkResult, { readonly ok: false }>;

/** An entry of a batch that did not happen. */
export interface RefusedEntry {
  readonly entry: number;
  readonly failure: Failure;
}

/** Some requests in a row as bytes for one send. Request number `index` has the sequence number `firstSequence + index`. */
export interface Slice {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly firstSequence: number;
  /** Of the last message in `bytes`. */
  readonly lastSequence: number;
  /** How many requests this takes off the list, with those that are in `rejected` and not in `bytes`. */
  readonly count: number;
  /** Requests that cannot be put into bytes, by their number in the slice. */
  readonly rejected: ReadonlyMap<number, NetlinkResult>;
}

/** Encodes requests from number `start` on, as many as fit into one send, and asks for the last one's acknowledgement. */
export function encodeSlice(requests: readonly NetlinkRequest[], start: number, firstSequence: number): Slice {
  const writer = new MessageWriter(SLICE_BYTES);
  const rejected = new Map<number, NetlinkResult>();
  let lastSequence = firstSequence;
  let count = 0;
  for (; count < SLICE_REQUESTS && writer.length < SLICE_BYTES; count++) {
    const request = requests[start + count];
    if (request === undefined) break;
    try {
      encodeRequest(writer, firstSequence + count, request);
      lastSequence = firstSequence + count;
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      rejected.set(count, { ok: false, errno: EINVAL, code: errnoName(EINVAL), message: error.message });
    }
  }
  writer.acknowledgeLast();
  return { bytes: writer.finish(), firstSequence, lastSequence, count, rejected };
}

/** The result of each request of a slice, in order. `outcome` is undefined if there was nothing to send. */
export function sliceResults(slice: Slice, outcome: BatchOutcome | undefined): NetlinkResult[] {
  const results = new Array<NetlinkResult>(slice.count).fill(resultOfTheUnmentioned(outcome));
  if (outcome?.kind === "answered")
    for (const refusal of outcome.refusals) {
      const index = refusal.sequence - slice.firstSequence;
      if (index >= 0 && index < slice.count) results[index] = refused(refusal);
    }
  for (const [index, result] of slice.rejected) results[index] = result;
  return results;
}

/** Those of a slice's results that are failures, by their number. */
export function refusedEntries(slice: Slice, outcome: BatchOutcome | undefined): RefusedEntry[] {
  const isAllDone =
    outcome?.kind === "answered" && outcome.isComplete && outcome.refusals.length === 0 && slice.rejected.size === 0;
  if (isAllDone) return [];
  const refusals: RefusedEntry[] = [];
  for (const [entry, result] of sliceResults(slice, outcome).entries())
    if (!result.ok) refusals.push({ entry, failure: result });
  return refusals;
}

function resultOfTheUnmentioned(outcome: BatchOutcome | undefined): NetlinkResult {
  if (outcome === undefined) return succeeded;
  if (outcome.kind === "not-sent") return refused({ errno: outcome.errno });
  if (outcome.isComplete) return succeeded;
  return {
    ok: false,
    errno: ENOBUFS,
    code: "UNKNOWN",
    message: "the kernel's answer was lost, so this may or may not have happened; read the state back",
  };
}

function refused({ errno, text }: KernelAnswer): NetlinkResult {
  return { ok: false, errno, code: errnoName(errno), message: text ?? errnoText(errno) };
}
