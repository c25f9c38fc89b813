import { CalibirdError } from "../../core/errors.ts";

type IpamCommandErrorCode =
  /** There is nothing to release. */
  | "NOT_ASSIGNED"
  /** A report is of another cluster, of another version, or too old. */
  | "REPORT_REFUSED"
  /** The datastore has to be locked first. */
  | "NOT_LOCKED";

/** What `calictl ipam` refuses to do. */
export class IpamCommandError extends CalibirdError<IpamCommandErrorCode> {}
