import { errorMessage } from "../core/errors.ts";
import { type ExactJsonObject, parseExactJson, printExactJson } from "../core/exact-json.ts";
import { didYouMean } from "../core/nearest-name.ts";
import { invalidResource, ResourceError } from "./errors.ts";
import type { FieldProblem } from "./field-problem.ts";
import type { KindDefinition, StoredForm } from "./kind-definition.ts";
import { isResourceKind, kinds, type ResourceKind, resourceKinds, type SpecByKind } from "./kinds.ts";
import { checkMetadata, metadataSchema, type ResourceMetadata } from "./metadata.ts";
import { FieldReader, isObject, type JsonObject, keepUnknownFields } from "./read-fields.ts";
import { parseResourceKey, possibleKeys } from "./resource-keys.ts";
import type { AnyObjectSchema } from "./schema.ts";
import { readStoredName, writeStoredName } from "./stored-name.ts";

const FOR_CALICO = "Kept for the nodes that run Calico; calibird's own agents do nothing because of it.";

export const API_VERSION = "projectcalico.org/v3";

/**
 * An object of projectcalico.org/v3. At run time it may carry further fields that other software has stored; they stay
 * if it is changed by copying (`{ ...resource, spec: { ...resource.spec, disabled: true } }`) and written back.
 */
export interface Resource<Kind extends ResourceKind = ResourceKind> {
  readonly kind: Kind;
  readonly apiVersion: typeof API_VERSION;
  readonly metadata: ResourceMetadata;
  readonly spec: SpecByKind[Kind];
  /** What agents and controllers report; we pass it on as it is. */
  readonly status?: JsonObject;
}

/** Whole objects of each kind, as they are read and written. */
export const objectSchemas = Object.fromEntries(
  resourceKinds.map((kind) => [kind, describeObjects(kind)]),
) as unknown as Readonly<Record<ResourceKind, AnyObjectSchema>>;

/** A resource of any kind, as a union that `kind` tells apart. */
export type AnyResource = { [Kind in ResourceKind]: Resource<Kind> }[ResourceKind];

/** Result of reading an object: the object if `problems` is empty. */
export type ReadResult =
  | { readonly resource: AnyResource; readonly problems: readonly [] }
  | { readonly problems: readonly FieldProblem[] };

export interface ReadOptions {
  /** "report" for what people write, "keep" for what the datastore holds. */
  readonly unknownFields: "report" | "keep";
  /** Also check the rules between fields, which hold for everything that is written. */
  readonly rules: boolean;
}

/** Reads any JSON value as a resource: canonical values, fields in the order in which they are stored. */
export function readResource(value: unknown, options: ReadOptions): ReadResult {
  const reader = new FieldReader(options.unknownFields);
  const kind = readKind(reader, value);
  if (kind === undefined || !isObject(value)) return { problems: reader.problems };
  const definition: KindDefinition = kinds[kind];
  const object = reader.readObject(objectSchemas[kind], value, []);
  if (object === undefined || reader.problems.length > 0) return { problems: reader.problems };
  const resource = object as unknown as AnyResource;
  if (!options.rules) return { resource, problems: [] };
  const problems = [
    ...checkMetadata(resource.metadata, definition.namespaced),
    ...definition.check(resource.spec, resource.metadata),
  ];
  return problems.length > 0 ? { problems } : { resource, problems: [] };
}

/**
 * As `readResource` for what is about to be written, with the defaults that Calico stores filled in; throws
 * `INVALID_RESOURCE` with every problem.
 */
export function validateResource<R extends AnyResource>(resource: R): R {
  const result = readResource(resource, { unknownFields: "keep", rules: true });
  if (!("resource" in result)) throw invalidResource(resource.kind, result.problems);
  return { ...result.resource, spec: kinds[resource.kind].withDefaults(result.resource.spec) } as R;
}

/**
 * What applying a file to a stored object makes of it: the file's spec, labels and annotations; of the stored object the
 * rest of its metadata, its status, and the fields that we don't know and a file therefore can't set.
 */
export function applyToStored<R extends AnyResource>(file: R, stored: AnyResource): R {
  const { labels: _labels, annotations: _annotations, ...kept } = stored.metadata;
  const { labels, annotations } = file.metadata;
  return {
    ...stored,
    ...file,
    metadata: { ...kept, ...(labels && { labels }), ...(annotations && { annotations }) },
    spec: keepUnknownFields(kinds[file.kind].spec, stored.spec as JsonObject, file.spec as JsonObject),
  };
}

/**
 * The text that is stored: compact, fields in Calico's order, `<`, `>` and `&` escaped as Go does, without
 * `resourceVersion`. `resource` must have passed `validateResource`.
 */
export function encodeResource(resource: Resource): string {
  const { resourceVersion: _, ...rest } = resource.metadata;
  const definition: KindDefinition = kinds[resource.kind];
  const metadata =
    definition.namedByAnnotation === true
      ? { ...rest, annotations: writeStoredName(rest.name, rest.annotations) }
      : rest;
  const ordered = new FieldReader("keep").readObject(objectSchemas[resource.kind], { ...resource, metadata }, []);
  const stored = definition.storedForm === undefined ? ordered : storedView(definition.storedForm, resource);
  return printExactJson(stored as ExactJsonObject);
}

