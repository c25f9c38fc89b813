import { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { isObject, type JsonObject } from "../../resources/read-fields.ts";

const actions: Readonly<Record<string, string>> = {
  allow: "Allow",
  deny: "Deny",
  log: "Log",
  pass: "Pass",
  "next-tier": "Pass",
};
const protocols: Readonly<Record<string, string>> = {
  tcp: "TCP",
  udp: "UDP",
  icmp: "ICMP",
  icmpv6: "ICMPv6",
  sctp: "SCTP",
  udplite: "UDPLite",
};

/** Rules of API v1 in v3's words. What is not understood stays, for the checks of v3 to name it. */
export function convertRules(rules: unknown): unknown {
  return Array.isArray(rules) ? rules.map((rule) => (isObject(rule) ? convertRule(rule) : rule)) : rules;
}

function convertRule({
  action = "allow",
  protocol,
  notProtocol,
  source,
  destination,
  ...rest
}: JsonObject): JsonObject {
  return {
    action: inWords(actions, action),
    ...(protocol !== undefined && { protocol: convertProtocol(protocol) }),
    ...(notProtocol !== undefined && { notProtocol: convertProtocol(notProtocol) }),
    ...rest,
    ...(source !== undefined && { source: convertEntity(source) }),
    ...(destination !== undefined && { destination: convertEntity(destination) }),
  };
}

/** Names of protocols were in small letters. */
export function convertProtocol(protocol: unknown): unknown {
  return inWords(protocols, protocol);
}

/** One net became one of the nets, and a tag, which v3 does not have, a label without a value. */
function convertEntity(entity: unknown): unknown {
  if (!isObject(entity)) return entity;
  const { tag, notTag, net, notNet, nets, notNets, selector, notSelector, ...rest } = entity;
  return definedOnly({
    nets: convertNets(nets, net),
    notNets: convertNets(notNets, notNet),
    selector: withTag(selector, tag),
    notSelector: withTag(notSelector, notTag),
    ...rest,
  });
}

function convertNets(many: unknown, one: unknown): unknown {
  const nets = [...(Array.isArray(many) ? many : []), ...(one === undefined ? [] : [one])];
  if (nets.length === 0) return many;
  return nets.map((net: unknown) => (typeof net === "string" ? withoutHostBits(net) : net));
}

/** v1 took nets with host bits. */
function withoutHostBits(net: string): string {
  const [, text = "", length = ""] = /^(.*)\/(\d{1,3})$/.exec(net) ?? [];
  const address = IpAddress.tryParse(text);
  if (address === undefined || Number(length) > address.bits) return net;
  return Prefix.of(address, Number(length)).toString();
}

function withTag(selector: unknown, tag: unknown): unknown {
  const converted = convertSelector(selector);
  if (typeof tag !== "string" || tag === "") return converted;
  return typeof converted === "string" && converted !== "" ? `(${converted}) && ${tag} == ''` : `${tag} == ''`;
}

/** Labels that Calico itself sets have other names. */
export function convertSelector(selector: unknown): unknown {
  if (typeof selector !== "string") return selector;
  return selector
    .replaceAll("calico/k8s_ns", "projectcalico.org/namespace")
    .replaceAll("k8s_ns/label/", "pcns.")
    .replaceAll("calico/k8s_sa", "projectcalico.org/serviceaccount");
}

function inWords(words: Readonly<Record<string, string>>, value: unknown): unknown {
  return typeof value === "string" ? (words[value.toLowerCase()] ?? value) : value;
}

/** An object without its undefined fields. */
export function definedOnly(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
