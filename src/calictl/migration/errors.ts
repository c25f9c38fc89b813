import { CalibirdError } from "../../core/errors.ts";

type MigrationErrorCode =
  /** The datastore has to be locked first. */
  | "DATASTORE_NOT_LOCKED"
  /** The datastore that shall be filled holds something already. */
  | "DATASTORE_NOT_EMPTY"
  /** The file is none that `export` has written. */
  | "INVALID_EXPORT";

/** Why a datastore cannot be exported or imported. Nothing has been changed. */
export class MigrationError extends CalibirdError<MigrationErrorCode> {}
