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
  | "CLOSED";

export class DatastoreError extends CalibirdError<DatastoreErrorCode> {}
