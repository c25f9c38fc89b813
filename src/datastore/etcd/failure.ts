import { errorMessage } from "../../core/errors.ts";
import type { DatastoreErrorCode } from "../errors.ts";

/** What a failed call to one etcd member means. */
export interface CallFailure {
  readonly code: Extract<
    DatastoreErrorCode,
    | "DATASTORE_UNAVAILABLE"
    | "DATASTORE_TLS_FAILED"
    | "DATASTORE_UNAUTHENTICATED"
    | "DATASTORE_FORBIDDEN"
    | "DATASTORE_FULL"
    | "LEASE_NOT_FOUND"
    | "INVALID_REQUEST"
  >;
  /** The member's own words, or the network's. */
  readonly reason: string;
  /** Another member, or the same a little later, may do better. */
  readonly worthRepeating: boolean;
  /** The request may have reached the store, and a write in it may have happened or may still happen. */
  readonly mayHaveHappened: boolean;
}

/** gRPC status codes that say something of the connection or of the member, not of the request. */
const TRANSIENT_STATUS: ReadonlySet<number> = new Set([1, 2, 4, 8, 10, 13, 14]);

/** What the client library says when no connection came about, so that nothing was sent. */
const NEVER_SENT = /no connection established|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|name resolution/i;
/** The library's words around the cause. */
const NOT_CONNECTED = /^No connection established\. Last error: (?:Error: )?(.*?)\.?(?: Resolution note: .*)?$/s;
const TLS = /certificate|\bssl\b|\btls|altnames|EPROTO|wrong version number/i;

/** Answers of etcd that settle the matter, by its words: the status codes differ between versions. */
const ANSWERS: readonly (readonly [RegExp, CallFailure["code"]])[] = [
  [/requested lease not found/i, "LEASE_NOT_FOUND"],
  [/authentication (failed|is not enabled)|user name is empty/i, "DATASTORE_UNAUTHENTICATED"],
  [/permission denied/i, "DATASTORE_FORBIDDEN"],
  [/database space exceeded/i, "DATASTORE_FULL"],
];
const CODE_OF_STATUS: ReadonlyMap<number, CallFailure["code"]> = new Map([
  [3, "INVALID_REQUEST"],
  [7, "DATASTORE_FORBIDDEN"],
  [16, "DATASTORE_UNAUTHENTICATED"],
]);

/** Reads what etcd3 and gRPC throw. Whatever is not understood counts as a transient failure with an unknown outcome. */
export function classifyFailure(error: unknown): CallFailure {
  const message = errorMessage(error);
  const [, status, text = message] = /\b(\d{1,2}) [A-Z_]+: (.*)$/s.exec(message) ?? [];
  const reason = text.replace(/^etcdserver: /, "");
  const answer = ANSWERS.find(([words]) => words.test(reason))?.[1] ?? CODE_OF_STATUS.get(Number(status));
  if (answer !== undefined) return { code: answer, reason, worthRepeating: false, mayHaveHappened: false };
  const neverSent = NEVER_SENT.test(reason);
  return {
    code: neverSent && TLS.test(reason) ? "DATASTORE_TLS_FAILED" : "DATASTORE_UNAVAILABLE",
    reason: NOT_CONNECTED.exec(reason)?.[1] ?? reason,
    worthRepeating: status === undefined || TRANSIENT_STATUS.has(Number(status)),
    mayHaveHappened: !neverSent && !/too many requests/i.test(reason),
  };
}
