import { describe, expect, test } from "vitest";
import type { ResourceKind } from "../../../src/resources/kinds.ts";
import { decodeResource, encodeResource, readResource, validateResource } from "../../../src/resources/resource.ts";

function read(kind: ResourceKind, spec: unknown, metadata: Record<string, unknown> = {}) {
  const namespaced = kind === "NetworkPolicy" || kind === "NetworkSet";
  const value = {
    kind,
    apiVersion: "projectcalico.org/v3",
    metadata: { name: "a", ...(namespaced && { namespace: "shop" }), ...metadata },
    spec,
  };
  return readResource(value, { unknownFields: "report", rules: true });
}

/** `spec.ingress.0.icmp needs …`, for every problem. */
function problemsOf(...given: Parameters<typeof read>): string[] {
  return read(...given).problems.map(({ path, reason }) => `${path.join(".")} ${reason}`);
}

const ingress = (rule: unknown) => ({ ingress: [rule] });
const egress = (rule: unknown) => ({ egress: [rule] });

describe("rules of policies", () => {
  test.each([
    ["every match at once", { action: "Allow", ipVersion: 4, protocol: "tcp", source: { nets: ["10.0.0.0/8"] } }],
    [
      "ports by number, range and name",
      { action: "Allow", protocol: "UDP", source: { ports: [53, "60:70", "dns-udp"] } },
    ],
    ["a protocol by number with ports", { action: "Allow", protocol: 6, destination: { notPorts: [22] } }],
    ["ICMP with type and code 0", { action: "Deny", protocol: "ICMP", icmp: { type: 0, code: 0 } }],
    ["ICMPv6 by number", { action: "Deny", ipVersion: 6, protocol: 58, icmp: { type: 128 } }],
    ["global() as a namespace selector", { action: "Pass", source: { namespaceSelector: " global( ) " } }],
    ["a service as the source", { action: "Allow", source: { services: { name: "a", namespace: "b" } } }],
    ["HTTP paths", { action: "Allow", protocol: "TCP", http: { paths: [{ exact: "/a" }, { prefix: "/b/" }] } }],
  ])("take %s", (_what, rule) => {
    expect(problemsOf("GlobalNetworkPolicy", ingress(rule))).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ["no action", {}, "action is required"],
    ["an unknown action", { action: "Allw" }, 'action must be one of Allow, Deny, Log, Pass; did you mean "Allow"?'],
    ["an IP version 5", { action: "Deny", ipVersion: 5 }, "ipVersion must be 4 or 6"],
    ["protocol 0", { action: "Deny", protocol: 0 }, "protocol must be a number from 1 to 255"],
    ["protocol 256", { action: "Deny", protocol: 256 }, "protocol must be a number from 1 to 255 or a name"],
    [
      "a wrong name of a protocol",
      { action: "Deny", protocol: "TPC" },
      "protocol must be a number from 1 to 255 or one of TCP",
    ],
    [
      "ports without protocol",
      { action: "Deny", source: { ports: [1] } },
      "source.ports needs protocol TCP, UDP or SCTP",
    ],
    [
      "ports with ICMP",
      { action: "Deny", protocol: "ICMP", destination: { notPorts: [1] } },
      "destination.notPorts needs",
    ],
    ["port 0", { action: "Deny", protocol: "TCP", source: { ports: [0] } }, "source.ports.0 must be a number from 1"],
    [
      "a range that goes down",
      { action: "Deny", protocol: "TCP", source: { ports: ["9:8"] } },
      "source.ports.0 must be a port",
    ],
    [
      "51 ports",
      { action: "Deny", protocol: "TCP", source: { ports: Array.from({ length: 51 }, (_, i) => i + 1) } },
      "at most 50",
    ],
    ["icmp without protocol", { action: "Deny", icmp: { type: 8 } }, "icmp needs protocol ICMP or ICMPv6"],
    ["an ICMP code without type", { action: "Deny", protocol: "ICMP", icmp: { code: 1 } }, "icmp.code needs type"],
    ["a notICMP code without type", { action: "Deny", notICMP: { code: 1 } }, "notICMP.code needs type"],
    [
      "ICMP type 255",
      { action: "Deny", protocol: "ICMP", icmp: { type: 255 } },
      "icmp.type must be an integer from 0 to 254",
    ],
    ["ICMP for IPv6", { action: "Deny", ipVersion: 6, protocol: "ICMP" }, "ipVersion must be 4 with protocol ICMP"],
    [
      "ICMPv6 for IPv4",
      { action: "Deny", ipVersion: 4, notProtocol: "ICMPv6" },
      "ipVersion must be 6 with notProtocol ICMPv6",
    ],
    [
      "a net of the wrong family",
      { action: "Deny", ipVersion: 4, source: { nets: ["fd00::/8"] } },
      "source.nets.0 must be an IPv4 prefix, as",
    ],
    [
      "nets of both families",
      { action: "Deny", source: { nets: ["10.0.0.0/8"] }, destination: { notNets: ["10.1.0.0/16", "fd00::/8"] } },
      "destination.notNets.1 must be IPv4 as the rule's others",
    ],
    ["a net with host bits", { action: "Deny", source: { nets: ["10.0.0.1/8"] } }, "source.nets.0"],
    [
      "the same net twice",
      { action: "Deny", source: { nets: ["10.0.0.0/8", "10.0.0.0/8"] } },
      "source.nets.1 must not be in the list twice",
    ],
    ["global() as a selector", { action: "Deny", source: { selector: "global()" } }, "source.selector"],
    [
      "global() beside something else",
      { action: "Deny", source: { namespaceSelector: "global() || all()" } },
      "source.namespaceSelector",
    ],
    [
      "a selector that is too long",
      { action: "Deny", source: { selector: `has(${"a".repeat(1030)})` } },
      "at most 1024",
    ],
    [
      "a service without name",
      { action: "Deny", source: { services: { namespace: "b" } } },
      "source.services.name is required",
    ],
    [
      "a service and nets",
      { action: "Deny", source: { services: { name: "a", namespace: "b" }, nets: ["10.0.0.0/8"] } },
      "source.nets must not be set together with services",
    ],
    [
      "a service and a namespace selector",
      { action: "Deny", source: { services: { name: "a", namespace: "b" }, namespaceSelector: "all()" } },
      "source.namespaceSelector must not",
    ],
    [
      "a service as the destination",
      { action: "Deny", destination: { services: { name: "a", namespace: "b" } } },
      "destination.services must be absent",
    ],
    ["HTTP with Deny", { action: "Deny", http: { methods: ["GET"] } }, "http needs the action Allow"],
    [
      "HTTP over UDP",
      { action: "Allow", protocol: "UDP", http: { methods: ["GET"] } },
      "protocol must be TCP with http",
    ],
    ["a method twice", { action: "Allow", http: { methods: ["GET", "GET"] } }, "http.methods.1 must not"],
    ["an empty path", { action: "Allow", http: { paths: [{}] } }, "http.paths.0 must have exactly one"],
    [
      "a path with both forms",
      { action: "Allow", http: { paths: [{ exact: "/a", prefix: "/b" }] } },
      "http.paths.0 must have exactly one",
    ],
    [
      "a path with a query",
      { action: "Allow", http: { paths: [{ exact: "/a?b" }] } },
      'http.paths.0 must begin with "/"',
    ],
    ["an unknown field", { action: "Allow", sorce: {} }, 'sorce is not a field here; did you mean "source"?'],
  ])("refuse %s", (_what, rule, message) => {
    const [first = "", ...others] = problemsOf("NetworkPolicy", ingress(rule));
    expect(first.replace("spec.ingress.0.", "")).toContain(message);
    expect(others).toEqual([]);
  });

  test("of egress take no HTTP, and services only where the packet goes", () => {
    const services = { name: "a", namespace: "b" };
    expect(problemsOf("NetworkPolicy", egress({ action: "Allow", destination: { services } }))).toEqual([]);
    expect(problemsOf("NetworkPolicy", egress({ action: "Allow", source: { services } }))).toEqual([
      "spec.egress.0.source.services must be absent: egress rules take services as destination only",
    ]);
    expect(problemsOf("NetworkPolicy", egress({ action: "Allow", http: {} }))).toHaveLength(1);
    expect(
      problemsOf("NetworkPolicy", egress({ action: "Allow", protocol: "TCP", destination: { services, ports: [1] } })),
    ).toEqual(["spec.egress.0.destination.ports must be absent with services: the service's ports count"]);
  });

  test("need a service's namespace where the policy has none", () => {
    const rule = { action: "Allow", source: { services: { name: "a" } } };
    expect(problemsOf("NetworkPolicy", ingress(rule))).toEqual([]);
    expect(problemsOf("GlobalNetworkPolicy", ingress(rule))).toEqual([
      "spec.ingress.0.source.services.namespace is required, because the policy belongs to no namespace",
    ]);
  });
});

