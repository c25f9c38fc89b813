import { CalibirdError } from "../core/errors.ts";

export type BgpErrorCode =
  /** A listening socket could not be opened; `details` holds `address`, `port` and `errno`. */
  | "LISTEN_FAILED"
  /** Two configured peers have the same name or address; `details` holds `name` and `other`. */
  | "DUPLICATE_PEER"
  /** No socket can be as a peer's configuration wants it; `details` holds `name`. */
  | "UNSUPPORTED_TRANSPORT";

/** What the speaker can't do for its owner. Trouble with a peer is never thrown: it is a `SessionDownReason`. */
export class BgpError extends CalibirdError<BgpErrorCode> {}
