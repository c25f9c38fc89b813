import { CalibirdError } from "../../core/errors.ts";
import type { SessionError } from "./message.ts";

export type BgpPacketErrorCode =
  /** A field's value does not fit its place on the wire. */
  | "VALUE_OUT_OF_RANGE"
  /** AS_SET or AS_CONFED_SET, which must not be sent (RFC 9774). */
  | "AS_SET_FORBIDDEN"
  /** The attributes leave no room for even one route in a message. */
  | "ATTRIBUTES_TOO_LARGE"
  | "MESSAGE_TOO_LARGE"
  /** Routes without attributes. */
  | "ATTRIBUTES_MISSING"
  /** Routes of a family that the session did not agree on. */
  | "FAMILY_NOT_NEGOTIATED"
  /** A next hop of the other family, which would need RFC 8950. */
  | "NEXT_HOP_FAMILY_MISMATCH";

/** The encoder was given something that no valid message can carry; `details` names the field and the value. */
export class BgpPacketError extends CalibirdError<BgpPacketErrorCode> {}

/** The failed half of a decoder's result. */
export interface DecodeFailure {
  readonly ok: false;
  readonly error: SessionError;
}

const noOctets = new Uint8Array(0);

/** The failed result of a decoder: the NOTIFICATION to send and why. */
export function decodeFailure(
  code: number,
  subcode: number,
  reason: string,
  data: Uint8Array = noOctets,
): DecodeFailure {
  return { ok: false, error: { code, subcode, data, reason } };
}

/** `value` if it is an integer from `minimum` to `maximum`; else throws `VALUE_OUT_OF_RANGE`. */
export function requireInteger(field: string, value: number, minimum: number, maximum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum)
    throw new BgpPacketError(
      "VALUE_OUT_OF_RANGE",
      `${field} is ${value}, which is not an integer from ${minimum} to ${maximum}`,
      { field, value },
    );
  return value;
}
