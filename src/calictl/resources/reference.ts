import { CalibirdError } from "../../core/errors.ts";
import { findKind, kinds, type ResourceKind } from "../../resources/kinds.ts";
import { UsageError } from "../output.ts";

/** Which object is meant. */
export interface Reference {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Present for namespaced kinds. */
  readonly namespace?: string;
}

/** A kind on the command line, or an alias in any case; a wrong one is a mistake of usage. */
export function parseKind(text: string): ResourceKind {
  try {
    return findKind(text);
  } catch (error) {
    if (error instanceof CalibirdError) throw new UsageError(error.message);
    throw error;
  }
}

/** Without a namespace an object of a namespaced kind is in `default`. */
export function referenceTo(kind: ResourceKind, name: string, namespace: string | undefined): Reference {
  return { kind, name, ...(kinds[kind].namespaced && { namespace: namespace ?? "default" }) };
}
