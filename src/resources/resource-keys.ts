import { kinds, type ResourceKind, resourceKinds } from "./kinds.ts";

const ROOT = "/calico/resources/v3/projectcalico.org/";

const kindOfPlural = new Map(resourceKinds.map((kind) => [kinds[kind].plural, kind]));

/** Where an object is stored. `namespace` is needed for namespaced kinds and ignored for others. */
export function resourceKey(kind: ResourceKind, name: string, namespace?: string): string {
  return `${resourcePrefix(kind, namespace)}${name}`;
}

/** What the keys of all objects of a kind (of one namespace) begin with. */
export function resourcePrefix(kind: ResourceKind, namespace?: string): string {
  const definition = kinds[kind];
  const scope = definition.namespaced && namespace !== undefined ? `${namespace}/` : "";
  return `${ROOT}${definition.plural}/${scope}`;
}

/** What a key names; undefined if it is not the key of an object of a kind we know. */
export function parseResourceKey(key: string): { kind: ResourceKind; name: string; namespace?: string } | undefined {
  if (!key.startsWith(ROOT)) return undefined;
  const [plural = "", ...identifiers] = key.slice(ROOT.length).split("/");
  const kind = kindOfPlural.get(plural);
  if (kind === undefined || identifiers.length !== (kinds[kind].namespaced ? 2 : 1) || identifiers.includes(""))
    return undefined;
  const name = unescapeIdentifier(identifiers.at(-1) ?? "");
  return kinds[kind].namespaced ? { kind, name, namespace: unescapeIdentifier(identifiers[0] ?? "") } : { kind, name };
}

function unescapeIdentifier(text: string): string {
  return text.replace(/%2f/gi, "/").replace(/%25/g, "%");
}