describe("policies", () => {
  test.each<[unknown, string[]]>([
    [{ selector: "a ==" }, ["spec.selector"]],
    [{ selector: "global()" }, ["spec.selector"]],
    [{ types: ["Ingress", "Ingress"] }, ["spec.types.1"]],
    [{ types: ["ingress"] }, ["spec.types.0"]],
    [{ order: "1" }, ["spec.order"]],
    [{ tier: "a.b" }, ["spec.tier"]],
    [{ performanceHints: ["Fast"] }, ["spec.performanceHints.0"]],
    [{ doNotTrack: true }, ["spec.applyOnForward"]],
    [{ preDNAT: true, applyOnForward: true, egress: [{ action: "Deny" }] }, ["spec.egress"]],
    [{ preDNAT: true, applyOnForward: true, types: ["Egress"] }, ["spec.types"]],
    [{ preDNAT: true, doNotTrack: true, applyOnForward: true }, ["spec.preDNAT"]],
    [{ preDNAT: true, applyOnForward: true, order: 0 }, []],
  ])("%j has the wrong fields %j", (spec, fields) => {
    const result = read("GlobalNetworkPolicy", spec);
    expect(result.problems.map(({ path }) => path.join("."))).toEqual(fields);
  });

  test.each([
    [{}, ["Ingress"]],
    [{ egress: [{ action: "Deny" }] }, ["Egress"]],
    [{ egress: [{ action: "Deny" }], ingress: [{ action: "Deny" }] }, ["Ingress", "Egress"]],
    [{ egress: [{ action: "Deny" }], types: ["Ingress"] }, ["Ingress"]],
  ])("%j is for the directions %j, in the default tier", (spec, types) => {
    const result = read("NetworkPolicy", spec);
    if (!("resource" in result)) throw new Error(JSON.stringify(result.problems));
    expect(validateResource(result.resource).spec).toMatchObject({ tier: "default", types });
  });

  const prefix = "/calico/resources/v3/projectcalico.org/globalnetworkpolicies/";
  const stored = (name: string, tier: string, annotations?: Record<string, string>) =>
    JSON.stringify({
      kind: "GlobalNetworkPolicy",
      apiVersion: "projectcalico.org/v3",
      metadata: { name, ...(annotations && { annotations }) },
      spec: { tier },
    });

  test.each([
    ["default.a", "default", undefined, "a"],
    ["default.a", "", undefined, "a"],
    ["default.a", "default", '{"name":"default.a"}', "default.a"],
    ["default.a", "default", '{"name":"a"}', "a"],
    ["default.a", "default", "no JSON", "a"],
    ["ours.a", "ours", undefined, "ours.a"],
    ["a", "ours", '{"name":"a"}', "a"],
  ])("the one that older software has stored as %s in the tier %j, annotated %s, is %s", (key, tier, note, name) => {
    const annotations = note === undefined ? undefined : { "projectcalico.org/metadata": note, x: "y" };
    const { metadata } = decodeResource(prefix + key, stored(key, tier, annotations), 1n);
    expect(metadata.name).toBe(name);
    expect(metadata.annotations).toEqual(note === undefined ? undefined : { x: "y" });
  });

  test("with values of newer software can be read and shown, but not written", () => {
    const text = stored("a", "ours").replace('"tier":"ours"', '"tier":"ours","types":["Ingress","Sideways"]');
    const policy = decodeResource(`${prefix}a`, text, 7n);
    expect(policy.spec).toEqual({ tier: "ours", types: ["Ingress", "Sideways"] });
    expect(policy.metadata).toEqual({ name: "a", resourceVersion: "7" });
    expect(() => validateResource(policy)).toThrow("spec.types[1] = 'Sideways'");
    const pool = `/calico/resources/v3/projectcalico.org/ippools/a`;
    const newer = text
      .replace("GlobalNetworkPolicy", "IPPool")
      .replace('"tier":"ours"', '"cidr":"10.0.0.0/8","ipipMode":"Odd"');
    expect(() => decodeResource(pool, newer, 7n)).toThrow("ipipMode");
  });

  test("are stored with their name in an annotation", () => {
    const policy = decodeResource(`${prefix}a`, stored("a", "ours"), 1n);
    expect(JSON.parse(encodeResource(policy)).metadata.annotations).toEqual({
      "projectcalico.org/metadata": '{"name":"a"}',
    });
  });
});

