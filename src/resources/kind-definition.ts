import type { FieldProblem } from "./field-problem.ts";
import type { ResourceMetadata } from "./metadata.ts";
import type { JsonObject } from "./read-fields.ts";
import type { AnyObjectSchema, ObjectSchema } from "./schema.ts";

/**
 * Where and how the objects of a kind are stored if it is a view of a part of the datastore with a form of its own.
 * Neither metadata nor status are stored then.
 */
export interface StoredForm {
  /** What the keys of all objects begin with. */
  readonly prefix: string;
  readonly keyOf: (name: string) => string;
  /** Undefined for the key of something else. */
  readonly nameOf: (key: string) => string | undefined;
  /** The spec of what is stored under a key; throws with what is wrong with it. */
  readonly read: (key: string, stored: JsonObject) => JsonObject;
  /** What is stored for a spec. Absent: objects come into being elsewhere and can't be written. */
  readonly write?: (spec: JsonObject) => JsonObject;
}

/** Everything that tells one kind from another; validation, keys, manifests, client and CLI read it from here. */
interface KindFacts {
  readonly kind: string;
  /** What the kind is for, in a sentence or two. */
  readonly description: string;
  /** Lower-case plural: its part of the key and its name on the command line. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Further names on the command line, lower-case. */
  readonly aliases: readonly string[];
  /** "always": stored as `{}` even when there is nothing to say. Absent: the kind has no status. */
  readonly status?: "always" | "optional";
  /** No calibird agent does anything because of these objects; they are for nodes that run Calico. */
  readonly keptForCalico?: true;
  /** The objects are made by software; people can read them only. */
  readonly readOnly?: true;
  readonly storedForm?: StoredForm;
  /** An annotation of the stored object holds the name, because the key may carry a prefix. See stored-name.ts. */
  readonly namedByAnnotation?: true;
}

/** A kind as its own file describes it. */
interface TypedKind<Spec> extends KindFacts {
  readonly spec: ObjectSchema<Spec>;
  /** Rules between fields, which hold for what is written; what is stored already is not refused for them. */
  readonly check: (spec: Spec, metadata: ResourceMetadata) => readonly FieldProblem[];
  /** The spec as it is stored: with the defaults that Calico stores, too. */
  readonly withDefaults?: (spec: Spec) => Spec;
}

/** A kind as the table holds it. `check` and `withDefaults` take a spec that was read by this very `spec` schema. */
export interface KindDefinition extends KindFacts {
  readonly spec: AnyObjectSchema;
  readonly check: (spec: unknown, metadata: ResourceMetadata) => readonly FieldProblem[];
  readonly withDefaults: (spec: unknown) => unknown;
}

export function defineKind<Spec>(kind: TypedKind<Spec>): KindDefinition {
  return {
    ...kind,
    spec: kind.spec as AnyObjectSchema,
    check: (spec, metadata) => kind.check(spec as Spec, metadata),
    withDefaults: (spec) => kind.withDefaults?.(spec as Spec) ?? spec,
  };
}

/** A problem with a field of the spec; `path` is `cidr` or `communities.0.value`. */
export function specProblem(path: string, value: unknown, reason: string): FieldProblem {
  const steps = path.split(".").map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  return { path: ["spec", ...steps], value, reason };
}
