import { didYouMean } from "../../core/nearest-name.ts";
import { IpAddress } from "../../net/address.ts";
import { isObject, type JsonObject } from "../../resources/read-fields.ts";
import { API_VERSION } from "../../resources/resource.ts";
import {
  addressToName,
  convertName,
  convertNameWithoutDots,
  convertProfileName,
  normalizeName,
  prefixToName,
} from "./names.ts";
import { convertProtocol, convertRules, convertSelector, definedOnly } from "./rules.ts";

/** An object of API v1, taken apart. */
interface V1Object {
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
}

/** What has become of it, but for `apiVersion`; or what keeps it from becoming anything. */
type Converted =
  | { readonly kind: string; readonly metadata: JsonObject; readonly spec: JsonObject }
  | { readonly problem: string };

const converters: Readonly<Record<string, (object: V1Object) => Converted>> = {
  ippool: convertPool,
  bgppeer: convertPeer,
  node: convertNode,
  hostendpoint: convertHostEndpoint,
  policy: convertPolicy,
  profile: convertProfile,
  workloadendpoint: () => ({ problem: "a workloadEndpoint is not converted: what has made it makes it anew" }),
};
const kindNames = ["ipPool", "bgpPeer", "node", "hostEndpoint", "policy", "profile"];

/** An object of Calico's API v1 as one of v3, unchecked; or what is wrong with it. One of v3 stays as it is. */
export function convertObject(value: unknown): JsonObject | { readonly problem: string } {
  if (!isObject(value)) return { problem: "it must be an object" };
  const { apiVersion, kind, metadata, spec = {} } = value;
  if (apiVersion === API_VERSION) return value;
  if (apiVersion !== "v1") return { problem: `apiVersion "${apiVersion}" must be v1, or ${API_VERSION}` };
  const convert = typeof kind === "string" ? converters[kind.toLowerCase()] : undefined;
  if (convert === undefined)
    return { problem: `kind "${kind}" must be one of ${kindNames.join(", ")}${didYouMean(String(kind), kindNames)}` };
  if (!isObject(metadata) || !isObject(spec)) return { problem: "metadata and spec must be objects" };
  const converted = convert({ metadata, spec });
  if ("problem" in converted) return converted;
  return {
    apiVersion: API_VERSION,
    kind: converted.kind,
    metadata: converted.metadata,
    spec: definedOnly(converted.spec),
  };
}

function convertPool({ metadata: { cidr }, spec }: V1Object): Converted {
  if (typeof cidr !== "string") return { problem: "metadata.cidr is missing; it must be the pool's range" };
  const { ipip, "nat-outgoing": natOutgoing, disabled, ...unknown } = spec;
  const { enabled, mode } = isObject(ipip) ? ipip : {};
  const ipipMode =
    enabled !== true ? "Never" : String(mode).toLowerCase() === "cross-subnet" ? "CrossSubnet" : "Always";
  return {
    kind: "IPPool",
    metadata: { name: prefixToName(cidr) },
    spec: {
      cidr,
      ipipMode,
      natOutgoing,
      disabled,
      nodeSelector: "all()",
      blockSize: cidr.includes(":") ? 122 : 26,
      ...unknown,
    },
  };
}

function convertPeer({ metadata: { scope, node, peerIP }, spec }: V1Object): Converted {
  const address = typeof peerIP === "string" ? IpAddress.tryParse(peerIP) : undefined;
  if (address === undefined) return { problem: `metadata.peerIP "${peerIP}" must be an IP address` };
  const name = addressToName(address);
  const peer = { kind: "BGPPeer", spec: { ...spec, peerIP: address.toString() } };
  if (scope === "global") {
    if (node !== undefined) return { problem: "metadata.node must be absent for the scope global" };
    return { ...peer, metadata: { name } };
  }
  if (scope !== "node") return { problem: `metadata.scope "${scope}" must be global or node` };
  if (typeof node !== "string" || node === "") return { problem: "metadata.node is missing for the scope node" };
  const nodeName = normalizeName(node);
  return { ...peer, metadata: { name: `${nodeName}.${name}` }, spec: { node: nodeName, ...peer.spec } };
}

function convertNode({ metadata, spec }: V1Object): Converted {
  if (typeof metadata.name !== "string") return { problem: "metadata.name is missing" };
  return { kind: "Node", metadata: { name: normalizeName(metadata.name) }, spec };
}

function convertHostEndpoint({ metadata: { name, node, labels }, spec }: V1Object): Converted {
  if (typeof name !== "string" || typeof node !== "string")
    return { problem: "metadata.name and metadata.node must be there" };
  const { profiles, ports, ...rest } = spec;
  const nodeName = normalizeName(node);
  return {
    kind: "HostEndpoint",
    metadata: definedOnly({ name: convertName(`${nodeName}.${name}`), labels }),
    spec: {
      node: nodeName,
      ...rest,
      profiles: Array.isArray(profiles) ? profiles.map((profile) => convertProfileName(String(profile))) : profiles,
      ports: Array.isArray(ports)
        ? ports.map((port: unknown) => (isObject(port) ? { ...port, protocol: convertProtocol(port.protocol) } : port))
        : ports,
    },
  };
}

function convertPolicy({ metadata: { name, annotations }, spec }: V1Object): Converted {
  if (typeof name !== "string") return { problem: "metadata.name is missing" };
  const { ingress, egress, selector, types, doNotTrack, preDNAT, applyOnForward, ...rest } = spec;
  const has = (rules: unknown) => Array.isArray(rules) && rules.length > 0;
  // v1 told the directions by the rules; a policy with neither applied to what comes in.
  const implied = [...(has(ingress) || !has(egress) ? ["Ingress"] : []), ...(has(egress) ? ["Egress"] : [])];
  const given = Array.isArray(types) && types.length > 0 ? types.map(capitalize) : implied;
  return {
    kind: "GlobalNetworkPolicy",
    metadata: definedOnly({ name: convertNameWithoutDots(name), annotations }),
    spec: {
      ...rest,
      ingress: convertRules(ingress),
      egress: convertRules(egress),
      selector: convertSelector(selector),
      types: given,
      doNotTrack,
      preDNAT,
      // Such policies always saw forwarded traffic.
      applyOnForward: doNotTrack === true || preDNAT === true || applyOnForward,
    },
  };
}

function capitalize(value: unknown): string {
  const text = String(value);
  return `${text.charAt(0).toUpperCase()}${text.slice(1).toLowerCase()}`;
}

function convertProfile({ metadata: { name, labels, tags }, spec }: V1Object): Converted {
  if (typeof name !== "string") return { problem: "metadata.name is missing" };
  const { ingress, egress, ...rest } = spec;
  const applied = new Map<string, unknown>(Object.entries(isObject(labels) ? labels : {}));
  for (const tag of Array.isArray(tags) ? tags.map(String) : []) {
    if (applied.has(tag)) return { problem: `metadata.tags has "${tag}", which is a label, too; rename one of them` };
    applied.set(tag, "");
  }
  return {
    kind: "Profile",
    metadata: { name: convertProfileName(name) },
    spec: {
      ...rest,
      ingress: convertRules(ingress),
      egress: convertRules(egress),
      ...(applied.size > 0 && { labelsToApply: Object.fromEntries(applied) }),
    },
  };
}
