import type { Clock } from "../core/clock.ts";
import { invalidResource, ResourceError } from "../resources/errors.ts";
import type { FieldProblem } from "../resources/field-problem.ts";
import { kinds, type ResourceKind } from "../resources/kinds.ts";
import {
  type AnyResource,
  applyToStored,
  describeResource,
  encodeResource,
  type Resource,
  validateResource,
} from "../resources/resource.ts";
import { possibleKeys, resourceKey } from "../resources/resource-keys.ts";
import type { Datastore, KeyValue } from "./datastore.ts";
import { DatastoreError } from "./errors.ts";
import { admitCreate, admitDelete, admitUpdate, findPoolOverlaps } from "./resource-admission.ts";
import { decodeItem, type InvalidValue, listResources, tryDecodeItem } from "./stored-resources.ts";
import { virtualResources } from "./virtual-resources.ts";

export interface ResourceClientOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  /** A fresh random UUID (version 4). */
  readonly createUid: () => string;
}

export interface ResourceListing<Kind extends ResourceKind> {
  /** Ascending by namespace and name. */
  readonly resources: readonly Resource<Kind>[];
  /** Stored values that are no object of this kind. */
  readonly invalid: readonly InvalidValue[];
  readonly revision: bigint;
}

export interface DeleteOptions {
  readonly namespace?: string;
  /** Delete only the object with this uid, or this revision. */
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export type ApplyOutcome = "created" | "updated" | "unchanged";

const APPLY_ATTEMPTS = 5;

/**
 * Reads and writes resources as Calico does: every write is one transaction that compares what it was based on. Throws
 * ResourceError for the object's own problems and lets the store's DatastoreError through.
 */
export class ResourceClient {
  readonly #datastore: Datastore;
  readonly #clock: Clock;
  readonly #createUid: () => string;

  constructor(options: ResourceClientOptions) {
    this.#datastore = options.datastore;
    this.#clock = options.clock;
    this.#createUid = options.createUid;
  }

  /** Throws `RESOURCE_NOT_FOUND` or `INVALID_STORED_VALUE`. */
  async get<Kind extends ResourceKind>(kind: Kind, name: string, namespace?: string): Promise<Resource<Kind>> {
    const item = await this.#find(kind, name, namespace);
    if (item !== undefined) return decodeItem(kind, item);
    const virtual = virtualResources(kind).find(({ metadata }) => metadata.name === name);
    if (virtual !== undefined) return virtual;
    throw notFound({ kind, metadata: { name, ...(namespace && { namespace }) } });
  }

