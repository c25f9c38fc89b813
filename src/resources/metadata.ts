import type { FieldProblem } from "./field-problem.ts";
import type { ObjectSchema, TextFormat } from "./schema.ts";
import { annotationKey, labelKey, labelValue, namespaceName, resourceName } from "./text-formats.ts";

/** What every object has besides its spec; the part of Kubernetes' ObjectMeta that the datastore keeps. */
export interface ResourceMetadata {
  readonly name: string;
  /** Present for namespaced kinds only. */
  readonly namespace?: string;
  readonly uid?: string;
  /** Modification revision in decimal. Filled when read, never stored. */
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** RFC 3339, UTC, whole seconds. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly Readonly<Record<string, unknown>>[];
  readonly finalizers?: readonly string[];
}

const MAX_ANNOTATION_BYTES = 256 * 1024;

const timestamp: TextFormat = (text) =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))
    ? { text }
    : { problem: "must be an RFC 3339 time such as 2026-01-02T03:04:05Z" };

export const metadataSchema: ObjectSchema<ResourceMetadata> = {
  type: "object",
  fields: {
    name: {
      description: 'The name, of which there is one per kind (and namespace). Lower-case letters, digits, "-" and ".".',
      type: "text",
      required: true,
      format: resourceName,
    },
    namespace: {
      description: "The namespace, for kinds that belong to one.",
      default: "default",
      type: "text",
      format: namespaceName,
    },
    uid: {
      description: "Tells the object from one of the same name that was deleted. Made when the object is created.",
      type: "text",
    },
    resourceVersion: {
      description: "The revision in which the object was read. An update fails if it has changed since.",
      type: "text",
    },
    generation: {
      description: "Counts changes of the spec, where the store does that.",
      type: "integer",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    },
    creationTimestamp: { description: "When the object was created.", type: "text", format: timestamp },
    deletionTimestamp: {
      description: "When the object was asked to go; it does once its finalizers are done.",
      type: "text",
      format: timestamp,
    },
    deletionGracePeriodSeconds: {
      description: "How long it may take to go.",
      unit: "seconds",
      type: "integer",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    },
    labels: {
      description: "Names and values that selectors choose objects by.",
      default: "none",
      type: "map",
      keyFormat: labelKey,
      valueFormat: labelValue,
    },
    annotations: {
      description: "Names and texts for programs and people; together at most 256 KiB.",
      default: "none",
      type: "map",
      keyFormat: annotationKey,
    },
    ownerReferences: {
      description: "Objects that this one goes with.",
      default: "none",
      type: "list",
      items: { type: "any" },
    },
    finalizers: {
      description: "What must be done before the object goes.",
      default: "none",
      type: "list",
      items: { type: "text" },
    },
  },
};

/** The rules that a field alone can't tell. */
export function checkMetadata(metadata: ResourceMetadata, namespaced: boolean): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { namespace, resourceVersion, annotations = {} } = metadata;
  if (namespaced && namespace === undefined)
    problems.push({ path: ["metadata", "namespace"], value: namespace, reason: "is required for this kind" });
  if (!namespaced && namespace !== undefined)
    problems.push({
      path: ["metadata", "namespace"],
      value: namespace,
      reason: "must be absent: this kind belongs to no namespace",
    });
  if (resourceVersion !== undefined && !/^[1-9]\d{0,18}$/.test(resourceVersion))
    problems.push({
      path: ["metadata", "resourceVersion"],
      value: resourceVersion,
      reason: "must be a revision number",
    });
  const bytes = Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (bytes > MAX_ANNOTATION_BYTES)
    problems.push({
      path: ["metadata", "annotations"],
      value: `${bytes} bytes`,
      reason: `must have at most ${MAX_ANNOTATION_BYTES} bytes together`,
    });
  return problems;
}
