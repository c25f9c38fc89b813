import { crc32 } from "node:zlib";
import type { LeaseId } from "../datastore.ts";

/** One key written or deleted by a transaction. */
export type Write =
  | { readonly put: string; readonly value: string; readonly lease?: LeaseId }
  | { readonly delete: string };

/**
 * A lease as the journal keeps it. `deadlineMs` is Unix time; it means something only on the boot that wrote it, because
 * another boot's wall clock may have started anywhere.
 */
export interface Lease {
  readonly id: LeaseId;
  readonly ttlMs: number;
  readonly deadlineMs: number;
  readonly boot: string;
}

/** What one line of the journal says. A record that writes no key has no revision. */
export interface JournalRecord {
  readonly revision?: bigint;
  readonly writes?: readonly Write[];
  /** A lease granted or kept alive. */
  readonly lease?: Lease;
  /** A lease that is gone; the deletions of its keys are among `writes`. */
  readonly ended?: LeaseId;
}

const NEWLINE = 10;
/** Eight hex digits and a blank. */
const CHECKSUM_LENGTH = 9;

/** A line of the journal: CRC-32 of the JSON text in hex, a blank, the JSON, a newline. */
export function encodeLine(content: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(content, (_, value) => (typeof value === "bigint" ? `${value}` : value)));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.of(NEWLINE)]);
}

/** The JSON value of a line given without its newline; undefined if the checksum or the text is wrong. */
export function decodeLine(line: Buffer): unknown {
  const json = line.subarray(CHECKSUM_LENGTH);
  if (line.length <= CHECKSUM_LENGTH || line.toString("latin1", 0, CHECKSUM_LENGTH) !== `${checksum(json)} `)
    return undefined;
  try {
    return JSON.parse(json.toString());
  } catch {
    return undefined;
  }
}

/** A lease from its JSON, where 64-bit numbers are decimal strings; undefined if it is none. */
export function readLease(value: unknown): Lease | undefined {
  const fields = asObject(value);
  const { id, ttlMs, deadlineMs, boot } = fields ?? {};
  if (typeof id !== "string" || typeof ttlMs !== "number" || typeof deadlineMs !== "number" || typeof boot !== "string")
    return undefined;
  return { id: BigInt(id), ttlMs, deadlineMs, boot };
}

/** A record from the JSON of its line; undefined if it is none. */
export function readRecord(value: unknown): JournalRecord | undefined {
  const fields = asObject(value);
  if (fields === undefined) return undefined;
  const writes = fields.writes === undefined ? undefined : readWrites(fields.writes);
  const lease = fields.lease === undefined ? undefined : readLease(fields.lease);
  if ((fields.writes !== undefined && writes === undefined) || (fields.lease !== undefined && lease === undefined))
    return undefined;
  return {
    ...(typeof fields.revision === "string" && { revision: BigInt(fields.revision) }),
    ...(writes !== undefined && { writes }),
    ...(lease !== undefined && { lease }),
    ...(typeof fields.ended === "string" && { ended: BigInt(fields.ended) }),
  };
}

function readWrites(value: unknown): Write[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const writes: Write[] = [];
  for (const entry of value) {
    const fields = asObject(entry) ?? {};
    if (typeof fields.delete === "string") writes.push({ delete: fields.delete });
    else if (typeof fields.put === "string" && typeof fields.value === "string")
      writes.push({
        put: fields.put,
        value: fields.value,
        ...(typeof fields.lease === "string" && { lease: BigInt(fields.lease) }),
      });
    else return undefined;
  }
  return writes;
}

/** The value as an object of unknown fields, or undefined. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

function checksum(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
