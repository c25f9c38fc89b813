import { describe, expect, test } from "vitest";
import { ResourceError } from "../../../src/resources/errors.ts";
import { reservedPrefixes } from "../../../src/resources/ip-reservation.ts";
import { requireEditable } from "../../../src/resources/kinds.ts";
import { decodeResource, encodeResource, readResource } from "../../../src/resources/resource.ts";
import { parseResourceKey, resourceKey, resourcePrefix } from "../../../src/resources/resource-keys.ts";

const configKey = "/calico/ipam/v2/config";

function problemsOf(kind: string, name: string, spec: unknown): string[] {
  const value = { kind, apiVersion: "projectcalico.org/v3", metadata: { name }, spec };
  const result = readResource(value, { unknownFields: "report", rules: true });
  return result.problems.map(({ path, reason }) => `${path.join(".")} ${reason}`);
}

describe("IPAMConfiguration", () => {
  test("shows the settings that address management obeys, in which an absent field is false", () => {
    expect(decodeResource(configKey, "{}", 5n)).toMatchObject({
      kind: "IPAMConfiguration",
      metadata: { name: "default", resourceVersion: "5" },
      spec: { strictAffinity: false, autoAllocateBlocks: false },
    });
    expect(decodeResource(configKey, '{"strict_affinity":true,"maxBlocksPerHost":4}', 5n).spec).toEqual({
      strictAffinity: true,
      autoAllocateBlocks: false,
      maxBlocksPerHost: 4,
    });
  });

  test("fields of newer software survive a change", () => {
    const text = '{"strict_affinity":true,"auto_allocate_blocks":true,"newer":{"a":[1]}}';
    expect(encodeResource(decodeResource(configKey, text, 1n))).toBe(text);
  });

  test("an object that no node could take an address with is refused", () => {
    expect(problemsOf("IPAMConfiguration", "default", {})).toEqual([]);
    expect(problemsOf("IPAMConfiguration", "default", { autoAllocateBlocks: false })).toEqual([
      "spec.autoAllocateBlocks needs strictAffinity: true; otherwise no node would get an address",
    ]);
    expect(problemsOf("IPAMConfiguration", "default", { maxBlocksPerHost: 3 })[0]).toContain("spec.maxBlocksPerHost");
    expect(problemsOf("IPAMConfiguration", "other", {})).toEqual(['metadata.name must be "default"']);
  });
});

describe("BlockAffinity", () => {
  const affinities = [
    ["worker-0.10-244-7-64-26", "/calico/ipam/v2/host/worker-0/ipv4/block/10.244.7.64-26", "10.244.7.64/26"],
    [
      "ip-10-0-1-17.ec2.fd00-10-244--7a40-122",
      "/calico/ipam/v2/host/ip-10-0-1-17.ec2/ipv6/block/fd00:10:244::7a40-122",
      "fd00:10:244::7a40/122",
    ],
    ["a.1-2-3-4-5-6-7-0-112", "/calico/ipam/v2/host/a/ipv6/block/1:2:3:4:5:6:7:0-112", "1:2:3:4:5:6:7:0/112"],
  ] as const;

  test.each(affinities)("%s is the object of %s", (name, key, block) => {
    expect(resourceKey("BlockAffinity", name)).toBe(key);
    expect(parseResourceKey(key)).toEqual({ kind: "BlockAffinity", name });
    expect(key.startsWith(resourcePrefix("BlockAffinity"))).toBe(true);
    expect(decodeResource(key, '{"state":"pending","deleted":false}', 1n)).toMatchObject({
      metadata: { name },
      spec: { state: "pending", type: "host", cidr: block },
    });
  });

  test.each(["", "{}", '{"state":"","deleted":false}', '{"state":"confirmed"}'])("%j is a confirmed one", (value) => {
    expect(decodeResource(affinities[0][1], value, 1n).spec).toMatchObject({ state: "confirmed", node: "worker-0" });
  });

  test("one that is marked as deleted or in an unknown state is no object", () => {
    for (const value of ['{"state":"confirmed","deleted":true}', '{"state":"odd"}'])
      expect(() => decodeResource(affinities[0][1], value, 1n)).toThrow(ResourceError);
  });

  test("a name that names no block leads to no other object's key", () => {
    for (const name of ["worker-0", "worker-0.10-244-7-64", "..", ".10-0-0-0-26"])
      expect(parseResourceKey(resourceKey("BlockAffinity", name))).toBeUndefined();
  });

  test("can't be written", () => {
    const affinity = decodeResource(affinities[0][1], "{}", 1n);
    expect(() => encodeResource(affinity)).toThrow("view");
    expect(() => requireEditable("BlockAffinity")).toThrow("calictl ipam");
    expect(() => requireEditable("IPPool")).not.toThrow();
  });
});

