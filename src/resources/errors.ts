import { CalibirdError } from "../core/errors.ts";
import { type FieldProblem, formatProblems } from "./field-problem.ts";

export type ResourceErrorCode =
  /** A kind or alias that is not in the table; `details.kind`. */
  | "UNKNOWN_KIND"
  /** One or more wrong fields; `details.problems` are FieldProblems. */
  | "INVALID_RESOURCE"
  /** A file with resources can't be used; `details.problems` are ManifestProblems. */
  | "INVALID_MANIFEST"
  /** `details.position` counts characters from 0. */
  | "INVALID_SELECTOR"
  | "RESOURCE_NOT_FOUND"
  | "RESOURCE_EXISTS"
  /** Somebody else changed the object meanwhile; read it again. */
  | "UPDATE_CONFLICT"
  /** What was asked for can't be done to objects of this kind, or to this one. */
  | "UNSUPPORTED_OPERATION"
  /** The value stored under `details.key` is not a valid object of its kind. */
  | "INVALID_STORED_VALUE";

export class ResourceError extends CalibirdError<ResourceErrorCode> {}

/** The error of an object with wrong fields, all of which it names. */
export function invalidResource(kind: string, problems: readonly FieldProblem[]): ResourceError {
  return new ResourceError("INVALID_RESOURCE", formatProblems(kind, problems), { kind, problems });
}
