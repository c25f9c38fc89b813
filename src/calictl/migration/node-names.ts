import { type ExactJson, isExactList, isExactObject } from "../../core/exact-json.ts";
import type { AnyResource, Resource } from "../../resources/resource.ts";

const hostRoot = "/calico/ipam/v2/host/";
const handleRoot = "/calico/ipam/v2/handle/";

/** Handles of a node's own addresses, which end with its name. */
const tunnelHandle = /^((?:ipip|vxlan|vxlan-v6|wireguard|wireguard-v6)-tunnel-addr-)(.*)$/;

/** Nodes that Kubernetes knows by another name, to that name: in its datastore they have no other. */
export type NodeNames = ReadonlyMap<string, string>;

export function kubernetesNames(nodes: readonly Resource<"Node">[]): NodeNames {
  return new Map(
    nodes.flatMap(({ metadata, spec }) => {
      const reference = spec.orchRefs?.find(({ orchestrator }) => orchestrator === "k8s")?.nodeName;
      return reference === undefined || reference === metadata.name ? [] : [[metadata.name, reference] as const];
    }),
  );
}

/** A resource with the nodes' other names. */
export function renameInResource(resource: AnyResource, names: NodeNames): AnyResource {
  if (names.size === 0) return resource;
  const renamed = (name: string) => names.get(name) ?? name;
  const { metadata } = resource;
  switch (resource.kind) {
    case "Node":
      return { ...resource, metadata: { ...metadata, name: renamed(metadata.name) } };
    case "BGPConfiguration":
    case "FelixConfiguration": {
      const node = /^node\.(.*)$/.exec(metadata.name)?.[1];
      if (node === undefined) return resource;
      return { ...resource, metadata: { ...metadata, name: `node.${renamed(node)}` } } as AnyResource;
    }
    case "BGPPeer":
    case "HostEndpoint": {
      const { node } = resource.spec;
      return node === undefined
        ? resource
        : ({ ...resource, spec: { ...resource.spec, node: renamed(node) } } as AnyResource);
    }
    default:
      return resource;
  }
}

/** A key of IPAM with the nodes' other names. */
export function renameInKey(key: string, names: NodeNames): string {
  if (key.startsWith(hostRoot)) {
    const [node = "", ...rest] = key.slice(hostRoot.length).split("/");
    return [`${hostRoot}${names.get(node) ?? node}`, ...rest].join("/");
  }
  if (!key.startsWith(handleRoot)) return key;
  return `${handleRoot}${renameHandle(key.slice(handleRoot.length), names)}`;
}

/** A block with the nodes' other names, or whatever else it is as it is. */
export function renameInBlock(block: ExactJson, names: NodeNames): ExactJson {
  if (names.size === 0 || !isExactObject(block)) return block;
  const { affinity, attributes } = block;
  const host = typeof affinity === "string" ? /^host:(.*)$/.exec(affinity)?.[1] : undefined;
  return {
    ...block,
    ...(host !== undefined && { affinity: `host:${names.get(host) ?? host}` }),
    ...(isExactList(attributes) && { attributes: attributes.map((attribute) => renameInAttribute(attribute, names)) }),
  };
}

function renameInAttribute(attribute: ExactJson, names: NodeNames): ExactJson {
  if (!isExactObject(attribute)) return attribute;
  const { handle_id: handle, secondary } = attribute;
  const node = isExactObject(secondary) ? secondary.node : undefined;
  return {
    ...attribute,
    ...(typeof handle === "string" && { handle_id: renameHandle(handle, names) }),
    ...(isExactObject(secondary) &&
      typeof node === "string" && { secondary: { ...secondary, node: names.get(node) ?? node } }),
  };
}

function renameHandle(handle: string, names: NodeNames): string {
  const [, prefix = "", node = ""] = tunnelHandle.exec(handle) ?? [];
  return prefix === "" ? handle : `${prefix}${names.get(node) ?? node}`;
}