  /** Objects of all namespaces unless one is given. */
  async list<Kind extends ResourceKind>(kind: Kind, namespace?: string): Promise<ResourceListing<Kind>> {
    const { items, invalid, revision } = await listResources(this.#datastore, kind, namespace);
    return { resources: [...virtualResources(kind), ...items.map(({ resource }) => resource)], invalid, revision };
  }

  /**
   * Stores a new object, which must carry no `resourceVersion`, and returns it as stored. Throws `INVALID_RESOURCE` or
   * `RESOURCE_EXISTS`.
   */
  async create<R extends AnyResource>(resource: R): Promise<R> {
    const valid = this.#stamp(validateResource(resource));
    requireMetadata(valid, "create");
    await admitCreate(this.#datastore, valid);
    const stored = await this.#write(valid);
    if (stored === undefined)
      throw new ResourceError("RESOURCE_EXISTS", `resource already exists: ${describeResource(valid)}`);
    if (stored.kind === "IPPool") await this.#confirmPool(stored);
    return stored;
  }

  /**
   * Replaces the object that was read as `resource`, which must carry its `resourceVersion`, `uid` and
   * `creationTimestamp`. Throws `INVALID_RESOURCE`, `RESOURCE_NOT_FOUND`, or `UPDATE_CONFLICT` if it has changed since.
   */
  async update<R extends AnyResource>(resource: R): Promise<R> {
    const valid = validateResource(resource);
    requireMetadata(valid, "update");
    const item = await this.#item(valid);
    if (item === undefined) throw notFound(valid);
    return this.#replace(item, valid);
  }

  /**
   * Creates the object or replaces the stored one's spec, labels and annotations with it. Somebody else's simultaneous
   * change is no conflict unless `resource` carries a `resourceVersion`. Nothing is written if nothing would change.
   */
  async apply<R extends AnyResource>(resource: R): Promise<{ resource: R; outcome: ApplyOutcome }> {
    return this.#applyOr(resource, (valid) => this.create(valid));
  }

  /** As `apply` for an object that must exist: throws `RESOURCE_NOT_FOUND` if it does not. */
  async replace<R extends AnyResource>(resource: R): Promise<{ resource: R; outcome: ApplyOutcome }> {
    return this.#applyOr(resource, (valid) => Promise.reject(notFound(valid)));
  }

  async #applyOr<R extends AnyResource>(
    resource: R,
    whenMissing: (valid: R) => Promise<R>,
  ): Promise<{ resource: R; outcome: ApplyOutcome }> {
    const valid = validateResource(resource);
    const pinned = valid.metadata.resourceVersion;
    for (let attempt = 1; ; attempt++) {
      try {
        const item = await this.#item(valid);
        if (item === undefined && pinned !== undefined) throw notFound(valid);
        if (item === undefined) return { resource: await whenMissing(valid), outcome: "created" };
        const merged = this.#mergeInto(item, valid);
        const stored = await this.#replace(item, merged);
        const changed = stored.metadata.resourceVersion !== item.modRevision.toString();
        return { resource: stored, outcome: changed ? "updated" : "unchanged" };
      } catch (error) {
        const lostRace = hasCode(error, "RESOURCE_EXISTS", "UPDATE_CONFLICT") && pinned === undefined;
        if (!lostRace || attempt === APPLY_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Throws `RESOURCE_NOT_FOUND`, `UPDATE_CONFLICT` if it is not the object that the options ask for, or
   * `UNSUPPORTED_OPERATION` for one that must stay.
   */
  async delete(kind: ResourceKind, name: string, options: DeleteOptions = {}): Promise<void> {
    const { namespace, uid, resourceVersion } = options;
    const identity = { kind, metadata: { name, ...(namespace && { namespace }) } };
    await admitDelete(this.#datastore, kind, name);
    const key = (await this.#find(kind, name, namespace))?.key ?? resourceKey(kind, name, namespace);
    if (resourceVersion !== undefined && !/^\d+$/.test(resourceVersion)) throw conflict(identity);
    let revision = resourceVersion === undefined ? undefined : BigInt(resourceVersion);
    if (uid !== undefined) {
      const stored = await this.get(kind, name, namespace);
      if (stored.metadata.uid !== uid) throw conflict(identity);
      revision ??= BigInt(stored.metadata.resourceVersion ?? "0");
    }
    const result = await this.#datastore.transact({
      compares: revision === undefined ? [] : [{ key, target: "modRevision", result: "equal", value: revision }],
      success: [{ type: "delete", key }],
      failure: [{ type: "get", key }],
    });
    const [response] = result.responses;
    if (result.succeeded && response?.type === "delete" && response.previous !== undefined) return;
    throw response?.type === "get" && response.item !== undefined ? conflict(identity) : notFound(identity);
  }

  /** Compares with the stored item, checks the change, and writes unless nothing would change. */
  async #replace<R extends AnyResource>(item: KeyValue, next: R): Promise<R> {
    const { resourceVersion = item.modRevision.toString() } = next.metadata;
    if (resourceVersion !== item.modRevision.toString()) throw conflict(next);
    const before = tryDecodeItem(next.kind, item);
    if ("resource" in before) await admitUpdate(this.#datastore, before.resource as AnyResource, next);
    if (encodeResource(next) === item.value) return { ...next, metadata: { ...next.metadata, resourceVersion } };
    const stored = await this.#write(next, item);
    if (stored === undefined) throw conflict(next);
    return stored;
  }

  /** The file's object on top of the stored one; on its own if what is stored is unreadable. */
  #mergeInto<R extends AnyResource>(item: KeyValue, file: R): R {
    const stored = tryDecodeItem(file.kind, item);
    if ("error" in stored) return this.#stamp(file);
    const merged = applyToStored(file, stored.resource as AnyResource);
    const { resourceVersion } = { ...merged.metadata, ...file.metadata };
    return this.#stamp({ ...merged, metadata: { ...merged.metadata, ...(resourceVersion && { resourceVersion }) } });
  }

  #item({ kind, metadata }: AnyResource): Promise<KeyValue | undefined> {
    return this.#find(kind, metadata.name, metadata.namespace);
  }

  async #find(kind: ResourceKind, name: string, namespace: string | undefined): Promise<KeyValue | undefined> {
    for (const key of possibleKeys(kind, name, namespace)) {
      const { item } = await this.#datastore.get(key);
      if (item !== undefined) return item;
    }
    return undefined;
  }

  /**
   * Writes in place of `previous` if that is still there as it is, or anew if it is absent; undefined if somebody else was
   * faster. When the store can't tell whether it has written, the value itself does.
   */
  async #write<R extends AnyResource>(resource: R, previous?: KeyValue): Promise<R | undefined> {
    const { kind, metadata } = resource;
    const key = previous?.key ?? resourceKey(kind, metadata.name, metadata.namespace);
    const value = encodeResource(resource);
    const revision = previous?.modRevision ?? 0n;
    const target = previous === undefined ? "version" : "modRevision";
    const withRevision = (modRevision: bigint): R => ({
      ...resource,
      metadata: { ...resource.metadata, resourceVersion: modRevision.toString() },
    });
    try {
      const result = await this.#datastore.transact({
        compares: [{ key, target, result: "equal", value: revision }],
        success: [{ type: "put", key, value }],
      });
      return result.succeeded ? withRevision(result.revision) : undefined;
    } catch (error) {
      if (!(error instanceof DatastoreError) || error.code !== "OUTCOME_UNKNOWN") throw error;
      const item = await this.#datastore.get(key).then(
        (found) => found.item,
        () => undefined,
      );
      if (item?.value !== value) throw error;
      return withRevision(item.modRevision);
    }
  }

  #stamp<R extends AnyResource>(resource: R): R {
    const { uid = this.#createUid(), creationTimestamp = this.#now() } = resource.metadata;
    return { ...resource, metadata: { ...resource.metadata, uid, creationTimestamp } };
  }

  #now(): string {
    return `${new Date(this.#clock.wallMs()).toISOString().slice(0, 19)}Z`;
  }

  /** Takes a new pool back if another that overlaps it was created between the check and the write. */
  async #confirmPool(pool: Resource<"IPPool">): Promise<void> {
    const { name, resourceVersion = "0" } = pool.metadata;
    const problems = await findPoolOverlaps(this.#datastore, pool, BigInt(resourceVersion));
    if (problems.length === 0) return;
    await this.delete("IPPool", name, { resourceVersion });
    throw invalidResource("IPPool", problems);
  }
}

function requireMetadata({ kind, metadata }: AnyResource, verb: "create" | "update"): void {
  const problems: FieldProblem[] = [];
  if (verb === "create" && metadata.resourceVersion !== undefined)
    problems.push({
      path: ["metadata", "resourceVersion"],
      value: metadata.resourceVersion,
      reason: "must be absent for a new object",
    });
  // Of a view no metadata is stored that could be kept.
  if (verb === "update" && kinds[kind].storedForm === undefined)
    for (const field of ["resourceVersion", "creationTimestamp", "uid"] as const)
      if (metadata[field] === undefined)
        problems.push({ path: ["metadata", field], value: undefined, reason: "is required: keep what was read" });
  if (problems.length > 0) throw invalidResource(kind, problems);
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof ResourceError && codes.includes(error.code);
}

type Identity = Pick<Resource, "kind" | "metadata">;

function notFound(identity: Identity): ResourceError {
  return new ResourceError("RESOURCE_NOT_FOUND", `resource does not exist: ${describeResource(identity)}`);
}

function conflict(identity: Identity): ResourceError {
  return new ResourceError("UPDATE_CONFLICT", `update conflict: ${describeResource(identity)}`);
}