describe("tiers, sets, profiles and host endpoints", () => {
  test.each<[ResourceKind, Record<string, unknown>, unknown, string[]]>([
    ["Tier", { name: "ours" }, { order: 7, defaultAction: "Pass" }, []],
    ["Tier", { name: "a.b" }, {}, ["metadata.name"]],
    ["Tier", { name: "a".repeat(64) }, {}, ["metadata.name"]],
    ["Tier", { name: "default" }, { order: 1_000_000 }, []],
    ["Tier", { name: "default" }, { order: 5 }, ["spec.order"]],
    ["Tier", { name: "kube-admin" }, { order: 1000 }, ["spec.defaultAction"]],
    ["Tier", { name: "kube-baseline" }, {}, ["spec.order", "spec.defaultAction"]],
    ["NetworkSet", {}, { nets: ["10.0.0.1/8", "10.0.0.1", "fd00::/8"] }, []],
    ["NetworkSet", {}, { nets: ["office"] }, ["spec.nets.0"]],
    [
      "GlobalNetworkSet",
      { labels: { "projectcalico.org/namespace": "a" } },
      {},
      ["metadata.labels.projectcalico.org/namespace"],
    ],
    ["Profile", {}, { labelsToApply: { "a b": "c" } }, ["spec.labelsToApply.a b"]],
    ["Profile", {}, { ingress: [{ action: "Deny", icmp: { type: 1 } }] }, ["spec.ingress.0.icmp"]],
    ["HostEndpoint", {}, { node: "a", interfaceName: "*" }, []],
    ["HostEndpoint", {}, { node: "a", expectedIPs: ["10.0.0.1"] }, []],
    ["HostEndpoint", {}, { node: "a" }, ["spec.interfaceName"]],
    ["HostEndpoint", {}, { interfaceName: "eth0" }, ["spec.node"]],
    ["HostEndpoint", {}, { node: "a", interfaceName: "a-name-that-is-too-long" }, ["spec.interfaceName"]],
    ["HostEndpoint", {}, { node: "a", expectedIPs: ["10.0.0.0/8"] }, ["spec.expectedIPs.0"]],
    [
      "HostEndpoint",
      {},
      { node: "a", interfaceName: "*", ports: [{ name: "x", protocol: "ICMP", port: 1 }] },
      ["spec.ports.0.protocol"],
    ],
    [
      "HostEndpoint",
      {},
      { node: "a", interfaceName: "*", ports: [{ name: "X", protocol: "TCP", port: 0 }] },
      ["spec.ports.0.name", "spec.ports.0.port"],
    ],
    ["KubeControllersConfiguration", { name: "default" }, { controllers: { node: {} } }, []],
    ["KubeControllersConfiguration", {}, {}, ["metadata.name"]],
    ["CalicoNodeStatus", {}, { node: "a", classes: ["BGP"], updatePeriodSeconds: 10 }, []],
    [
      "CalicoNodeStatus",
      {},
      { node: "a", classes: [], updatePeriodSeconds: 90000 },
      ["spec.classes", "spec.updatePeriodSeconds"],
    ],
    ["CalicoNodeStatus", {}, { node: "a", classes: ["BGP", "BGP"], updatePeriodSeconds: 0 }, ["spec.classes.1"]],
  ])("%s %j with %j has the wrong fields %j", (kind, metadata, spec, fields) => {
    expect(read(kind, spec, metadata).problems.map(({ path }) => path.join("."))).toEqual(fields);
  });
});
