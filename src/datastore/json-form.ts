import type {
  Compare,
  KeyValue,
  ListResult,
  Operation,
  OperationResponse,
  Transaction,
  WatchEvent,
} from "./datastore.ts";
import { DatastoreError } from "./errors.ts";

/*
 * The datastore's values as JSON, for those who reach a store through another process: as they are, but revisions, versions and
 * leases, which are bigint, as decimal text. `JSON.stringify` with `bigintAsText` writes it, the functions below read it.
 */

/** Replacer of `JSON.stringify`. */
export function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

const targets: readonly Compare["target"][] = ["version", "createRevision", "modRevision"];
const results: readonly Compare["result"][] = ["equal", "not-equal", "greater", "less"];

/** A transaction that somebody has sent. Throws `INVALID_REQUEST`, which names the field. */
export function readTransaction(json: unknown): Transaction {
  const { compares, success, failure } = readFields(json, "transaction");
  return {
    compares: readList(compares, "compares", readCompare),
    success: readList(success, "success", readOperation),
    ...(failure !== undefined && { failure: readList(failure, "failure", readOperation) }),
  };
}

function readCompare(json: unknown, field: string): Compare {
  const { key, target, result, value } = readFields(json, field);
  return {
    key: readText(key, `${field}.key`),
    target: readOneOf(target, `${field}.target`, targets),
    result: readOneOf(result, `${field}.result`, results),
    value: readBigint(value, `${field}.value`),
  };
}

function readOperation(json: unknown, field: string): Operation {
  const { type, key, value, lease } = readFields(json, field);
  const known = readOneOf(type, `${field}.type`, ["put", "delete", "get"] as const);
  const name = readText(key, `${field}.key`);
  if (known !== "put") return { type: known, key: name };
  return {
    type: "put",
    key: name,
    value: readText(value, `${field}.value`),
    ...(lease !== undefined && { lease: readBigint(lease, `${field}.lease`) }),
  };
}

/** What `get` and the entries of `list` say. Throws `INVALID_REQUEST`. */
export function readKeyValue(json: unknown): KeyValue {
  const { key, value, createRevision, modRevision, version, lease } = readFields(json, "item");
  return {
    key: readText(key, "item.key"),
    value: readText(value, "item.value"),
    createRevision: readBigint(createRevision, "item.createRevision"),
    modRevision: readBigint(modRevision, "item.modRevision"),
    version: readBigint(version, "item.version"),
    ...(lease !== undefined && { lease: readBigint(lease, "item.lease") }),
  };
}

export function readListResult(json: unknown): ListResult {
  const { items, revision } = readFields(json, "list");
  return { items: readList(items, "items", readKeyValue), revision: readBigint(revision, "revision") };
}

/** The answer of one operation of a transaction. */
export function readOperationResponse(json: unknown): OperationResponse {
  const { type, item, previous } = readFields(json, "response");
  switch (readOneOf(type, "response.type", ["put", "delete", "get"] as const)) {
    case "put":
      return { type: "put" };
    case "delete":
      return { type: "delete", ...(previous !== undefined && { previous: readKeyValue(previous) }) };
    case "get":
      return { type: "get", ...(item !== undefined && { item: readKeyValue(item) }) };
  }
}

export function readWatchEvent(json: unknown): WatchEvent {
  const { type, item, key, modRevision, previous } = readFields(json, "event");
  const before = previous === undefined ? {} : { previous: readKeyValue(previous) };
  if (readOneOf(type, "event.type", ["put", "delete"] as const) === "put")
    return { type: "put", item: readKeyValue(item), ...before };
  return {
    type: "delete",
    key: readText(key, "event.key"),
    modRevision: readBigint(modRevision, "event.modRevision"),
    ...before,
  };
}

/** The fields of an object. Throws `INVALID_REQUEST` for anything else. */
export function readFields(json: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw invalid(field, json, "an object");
}

/** A whole number as decimal text. Throws `INVALID_REQUEST`. */
export function readBigint(json: unknown, field: string): bigint {
  if (typeof json === "string" && /^-?\d{1,20}$/.test(json)) return BigInt(json);
  throw invalid(field, json, "a whole number as text");
}

/** Throws `INVALID_REQUEST`. */
export function readText(json: unknown, field: string): string {
  if (typeof json === "string") return json;
  throw invalid(field, json, "a text");
}

/** A list whose items `readItem` reads. Throws `INVALID_REQUEST`. */
export function readList<Item>(json: unknown, field: string, readItem: (item: unknown, field: string) => Item): Item[] {
  if (!Array.isArray(json)) throw invalid(field, json, "a list");
  return json.map((item, index) => readItem(item, `${field}[${index}]`));
}

function readOneOf<Known extends string>(json: unknown, field: string, known: readonly Known[]): Known {
  const found = known.find((name) => name === json);
  if (found === undefined) throw invalid(field, json, `one of ${known.join(", ")}`);
  return found;
}

function invalid(field: string, value: unknown, expected: string): DatastoreError {
  const shown = value === undefined ? "is missing" : `is ${JSON.stringify(value)?.slice(0, 80)}`;
  return new DatastoreError("INVALID_REQUEST", `${field} ${shown}; it must be ${expected}`, { field, value });
}
