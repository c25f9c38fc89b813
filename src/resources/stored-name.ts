import { isObject, type JsonObject } from "./read-fields.ts";

/**
 * The keys of policies of the default tier began with this before Calico 3.32. Since then, and in all tiers, the key has the
 * bare name; an annotation says which name is meant.
 */
export const LEGACY_PREFIX = "default.";

const ANNOTATION = "projectcalico.org/metadata";

/** Metadata of a stored policy with the name that people know, and without the annotation that holds it. */
export function readStoredName(stored: JsonObject, keyName: string): JsonObject {
  const { metadata, spec } = stored;
  if (!isObject(metadata) || metadata.name !== keyName) return stored;
  const { [ANNOTATION]: annotation, ...others } = isObject(metadata.annotations) ? metadata.annotations : {};
  const { annotations: _, ...rest } = metadata;
  const annotations = Object.keys(others).length > 0 ? { annotations: others } : {};
  const name = annotatedName(annotation) ?? (isInDefaultTier(spec) ? withoutPrefix(keyName) : keyName);
  return { ...stored, metadata: { ...rest, name, ...annotations } };
}

/** Annotations of a policy as they are stored. */
export function writeStoredName(
  name: string,
  annotations: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return { ...annotations, [ANNOTATION]: JSON.stringify({ name }) };
}

function annotatedName(annotation: unknown): string | undefined {
  if (typeof annotation !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(annotation);
    return isObject(value) && typeof value.name === "string" && value.name !== "" ? value.name : undefined;
  } catch {
    return undefined;
  }
}

function isInDefaultTier(spec: unknown): boolean {
  const tier = isObject(spec) ? spec.tier : undefined;
  return tier === undefined || tier === null || tier === "" || tier === "default";
}

function withoutPrefix(keyName: string): string {
  return keyName.startsWith(LEGACY_PREFIX) ? keyName.slice(LEGACY_PREFIX.length) : keyName;
}
