import { isObject, type JsonObject } from "../../../resources/read-fields.ts";

/** JSON merge patch (RFC 7386): objects are merged, null removes, anything else takes the place of what was there. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch))
    if (value === null) merged.delete(name);
    else merged.set(name, applyMergePatch(merged.get(name), value));
  return Object.fromEntries(merged) satisfies JsonObject;
}
