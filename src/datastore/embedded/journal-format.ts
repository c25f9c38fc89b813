import type { KeyValue } from "../datastore.ts";
import { asObject, decodeLine, encodeLine, readLease } from "./record.ts";
import type { Snapshot } from "./state.ts";

const FORMAT = "calibird-journal";
const VERSION = 1;

/**
 * First line of a journal. It is followed by one line with the snapshot (`snapshotBytes`), by lines that the compaction
 * took over from the journal before (`keptBytes`), and by those appended since. One file holds it all, so that a rename
 * replaces it all.
 */
export interface JournalHeader {
  /** Grows by one with every compaction. */
  readonly generation: number;
  /** Revision of the snapshot. */
  readonly baseRevision: bigint;
  readonly snapshotBytes: number;
  readonly keptBytes: number;
}

/** The bytes of a new journal up to its kept lines. */
export function encodeJournalStart(generation: number, snapshot: Snapshot, keptBytes: number): Buffer {
  const body = encodeLine(snapshot);
  const header = { format: FORMAT, version: VERSION, generation, baseRevision: snapshot.revision };
  return Buffer.concat([encodeLine({ ...header, snapshotBytes: body.length, keptBytes }), body]);
}

/** The header from its line, without the newline; undefined if it is not one of a version that we know. */
export function decodeHeader(line: Buffer): JournalHeader | undefined {
  const fields = asObject(decodeLine(line));
  const { format, version, generation, baseRevision, snapshotBytes, keptBytes } = fields ?? {};
  if (format !== FORMAT || version !== VERSION || typeof baseRevision !== "string") return undefined;
  if (typeof generation !== "number" || typeof snapshotBytes !== "number" || typeof keptBytes !== "number")
    return undefined;
  return { generation, baseRevision: BigInt(baseRevision), snapshotBytes, keptBytes };
}

/** The snapshot from its line, without the newline; undefined if it is none. */
export function decodeSnapshot(line: Buffer): Snapshot | undefined {
  const { revision, items, leases, nextLease } = asObject(decodeLine(line)) ?? {};
  if (typeof revision !== "string" || typeof nextLease !== "string" || !Array.isArray(items) || !Array.isArray(leases))
    return undefined;
  const readItems = items.flatMap((item) => readItem(item) ?? []);
  const readLeases = leases.flatMap((lease) => readLease(lease) ?? []);
  if (readItems.length !== items.length || readLeases.length !== leases.length) return undefined;
  return { revision: BigInt(revision), items: readItems, leases: readLeases, nextLease: BigInt(nextLease) };
}

function readItem(value: unknown): KeyValue | undefined {
  const { key, value: text, createRevision, modRevision, version, lease } = asObject(value) ?? {};
  if (typeof key !== "string" || typeof text !== "string" || typeof createRevision !== "string") return undefined;
  if (typeof modRevision !== "string" || typeof version !== "string") return undefined;
  return {
    key,
    value: text,
    createRevision: BigInt(createRevision),
    modRevision: BigInt(modRevision),
    version: BigInt(version),
    ...(typeof lease === "string" && { lease: BigInt(lease) }),
  };
}