describe("IPReservation", () => {
  test("takes prefixes and addresses of both families in canonical form", () => {
    const value = {
      kind: "IPReservation",
      apiVersion: "projectcalico.org/v3",
      metadata: { name: "a" },
      spec: { reservedCIDRs: ["10.0.0.0/30", "FD00:0::1", "10.0.0.9"] },
    };
    const result = readResource(value, { unknownFields: "report", rules: true });
    if (!("resource" in result)) throw new Error(JSON.stringify(result.problems));
    expect(result.resource.spec).toEqual({ reservedCIDRs: ["10.0.0.0/30", "fd00::1", "10.0.0.9"] });
  });

  test("a single address reserves a prefix of full length", () => {
    const prefixes = reservedPrefixes({ reservedCIDRs: ["10.0.0.0/30", "fd00::1", "10.0.0.9"] });
    expect(prefixes.map(String)).toEqual(["10.0.0.0/30", "fd00::1/128", "10.0.0.9/32"]);
    expect(reservedPrefixes({})).toEqual([]);
  });

  test("refuses host bits, other text and doubles", () => {
    expect(problemsOf("IPReservation", "a", { reservedCIDRs: ["10.0.0.1/30"] })[0]).toContain("10.0.0.0/30");
    expect(problemsOf("IPReservation", "a", { reservedCIDRs: ["ten"] })).toHaveLength(1);
    expect(problemsOf("IPReservation", "a", { reservedCIDRs: ["10.0.0.9", "10.0.0.9"] })).toHaveLength(1);
  });
});

describe("FelixConfiguration", () => {
  test("values in any case are taken and kept as they were written", () => {
    expect(problemsOf("FelixConfiguration", "default", { defaultEndpointToHostAction: "RETURN" })).toEqual([]);
    expect(problemsOf("FelixConfiguration", "default", { defaultEndpointToHostAction: "Retrun" })).toEqual([
      'spec.defaultEndpointToHostAction must be one of Drop, Accept, Return; did you mean "Return"?',
    ]);
  });

  test.each<[string, unknown]>([
    ["kubeNodePortRanges.0", { kubeNodePortRanges: ["9:1"] }],
    ["kubeNodePortRanges.0", { kubeNodePortRanges: ["http"] }],
    ["kubeNodePortRanges", { kubeNodePortRanges: [1, 2, 3, 4, 5, 6, 7, 8] }],
    ["routeRefreshInterval", { routeRefreshInterval: "90" }],
    ["mtuIfacePattern", { mtuIfacePattern: "(" }],
    ["deviceRouteProtocol", { deviceRouteProtocol: 256 }],
    ["deviceRouteSourceAddress", { deviceRouteSourceAddress: "fd00::1" }],
    ["natOutgoingAddress", { natOutgoingAddress: "10.0.0.0/8" }],
    ["externalNodesList.1", { externalNodesList: ["10.0.0.0/8", "fd00::/8"] }],
    ["openstackRegion", { openstackRegion: "a.b" }],
    ["openstackRegion", { openstackRegion: "a".repeat(47) }],
    ["routeTableRange", { routeTableRange: { min: 1, max: 251 } }],
    ["routeTableRange", { routeTableRange: { min: 1, max: 2 }, routeTableRanges: [] }],
    ["routeTableRanges.0", { routeTableRanges: [{ min: 5, max: 4 }] }],
    ["routeTableRanges.0.min", { routeTableRanges: [{ min: 0, max: 4 }] }],
    ["routeTableRanges", { routeTableRanges: [{ min: 1, max: 65536 }] }],
    ["healthTimeoutOverrides.0.name", { healthTimeoutOverrides: [{ name: "a/b", timeout: "1s" }] }],
    ["healthTimeoutOverrides.0.timeout", { healthTimeoutOverrides: [{ name: "a", timeout: "-1s" }] }],
    ["bpfLogFilters.a b", { bpfLogFilters: { "a b": "tcp" } }],
    ["bpfForceTrackPacketsFromIfaces.0", { bpfForceTrackPacketsFromIfaces: ["docker/+"] }],
    ["bpfDSROptoutCIDRs.0", { bpfDSROptoutCIDRs: ["ten"] }],
    ["featureGates", { featureGates: "on" }],
    ["prometheusMetricsHost", { prometheusMetricsHost: "a b" }],
    ["wireguardRoutingRulePriority", { wireguardRoutingRulePriority: 32766 }],
    ["ipv4ElevatedRoutePriority", { ipv4ElevatedRoutePriority: 2147483647 }],
    ["ipipMtu", { ipipMtu: 1440 }],
  ])("a wrong %s is refused in %j", (field, spec) => {
    expect(
      problemsOf("FelixConfiguration", "default", spec).map((text) => text.split(" must ")[0]?.split(" is ")[0]),
    ).toEqual([`spec.${field}`]);
  });

  test("what Calico takes is taken", () => {
    const spec = {
      featureDetectOverride: "A=true,B=,C=false",
      bpfForceTrackPacketsFromIfaces: ["docker+"],
      routeTableRanges: [{ min: 1, max: 65535 }],
      healthTimeoutOverrides: [{ name: "InternalDataplaneMainLoop", timeout: "5m" }],
      mtuIfacePattern: "(?i)^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)",
    };
    expect(problemsOf("FelixConfiguration", "node.worker-0", spec)).toEqual([]);
    expect(problemsOf("FelixConfiguration", "other", {})).toEqual([
      'metadata.name must be "default" or "node.<node name>"',
    ]);
  });
});