function storedView(form: StoredForm, resource: Resource): JsonObject {
  if (form.write !== undefined) return form.write(resource.spec as JsonObject);
  throw new ResourceError("UNSUPPORTED_OPERATION", `${describeResource(resource)} can't be written: it is a view only`);
}

/**
 * Reads a stored value; `modRevision` becomes its `resourceVersion`. Lenient about rules between fields, which may have
 * changed since it was written, and about the spec of kinds that are kept for Calico. Throws `INVALID_STORED_VALUE`, which names the key and every problem.
 */
export function decodeResource(key: string, value: string, modRevision: bigint): AnyResource {
  const identity = parseResourceKey(key);
  const fail = (reason: string) =>
    new ResourceError("INVALID_STORED_VALUE", `the value stored under ${key} can't be used: ${reason}`, { key });
  const json = parseStored(key, value, identity, fail);
  const result = readResource(json, { unknownFields: "keep", rules: false });
  const resource = "resource" in result ? result.resource : keptAsItIs(json, result.problems);
  if (resource === undefined) throw fail(invalidResource(identity?.kind ?? "value", result.problems).message);
  const { kind, metadata } = resource;
  if (
    identity === undefined ||
    kind !== identity.kind ||
    !possibleKeys(kind, metadata.name, metadata.namespace).includes(key)
  )
    throw fail(`it says that it is ${describeResource(resource)}`);
  return { ...resource, metadata: { ...metadata, resourceVersion: modRevision.toString() } };
}

/**
 * An object that no agent of ours acts on may have values in its spec that only newer software knows: it can be read, shown
 * and exported, but not written before they are right.
 */
function keptAsItIs(json: unknown, problems: readonly FieldProblem[]): AnyResource | undefined {
  if (!isObject(json) || typeof json.kind !== "string" || !isResourceKind(json.kind) || !isObject(json.spec))
    return undefined;
  const kept = kinds[json.kind].keptForCalico === true && problems.every(({ path }) => path[0] === "spec");
  return kept ? (json as unknown as AnyResource) : undefined;
}

type Fail = (reason: string) => ResourceError;

function parseStored(key: string, value: string, identity: ReturnType<typeof parseResourceKey>, fail: Fail): unknown {
  const form = identity && kinds[identity.kind].storedForm;
  // Software that is long gone has stored nothing at all under keys that said enough.
  const text = form !== undefined && value === "" ? "{}" : value;
  let json: unknown;
  try {
    json = parseExactJson(text);
  } catch (error) {
    throw fail(`it is not JSON: ${errorMessage(error)}`);
  }
  if (identity === undefined || !isObject(json)) return json;
  if (kinds[identity.kind].namedByAnnotation === true) return readStoredName(json, identity.name);
  if (form === undefined) return json;
  try {
    return {
      kind: identity.kind,
      apiVersion: API_VERSION,
      metadata: { name: identity.name },
      spec: form.read(key, json),
    };
  } catch (error) {
    throw fail(errorMessage(error));
  }
}

/** `IPPool(pods-v4)` or `WorkloadEndpoint(shop/worker--0-k8s-web--0-eth0)`: how messages name an object. */
export function describeResource({ kind, metadata }: Pick<Resource, "kind" | "metadata">): string {
  return `${kind}(${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name})`;
}

function readKind(reader: FieldReader, value: unknown): ResourceKind | undefined {
  if (!isObject(value)) return reader.report([], value, "must be an object");
  const { kind, apiVersion } = value;
  if (apiVersion !== API_VERSION) reader.report(["apiVersion"], apiVersion, `must be ${API_VERSION}`);
  if (typeof kind === "string" && isResourceKind(kind)) return kind;
  const hint = typeof kind === "string" ? didYouMean(kind, resourceKinds) : "";
  return reader.report(["kind"], kind, `must be one of ${resourceKinds.join(", ")}${hint}`);
}

function describeObjects(kind: ResourceKind): AnyObjectSchema {
  const definition: KindDefinition = kinds[kind];
  const { status } = definition;
  return {
    type: "object",
    description: definition.keptForCalico === true ? `${definition.description} ${FOR_CALICO}` : definition.description,
    fields: {
      kind: { type: "text", description: `The kind: ${kind}.` },
      apiVersion: { type: "text", description: `The version of the kind: ${API_VERSION}.` },
      metadata: {
        ...(metadataSchema as AnyObjectSchema),
        required: true,
        description: "What the object is called, and what belongs to it besides its spec.",
      },
      spec: { ...definition.spec, zero: "fill", description: "What is wanted." },
      ...(status && {
        status: {
          type: "any",
          ...(status === "always" && { zero: "fill" }),
          description: "What agents and controllers have found. Nobody else writes it.",
        },
      }),
    },
  };
}
