import { CalibirdError } from "../../../core/errors.ts";

type PatchErrorCode = "INVALID_PATCH";

/** A patch that is malformed, or does not fit the object. The message names the place and the value. */
export class PatchError extends CalibirdError<PatchErrorCode> {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super("INVALID_PATCH", message, details);
  }
}
