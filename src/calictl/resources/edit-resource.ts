import type { ResourceClient } from "../../datastore/resource-client.ts";
import { invalidResource } from "../../resources/errors.ts";
import type { FieldProblem } from "../../resources/field-problem.ts";
import { type AnyResource, readResource } from "../../resources/resource.ts";
import type { Reference } from "./reference.ts";
import { isRefusal } from "./refusal.ts";

const ATTEMPTS = 5;

/**
 * Reads an object, changes it, and writes it back. Somebody else's simultaneous change makes it start again, unless the change
 * sets `resourceVersion`: then it is made on just that state, or not at all. Throws `INVALID_RESOURCE`, also for a field that
 * the change brings in and that does not exist.
 */
export async function editResource(
  client: ResourceClient,
  { kind, name, namespace }: Reference,
  edit: (resource: AnyResource) => unknown,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const stored = (await client.get(kind, name, namespace)) as AnyResource;
    const edited = readEdited(stored, edit(stored));
    try {
      await client.update(edited);
      return;
    } catch (error) {
      const pinned = edited.metadata.resourceVersion !== stored.metadata.resourceVersion;
      if (!isRefusal(error, "UPDATE_CONFLICT") || pinned || attempt === ATTEMPTS) throw error;
    }
  }
}

function readEdited(stored: AnyResource, json: unknown): AnyResource {
  const result = readResource(json, { unknownFields: "keep", rules: false });
  const problems = [...result.problems, ...unknownFields(json, unknownFields(stored, []))];
  if (!("resource" in result) || problems.length > 0) throw invalidResource(stored.kind, problems);
  const { resource } = result;
  for (const field of ["name", "namespace", "uid"] as const)
    if (resource.metadata[field] !== stored.metadata[field])
      throw invalidResource(stored.kind, [
        { path: ["metadata", field], value: resource.metadata[field], reason: "cannot be changed" },
      ]);
  if (resource.kind !== stored.kind)
    throw invalidResource(stored.kind, [{ path: ["kind"], value: resource.kind, reason: "cannot be changed" }]);
  return resource;
}

/** Fields that no schema knows, but those of newer software that were there before. */
function unknownFields(json: unknown, known: readonly FieldProblem[]): readonly FieldProblem[] {
  const before = new Set(known.map(({ path }) => path.join("\0")));
  const strict = readResource(json, { unknownFields: "report", rules: false }).problems;
  const lenient = readResource(json, { unknownFields: "keep", rules: false }).problems.length;
  return lenient > 0 ? [] : strict.filter(({ path }) => !before.has(path.join("\0")));
}
