import { describe, expect, it } from "vitest";
import {
  advertisedServices,
  type ClusterResources,
  explicitPeers,
  ipamPools,
  prefixAdvertisements,
} from "../../../src/agent/cluster-view.ts";
import type { BgpConfigurationSpec } from "../../../src/resources/bgp-configuration.ts";

const nothing: ClusterResources = { pools: [], nodes: [], peers: [], configurations: [], filters: [] };

const resource = <Kind extends string, Spec>(kind: Kind, name: string, spec: Spec) => ({
  apiVersion: "projectcalico.org/v3" as const,
  kind,
  metadata: { name },
  spec,
});

const configured = (spec: BgpConfigurationSpec, name = "default"): ClusterResources => ({
  ...nothing,
  configurations: [resource("BGPConfiguration", name, spec)],
});

describe("an IPPool", () => {
  const pool = resource("IPPool", "pool", { cidr: "10.0.0.0/24", allowedUses: [] });

  it("with an empty list of uses is for workloads and tunnels", () => {
    expect(ipamPools({ ...nothing, pools: [pool] })).toMatchObject([
      { disabled: false, allowedUses: ["Workload", "Tunnel"] },
    ]);
  });

  it.each([
    ["that is disabled", { ...pool, spec: { ...pool.spec, disabled: true } }],
    ["that is being deleted", { ...pool, metadata: { name: "pool", deletionTimestamp: "2026-01-02T03:04:05Z" } }],
    ["that a controller found unfit", { ...pool, status: { conditions: [{ type: "Allocatable", status: "False" }] } }],
  ])("%s gives out no addresses", (_, stored) => {
    expect(ipamPools({ ...nothing, pools: [stored] })).toMatchObject([{ disabled: true }]);
  });

  it("whose other conditions are false does", () => {
    const status = { conditions: [{ type: "Ready", status: "False" }, null] };
    expect(ipamPools({ ...nothing, pools: [{ ...pool, status }] })).toMatchObject([{ disabled: false }]);
  });
});

describe("a BGPPeer with filters", () => {
  const peers = [resource("BGPPeer", "tor", { peerIP: "10.0.0.254", asNumber: 64513, filters: ["b", "a"] })];

  it("keeps their order", () => {
    const filters = ["a", "b"].map((name) => resource("BGPFilter", name, {}));
    const result = explicitPeers({ ...nothing, peers, filters });
    expect(result.problems).toEqual([]);
    expect(result.peers).toMatchObject([{ name: "tor", filters: ["b", "a"] }]);
  });

  it("a BGPPeer for pods of the node is not configured, and says what to do instead", () => {
    const peers = [resource("BGPPeer", "pods", { localWorkloadSelector: "all()", asNumber: 64999 })];
    const result = explicitPeers({ ...nothing, peers });
    expect(result.peers).toEqual([]);
    expect(result.problems).toEqual([expect.stringContaining("BGPPeer pods is not configured: localWorkloadSelector")]);
    expect(result.problems[0]).toContain("give a pod's address as peerIP");
  });

  it("is configured all the same if one is not there, and the operator is told", () => {
    const result = explicitPeers({ ...nothing, peers, filters: [resource("BGPFilter", "b", {})] });
    expect(result.peers).toHaveLength(1);
    expect(result.problems).toEqual(["BGPPeer tor: there is no BGPFilter a, so no route passes"]);
  });
});

describe("prefixAdvertisements", () => {
  const cluster = configured({
    communities: [{ name: "blue", value: "64512:1" }],
    prefixAdvertisements: [{ cidr: "10.244.0.0/16", communities: ["blue", "64512:2:3"] }],
  });
  const texts = (resources: ClusterResources) =>
    prefixAdvertisements(resources, "n1").map(({ cidr, communities }) => `${cidr} ${communities.join(" ")}`);

  it("look the names of communities up", () => {
    expect(texts(cluster)).toEqual(["10.244.0.0/16 64512:1 64512:2:3"]);
  });

  it("of the node go before those of the cluster", () => {
    const own = configured({ prefixAdvertisements: [{ cidr: "10.1.0.0/16", communities: ["blue"] }] }, "node.n1");
    expect(texts({ ...cluster, configurations: [...cluster.configurations, ...own.configurations] })).toEqual([
      "10.1.0.0/16 64512:1",
    ]);
  });
});

describe("service ranges", () => {
  const ranges = (...cidrs: string[]) => cidrs.map((cidr) => ({ cidr }));
  const spec: BgpConfigurationSpec = {
    serviceClusterIPs: ranges("10.96.0.0/12"),
    serviceExternalIPs: ranges("192.0.2.0/24", "198.51.100.1/32"),
    serviceLoadBalancerIPs: ranges("203.0.113.0/24"),
  };
  const node = (labels: Record<string, string> = {}) => ({ name: "n1", labels });
  const announced = (wanted: BgpConfigurationSpec, labels?: Record<string, string>) =>
    advertisedServices(configured(wanted), node(labels)).announced.map(String);

  it("are announced as a whole, but for single addresses", () => {
    expect(announced(spec)).toEqual(["10.96.0.0/12", "192.0.2.0/24", "203.0.113.0/24"]);
    const { all, outside } = advertisedServices(configured(spec), node());
    expect(all.map(String)).toEqual(["10.96.0.0/12", "192.0.2.0/24", "198.51.100.1/32", "203.0.113.0/24"]);
    expect(outside.map(String)).toEqual(["203.0.113.0/24", "192.0.2.0/24", "198.51.100.1/32"]);
  });

  it("of load balancers are not without aggregation", () => {
    expect(announced({ ...spec, serviceLoadBalancerAggregation: "Disabled" })).toEqual([
      "10.96.0.0/12",
      "192.0.2.0/24",
    ]);
  });

  it("are announced by no node that is to have no traffic from outside", () => {
    expect(announced(spec, { "node.kubernetes.io/exclude-from-external-load-balancers": "true" })).toEqual([]);
  });
});
