import { kinds, type ResourceKind, resourceKinds } from "./kinds.ts";
import { LEGACY_PREFIX } from "./stored-name.ts";

const ROOT = "/calico/resources/v3/projectcalico.org/";

const kindOfPlural = new Map(resourceKinds.map((kind) => [kinds[kind].plural, kind]));

const views = resourceKinds.flatMap((kind) => {
  const form = kinds[kind].storedForm;
  return form === undefined ? [] : [[kind, form] as const];
});

/** Where an object is stored. `namespace` is needed for namespaced kinds and ignored for others. */
export function resourceKey(kind: ResourceKind, name: string, namespace?: string): string {
  return kinds[kind].storedForm?.keyOf(name) ?? `${resourcePrefix(kind, namespace)}${name}`;
}

/** Where an object may be stored, and, first, where a new one is. */
export function possibleKeys(kind: ResourceKind, name: string, namespace?: string): readonly string[] {
  const key = resourceKey(kind, name, namespace);
  return kinds[kind].namedByAnnotation ? [key, `${resourcePrefix(kind, namespace)}${LEGACY_PREFIX}${name}`] : [key];
}

/** What the keys of all objects of a kind (of one namespace) begin with. */
export function resourcePrefix(kind: ResourceKind, namespace?: string): string {
  const definition = kinds[kind];
  if (definition.storedForm !== undefined) return definition.storedForm.prefix;
  const scope = definition.namespaced && namespace !== undefined ? `${namespace}/` : "";
  return `${ROOT}${definition.plural}/${scope}`;
}

/** What a key names; undefined if it is not the key of an object of a kind we know. */
export function parseResourceKey(key: string): { kind: ResourceKind; name: string; namespace?: string } | undefined {
  if (!key.startsWith(ROOT)) return parseViewKey(key);
  const [plural = "", ...identifiers] = key.slice(ROOT.length).split("/");
  const kind = kindOfPlural.get(plural);
  if (
    kind === undefined ||
    kinds[kind].storedForm !== undefined ||
    identifiers.length !== (kinds[kind].namespaced ? 2 : 1) ||
    identifiers.includes("")
  )
    return undefined;
  const name = unescapeIdentifier(identifiers.at(-1) ?? "");
  return kinds[kind].namespaced ? { kind, name, namespace: unescapeIdentifier(identifiers[0] ?? "") } : { kind, name };
}

function parseViewKey(key: string): { kind: ResourceKind; name: string } | undefined {
  for (const [kind, form] of views) {
    const name = form.nameOf(key);
    if (name !== undefined) return { kind, name };
  }
  return undefined;
}

function unescapeIdentifier(text: string): string {
  return text.replace(/%2f/gi, "/").replace(/%25/g, "%");
}
