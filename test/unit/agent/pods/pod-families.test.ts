import { describe, expect, it } from "vitest";
import { podFamilies, podFamilyProblems } from "../../../../src/agent/pods/pod-families.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { IpPoolSpec } from "../../../../src/resources/ip-pool.ts";
import type { Resource } from "../../../../src/resources/resource.ts";

const apiVersion = "projectcalico.org/v3";
const ipv4 = { address: IpAddress.parse("10.0.0.1"), prefixLength: 24 };
const ipv6 = { address: IpAddress.parse("2001:db8::1"), prefixLength: 64 };
const both = { 4: ipv4, 6: ipv6 };
const v4: IpPoolSpec = { cidr: "10.244.0.0/16" };
const v6: IpPoolSpec = { cidr: "fd00:10::/48" };

const clusterOf = (specs: readonly IpPoolSpec[]) => {
  const pools = specs.map(
    (spec, index): Resource<"IPPool"> => ({ kind: "IPPool", apiVersion, metadata: { name: `p${index}` }, spec }),
  );
  return {
    resources: { pools, nodes: [], peers: [], configurations: [], filters: [] },
    labelsOf: (node: string) => (node === "n1" ? { rack: "r1" } : {}),
  };
};
const families = (addresses: typeof both | { 4: typeof ipv4 }, ...specs: IpPoolSpec[]) =>
  podFamilies(clusterOf(specs), "n1", addresses);

describe("the families that pods get addresses of", () => {
  it("are those that a pool offers to this node's pods", () => {
    expect(families(both, v4)).toEqual([4]);
    expect(families(both, v4, v6)).toEqual([4, 6]);
    expect(families(both, v6)).toEqual([6]);
    expect(families(both, v4, { ...v6, nodeSelector: "rack == 'r1'" })).toEqual([4, 6]);
  });

  it.each([
    { disabled: true },
    { nodeSelector: "rack == 'r2'" },
    { allowedUses: ["Tunnel"] },
    { assignmentMode: "Manual" },
  ] as const)("are without that of a pool which does not: %o", (fields) => {
    expect(families(both, v4, { ...v6, ...fields })).toEqual([4]);
  });

  it("are without IPv6 on a node that is in no IPv6 network, and the operator is told", () => {
    expect(families({ 4: ipv4 }, v4, v6)).toEqual([4]);
    expect(podFamilyProblems(clusterOf([v4, v6]), "n1", { 4: ipv4 })).toEqual([
      expect.stringContaining("start its agent with --ip6"),
    ]);
    expect(podFamilyProblems(clusterOf([v4, v6]), "n1", both)).toEqual([]);
    expect(podFamilyProblems(clusterOf([v4]), "n1", { 4: ipv4 })).toEqual([]);
  });

  it("are IPv4 if there is no pool at all, so that the error names what is missing", () => {
    expect(families(both)).toEqual([4]);
  });
});
