import { Prefix } from "../../net/prefix.ts";
import type { FieldProblem } from "../field-problem.ts";
import { specProblem } from "../kind-definition.ts";
import type { EntityRule, HttpMatch, PolicyRule } from "./rule.ts";

type Report = (field: string, value: unknown, reason: string) => void;

const directions = {
  ingress: { own: "destination", far: "source" },
  egress: { own: "source", far: "destination" },
} as const;

/** The rules of a direction, one by one. `needsServiceNamespace`: the object that they are in has no namespace. */
export function checkRules(
  direction: "ingress" | "egress",
  rules: readonly PolicyRule[] = [],
  needsServiceNamespace = false,
): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { own, far } = directions[direction];
  for (const [index, rule] of rules.entries()) {
    const report: Report = (field, value, reason) => {
      problems.push(specProblem(`${direction}.${index}.${field}`, value, reason));
    };
    checkProtocol(rule, report);
    checkFamilies(rule, report);
    for (const side of ["source", "destination"] as const) checkEntity(side, rule[side] ?? {}, report);
    checkHttp(direction, rule, report);
    const { services } = rule[far] ?? {};
    if (rule[own]?.services !== undefined)
      report(`${own}.services`, rule[own].services, `must be absent: ${direction} rules take services as ${far} only`);
    if (needsServiceNamespace && services !== undefined && services.namespace === undefined)
      report(`${far}.services.namespace`, undefined, "is required, because the policy belongs to no namespace");
    for (const field of ["ports", "notPorts"] as const)
      if (rule.destination?.services !== undefined && rule.destination[field] !== undefined)
        report(
          `destination.${field}`,
          rule.destination[field],
          "must be absent with services: the service's ports count",
        );
  }
  return problems;
}

const PORTLESS = "needs protocol TCP, UDP or SCTP, which have ports";

function checkProtocol(rule: PolicyRule, report: Report): void {
  const { protocol, ipVersion } = rule;
  if (!hasPorts(protocol))
    for (const side of ["source", "destination"] as const)
      for (const field of ["ports", "notPorts"] as const)
        if (rule[side]?.[field] !== undefined) report(`${side}.${field}`, rule[side][field], PORTLESS);
  if (rule.icmp !== undefined && icmpFamily(protocol) === undefined)
    report("icmp", rule.icmp, "needs protocol ICMP or ICMPv6");
  for (const field of ["icmp", "notICMP"] as const)
    if (rule[field]?.code !== undefined && rule[field].type === undefined)
      report(`${field}.code`, rule[field].code, "needs type: the kernel can't match the code alone");
  if (ipVersion === 5) report("ipVersion", ipVersion, "must be 4 or 6");
  for (const field of ["protocol", "notProtocol"] as const) {
    const family = icmpFamily(rule[field]);
    if (family !== undefined && ipVersion !== undefined && ipVersion !== family)
      report("ipVersion", ipVersion, `must be ${family} with ${field} ${rule[field]}`);
  }
}

/** TCP, UDP and SCTP, by name or number. */
export function hasPorts(protocol: number | string | undefined): boolean {
  return protocol !== undefined && ["TCP", "UDP", "SCTP", 6, 17, 132].includes(protocol);
}

function icmpFamily(protocol: number | string | undefined): 4 | 6 | undefined {
  if (protocol === "ICMP" || protocol === 1) return 4;
  return protocol === "ICMPv6" || protocol === 58 ? 6 : undefined;
}

/** A rule can match packets of one family only, so that its prefixes must be of one, too. */
function checkFamilies({ ipVersion, source = {}, destination = {} }: PolicyRule, report: Report): void {
  const lists = [
    ["source.nets", source.nets],
    ["source.notNets", source.notNets],
    ["destination.nets", destination.nets],
    ["destination.notNets", destination.notNets],
  ] as const;
  let first = ipVersion;
  for (const [field, texts = []] of lists)
    for (const [index, text] of texts.entries()) {
      const { family } = Prefix.parse(text);
      first ??= family;
      if (family === first) continue;
      const reason =
        first === ipVersion
          ? `must be an IPv${first} prefix, as ipVersion says`
          : `must be IPv${first} as the rule's others`;
      report(`${field}.${index}`, text, reason);
    }
}

function checkEntity(side: string, entity: EntityRule, report: Report): void {
  const { services } = entity;
  if (services === undefined) return;
  if (services.name === undefined) report(`${side}.services.name`, undefined, "is required");
  for (const field of ["nets", "notNets", "selector", "notSelector", "namespaceSelector", "serviceAccounts"] as const)
    if (entity[field] !== undefined)
      report(`${side}.${field}`, entity[field], "must not be set together with services");
}

function checkHttp(direction: "ingress" | "egress", rule: PolicyRule, report: Report): void {
  const { http, action, protocol } = rule;
  if (http === undefined) return;
  if (direction === "egress") report("http", http, "must be absent: HTTP is matched on ingress only");
  if (action !== "Allow") report("http", http, "needs the action Allow");
  if (protocol !== undefined && protocol !== "TCP" && protocol !== 6)
    report("protocol", protocol, "must be TCP with http");
  checkPaths(http, report);
}

function checkPaths({ paths = [] }: HttpMatch, report: Report): void {
  for (const [index, path] of paths.entries()) {
    const [given, other] = [path.exact, path.prefix].filter((text) => text !== undefined);
    if (given === undefined || other !== undefined)
      report(`http.paths.${index}`, path, "must have exactly one of exact and prefix");
    else if (!/^\/[^? #]*$/.test(given))
      report(`http.paths.${index}`, given, 'must begin with "/" and have no "?", "#" or blank (RFC 3986)');
  }
}
