import { CalibirdError } from "../../core/errors.ts";

export type BfdErrorCode =
  /** The thread of the sessions could not be started, or has ended by itself. */
  "BFD_FAILED";

/** What the BFD service can't do for its owner. Trouble with one neighbour is never thrown: it is in its status. */
export class BfdError extends CalibirdError<BfdErrorCode> {}
