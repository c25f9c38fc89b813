import { CalibirdError } from "../core/errors.ts";

export type DatastoreErrorCode =
  | "DATASTORE_UNAVAILABLE"
  /** The write may or may not have happened: read before you repeat it. */
  | "OUTCOME_UNKNOWN"
  | "LEASE_NOT_FOUND"
  | "TOO_MANY_OPERATIONS"
  | "DUPLICATE_KEY"
  /** The request itself is wrong: an empty key, a lease of no length. */
  | "INVALID_REQUEST"
  | "CORRUPT_JOURNAL"
  | "INVALID_PATH"
  /** How the store shall be reached cannot be: an endpoint that is no URL, a certificate file that can't be read. */
  | "INVALID_CONNECTION"
  /** The store's certificate, or ours, is not accepted. */
  | "DATASTORE_TLS_FAILED"
  /** The store refuses the user or the password. */
  | "DATASTORE_UNAUTHENTICATED"
  /** The user may not read or write the key. */
  | "DATASTORE_FORBIDDEN"
  /** `datastoreReady` is false, as during a migration: the agent changes nothing. */
  | "DATASTORE_LOCKED"
  /** The store has used up its space: it answers reads and refuses writes. */
  | "DATASTORE_FULL"
  | "CLOSED";

export class DatastoreError extends CalibirdError<DatastoreErrorCode> {}

export function leaseNotFound(id: bigint): DatastoreError {
  return new DatastoreError("LEASE_NOT_FOUND", `lease ${id} has expired or was never granted; grant a new one`, {
    lease: id,
  });
}

export function closedError(): DatastoreError {
  return new DatastoreError("CLOSED", "the datastore was closed");
}
