import { isDeepStrictEqual } from "node:util";
import { isObject, type JsonObject } from "../../../resources/read-fields.ts";
import { PatchError } from "./errors.ts";

/** Lists that are merged item by item: by the key, or, without one, as sets of plain values. All others are replaced. */
const mergedLists: Readonly<Record<string, string | undefined>> = {
  "metadata.finalizers": undefined,
  "metadata.ownerReferences": "uid",
  "status.conditions": "type",
};

const deletePrefix = "$deleteFromPrimitiveList/";
const orderPrefix = "$setElementOrder/";

/**
 * Kubernetes' strategic merge patch: as a JSON merge patch, but with the directives `$patch: replace|delete|merge`,
 * `$retainKeys`, `$deleteFromPrimitiveList/…` and `$setElementOrder/…`, and with lists that are merged, of which Calico's
 * objects have few. Throws a `PatchError`.
 */
export function applyStrategicMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) throw new PatchError("a strategic merge patch must be an object");
  return mergeObject(isObject(target) ? target : {}, patch, "");
}

function mergeObject(target: JsonObject, patch: JsonObject, path: string): JsonObject | undefined {
  const { $patch: directive, $retainKeys: retained, ...fields } = patch;
  switch (directive) {
    case undefined:
    case "merge":
      break;
    case "replace":
      return withoutDirectives(fields);
    case "delete":
      return undefined;
    default:
      throw new PatchError(`${path || "the patch"}: $patch "${directive}" must be merge, replace or delete`);
  }
  const merged = new Map(Object.entries(target));
  if (retained !== undefined) {
    if (!Array.isArray(retained)) throw new PatchError(`${path || "the patch"}: $retainKeys must be a list of names`);
    for (const name of merged.keys()) if (!retained.includes(name)) merged.delete(name);
  }
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(deletePrefix)) deleteItems(merged, name.slice(deletePrefix.length), value, path);
    else if (!name.startsWith(orderPrefix)) mergeField(merged, name, value, path === "" ? name : `${path}.${name}`);
  }
  for (const [name, value] of Object.entries(fields))
    if (name.startsWith(orderPrefix)) orderItems(merged, name.slice(orderPrefix.length), value, path);
  return Object.fromEntries(merged);
}

function mergeField(merged: Map<string, unknown>, name: string, value: unknown, path: string): void {
  const before = merged.get(name);
  const next =
    value === null
      ? undefined
      : isObject(value)
        ? mergeObject(isObject(before) ? before : {}, value, path)
        : Array.isArray(value) && Object.hasOwn(mergedLists, path)
          ? mergeList(Array.isArray(before) ? before : [], value, path)
          : value;
  if (next === undefined) merged.delete(name);
  else merged.set(name, next);
}

function mergeList(before: readonly unknown[], patch: readonly unknown[], path: string): unknown[] {
  const key = mergedLists[path];
  if (key === undefined)
    return [...before, ...patch.filter((item) => !before.some((old) => isDeepStrictEqual(old, item)))];
  const merged = [...before];
  for (const item of patch) {
    if (!isObject(item) || item[key] === undefined)
      throw new PatchError(`${path}: each item must have "${key}", by which the list is merged`);
    const index = merged.findIndex((old) => isObject(old) && old[key] === item[key]);
    const old = merged[index];
    const next = mergeObject(isObject(old) ? old : {}, item, path);
    merged.splice(index < 0 ? merged.length : index, index < 0 ? 0 : 1, ...(next === undefined ? [] : [next]));
  }
  return merged;
}

function deleteItems(merged: Map<string, unknown>, name: string, values: unknown, path: string): void {
  const list = merged.get(name);
  if (!Array.isArray(values)) throw new PatchError(`${path}: ${deletePrefix}${name} must be a list of values`);
  if (!Array.isArray(list)) return;
  merged.set(
    name,
    list.filter((item) => !values.some((value) => isDeepStrictEqual(value, item))),
  );
}

/** The named items in the given order, the others after them. */
function orderItems(merged: Map<string, unknown>, name: string, order: unknown, path: string): void {
  const list = merged.get(name);
  if (!Array.isArray(order)) throw new PatchError(`${path}: ${orderPrefix}${name} must be a list`);
  if (!Array.isArray(list)) return;
  const place = (item: unknown) => {
    const index = order.findIndex((wanted) =>
      isObject(wanted) && isObject(item)
        ? Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(item[key], value))
        : isDeepStrictEqual(wanted, item),
    );
    return index < 0 ? order.length : index;
  };
  merged.set(
    name,
    [...list].sort((a, b) => place(a) - place(b)),
  );
}

/** A value to put in place as it is: directives further down mean nothing more. */
function withoutDirectives(value: JsonObject): JsonObject {
  const entries = Object.entries(value).filter(([name, child]) => !name.startsWith("$") && child !== null);
  return Object.fromEntries(entries.map(([name, child]) => [name, isObject(child) ? withoutDirectives(child) : child]));
}
