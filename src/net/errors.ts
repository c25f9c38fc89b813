import { CalibirdError } from "../core/errors.ts";

export type AddressErrorCode = "INVALID_ADDRESS" | "INVALID_PREFIX" | "HOST_BITS_SET";

/** Text or numbers that are no address or prefix. `details.value` is what was given. */
export class AddressError extends CalibirdError<AddressErrorCode> {}
