import { describe, expect, test } from "vitest";
import { effectiveAsNumber, effectiveBgpConfiguration } from "../../../src/resources/bgp-configuration.ts";
import { effectiveBgpPeer } from "../../../src/resources/bgp-peer.ts";
import { ResourceError } from "../../../src/resources/errors.ts";
import { formatProblem } from "../../../src/resources/field-problem.ts";
import { effectivePool } from "../../../src/resources/ip-pool.ts";
import { findKind, kinds, type ResourceKind, resourceKinds } from "../../../src/resources/kinds.ts";
import { nodeAddress } from "../../../src/resources/node.ts";
import { API_VERSION, readResource } from "../../../src/resources/resource.ts";
import { workloadEndpointName } from "../../../src/resources/workload-endpoint.ts";

function problemsOf(kind: ResourceKind, spec: object, metadata: object = { name: "a" }): string[] {
  const value = { kind, apiVersion: API_VERSION, metadata, spec };
  return readResource(value, { unknownFields: "report", rules: true }).problems.map((problem) =>
    formatProblem(kind, problem),
  );
}

describe("IPPool", () => {
  const cidr = "10.244.0.0/16";

  test.each([
    [{ cidr, blockSize: 19 }, "IPPool.spec.blockSize = '19' (must be from 20 to 32 for an IPv4 pool)"],
    [{ cidr, blockSize: 33 }, "IPPool.spec.blockSize = '33' (must be from 20 to 32 for an IPv4 pool)"],
    [{ cidr: "fd00::/48", blockSize: 115 }, "IPPool.spec.blockSize = '115' (must be from 116 to 128 for an IPv6 pool)"],
    [{ cidr: "10.0.0.0/27" }, "IPPool.spec.cidr = '10.0.0.0/27' (must hold at least one block"],
    [{ cidr: "10.244.0.1/16" }, "the prefix would be 10.244.0.0/16"],
    [{ cidr: "169.254.1.0/24" }, "must not overlap the IPv4 link-local range"],
    [{ cidr: "fe80::/64" }, "must not overlap the IPv6 link-local range"],
    [{}, "IPPool.spec.cidr = '' (is required)"],
    [{ cidr: "fd00::/48", ipipMode: "Always" }, "IPPool.spec.ipipMode = 'Always' (must be Never for an IPv6 pool"],
    [{ cidr, ipipMode: "Always", vxlanMode: "CrossSubnet" }, "must be Never, because ipipMode is Always"],
    [{ cidr, ipipMode: "always" }, 'did you mean "Always"?'],
    [{ cidr, nodeSelector: "global()" }, "global() is not allowed here"],
    [{ cidr, nodeSelector: `has(${"a".repeat(1020)})` }, "must have at most 1024 characters"],
    [{ cidr, namespaceSelector: "has(a)" }, "needs allowedUses without Tunnel"],
    [{ cidr, allowedUses: ["LoadBalancer", "Workload"] }, "LoadBalancer must stand alone"],
    [{ cidr, allowedUses: ["LoadBalancer"], vxlanMode: "Always" }, "must be Never for a LoadBalancer pool"],
    [{ cidr, allowedUses: ["LoadBalancer"], nodeSelector: "has(a)" }, "must be all() for a LoadBalancer pool"],
    [{ cidr, allowedUses: ["LoadBalancer"], disableBGPExport: true }, "must be false for a LoadBalancer pool"],
    [{ cidr, allowedUses: ["Workloads"] }, "IPPool.spec.allowedUses[0] = 'Workloads'"],
    [{ cidr, natoutgoing: true }, 'is not a field here; did you mean "natOutgoing"?'],
    [{ cidr, natOutgoing: "yes" }, "must be true or false"],
  ])("refuses %j", (spec, message) => {
    expect(problemsOf("IPPool", spec)).toEqual([expect.stringContaining(message)]);
  });

  test.each([
    { cidr },
    { cidr: "10.0.0.0/27", disabled: true },
    { cidr: "fd00::/48", vxlanMode: "Always" },
    { cidr, namespaceSelector: "has(a)", allowedUses: ["Workload"] },
    { cidr, allowedUses: ["LoadBalancer"], nodeSelector: "all()" },
    { cidr, blockSize: 20 },
    { cidr, blockSize: 32 },
  ])("accepts %j", (spec) => {
    expect(problemsOf("IPPool", spec)).toEqual([]);
  });

  const inUdp = (mode: string) => ({ name: "a", annotations: { "calibird.io/udp-encap-mode": mode } });
  test.each([
    [{ cidr }, "Sometimes", "must be one of Never, Always, CrossSubnet"],
    [{ cidr, ipipMode: "Always" }, "Always", "must be absent, because ipipMode is Always"],
    [{ cidr, vxlanMode: "CrossSubnet" }, "Always", "must be absent, because vxlanMode is CrossSubnet"],
    [{ cidr: "fd00::/48" }, "Always", "must be absent for an IPv6 pool"],
    [{ cidr, allowedUses: ["LoadBalancer"] }, "Always", "must be absent for a LoadBalancer pool"],
  ])("refuses %j with packets in UDP, mode %s", (spec, mode, message) => {
    expect(problemsOf("IPPool", spec, inUdp(mode))).toEqual([expect.stringContaining(message)]);
    if (mode !== "Sometimes") expect(problemsOf("IPPool", spec, inUdp("Never"))).toEqual([]);
  });

  test("has its mode of UDP from an annotation, unless Calico's fields say otherwise", () => {
    expect(problemsOf("IPPool", { cidr }, inUdp("CrossSubnet"))).toEqual([]);
    expect(effectivePool({ cidr }, inUdp("CrossSubnet")).udpMode).toBe("CrossSubnet");
    expect(effectivePool({ cidr }, inUdp("always")).udpMode).toBe("Never");
    expect(effectivePool({ cidr, vxlanMode: "Always" }, inUdp("Always")).udpMode).toBe("Never");
    expect(effectivePool({ cidr: "fd00::/48" }, inUdp("Always")).udpMode).toBe("Never");
    expect(effectivePool({ cidr }).udpMode).toBe("Never");
  });

  test("reports every problem of an object at once", () => {
    expect(problemsOf("IPPool", { cidr: "x", ipipMode: "y", z: 1 }, { name: "A" })).toHaveLength(4);
  });

  test("has Calico's defaults", () => {
    const pool = effectivePool({ cidr: "fd00::/48" });
    expect(pool).toMatchObject({
      blockSize: 122,
      ipipMode: "Never",
      vxlanMode: "Never",
      natOutgoing: false,
      allowedUses: ["Workload", "Tunnel"],
      assignmentMode: "Automatic",
    });
    expect(effectivePool({ cidr }).blockSize).toBe(26);
    expect(pool.selectsNode({})).toBe(true);
    expect(effectivePool({ cidr, nodeSelector: "has(a)" }).selectsNode({})).toBe(false);
  });
});

describe("Node", () => {
  test.each([
    [{ bgp: {} }, "must not be empty"],
    [{ bgp: { ipv4Address: "10.0.0.0/24" } }, "not the subnet itself"],
    [{ bgp: { ipv4Address: "127.0.0.1" } }, "not a loopback address"],
    [{ bgp: { ipv4Address: "0.0.0.0" } }, "not the unspecified address"],
    [{ bgp: { ipv6Address: "fe80::1/64" } }, "not a link-local address"],
    [{ bgp: { ipv4Address: "fd00::1" } }, "must be an IPv4 address"],
    [{ bgp: { ipv4Address: "ten" } }, "must be an IP address or prefix"],
    [{ bgp: { asNumber: 4294967296 } }, "must be an AS number"],
    [{ bgp: { asNumber: 1.1 } }, "dotted in quotes"],
    [{ bgp: { routeReflectorClusterID: "244" } }, "must be four numbers"],
    [{ ipv4VXLANTunnelAddr: "fd00::1" }, "must be an IPv4 address"],
    [{ vxlanTunnelMACAddr: "66:8f" }, "must be a MAC address"],
    [{ interfaces: [{ name: "eth0", addresses: ["x"] }] }, "Node.spec.interfaces[0].addresses[0] = 'x'"],
  ])("refuses %j", (spec, message) => {
    expect(problemsOf("Node", spec)).toEqual([expect.stringContaining(message)]);
  });

  test("its address comes with its subnet, and a bare one is a subnet of its own", () => {
    const texts = (spec: { ipv4Address?: string; ipv6Address?: string }, family: 4 | 6) => {
      const found = nodeAddress({ bgp: spec }, family);
      return found && `${found.address} ${found.subnet}`;
    };
    expect(texts({ ipv4Address: "10.0.0.7/24" }, 4)).toBe("10.0.0.7 10.0.0.0/24");
    expect(texts({ ipv6Address: "fd00::7" }, 6)).toBe("fd00::7 fd00::7/128");
    expect(texts({ ipv6Address: "fd00::7" }, 4)).toBeUndefined();
    expect(nodeAddress({}, 4)).toBeUndefined();
  });
});

describe("BGPConfiguration", () => {
  test.each([
    [{ name: "node.a" }, { nodeToNodeMeshEnabled: true }, 'in the object named "default" only'],
    [{ name: "node.a" }, { asNumber: 64512 }, 'in the object named "default" only'],
    [{ name: "other" }, {}, 'must be "default" or "node.<node name>"'],
    [
      { name: "default" },
      { nodeToNodeMeshEnabled: false, nodeMeshMaxRestartTime: "60s" },
      "needs nodeToNodeMeshEnabled",
    ],
    [{ name: "default" }, { communities: [{ name: "a", value: "1:2" }] }, "needs prefixAdvertisements"],
    [
      { name: "default" },
      { prefixAdvertisements: [{ cidr: "10.0.0.0/8", communities: ["a"] }] },
      "must be one of the names",
    ],
    [
      { name: "default" },
      { prefixAdvertisements: [{ cidr: "10.0.0.0/8", communities: ["65536:1"] }] },
      "must be a community",
    ],
    [{ name: "default" }, { ignoredInterfaces: ["eth*", "*"] }, "ignoredInterfaces[1] = '*' (must not be all devices"],
    [{ name: "default" }, { listenPort: 65536 }, "must be an integer from 1 to 65535"],
    [{ name: "default" }, { ipv4NormalRoutePriority: 2147483647 }, "from 1 to 2147483646"],
    [{ name: "default" }, { nodeMeshMaxRestartTime: "60" }, "must be a duration"],
  ])("refuses %j with %j", (metadata, spec, message) => {
    expect(problemsOf("BGPConfiguration", spec, metadata)).toEqual([expect.stringContaining(message)]);
  });

  test("a node's object goes before the cluster's, and a Node's AS number before both", () => {
    const cluster = {
      asNumber: 65000,
      listenPort: 1790,
      communities: [{ name: "blue", value: "65000:1" }],
      prefixAdvertisements: [{ cidr: "10.0.0.0/8", communities: ["blue", "1:2:3"] }],
    };
    const effective = effectiveBgpConfiguration(cluster, { listenPort: 1791, nodeToNodeMeshEnabled: false });
    expect(effective).toMatchObject({ listenPort: 1791, asNumber: 65000, nodeToNodeMeshEnabled: true });
    expect(effective.prefixAdvertisements[0]?.communities).toEqual(["65000:1", "1:2:3"]);
    expect(effectiveBgpConfiguration()).toMatchObject({ asNumber: 64512, listenPort: 179, logSeverityScreen: "Info" });
    expect(effectiveAsNumber({ bgp: { asNumber: 1 } }, cluster)).toBe(1);
    expect(effectiveAsNumber({}, cluster)).toBe(65000);
    expect(effectiveAsNumber({})).toBe(64512);
  });
});

describe("BGPPeer", () => {
  test.each([
    [{ node: "a", nodeSelector: "all()" }, "must not be set together with node"],
    [{ peerIP: "10.0.0.1", peerSelector: "all()" }, "must not be set together with peerIP"],
    [{ peerSelector: "all()", asNumber: 1 }, "must be absent with peerSelector"],
    [{ localWorkloadSelector: "all()" }, "is required with localWorkloadSelector"],
    [{ keepOriginalNextHop: true, nextHopMode: "Self" }, "must not be set together with nextHopMode"],
    [{ reachableBy: "10.0.0.1" }, "needs peerIP"],
    [{ reachableBy: "10.0.0.1", peerIP: "fd00::1" }, "must be of the same family"],
    [{ peerIP: "10.0.0.1:0" }, "must be an IP address, with a port"],
    [{ peerIP: "fd00::1%eth0" }, "must be an IP address, with a port"],
    [{ peerIP: "fe80::1%" }, "must be an IP address, with a port"],
    [{ peerIP: "fe80::1%a/b" }, "must be an IP address, with a port"],
    [{ peerIP: "fd00::1:65536", asNumber: -1 }, "must be an AS number"],
    [{ ttlSecurity: 256 }, "must be an integer from 0 to 255"],
    [{ maxRestartTime: "-1s" }, "must be a duration"],
  ])("refuses %j", (spec, message) => {
    expect(problemsOf("BGPPeer", spec)).toContainEqual(expect.stringContaining(message));
  });

  test("an empty one is valid", () => {
    expect(problemsOf("BGPPeer", {})).toEqual([]);
  });

  test("its texts are read", () => {
    const peer = effectiveBgpPeer({
      peerIP: "[fd00::1]:1790",
      node: "a",
      ttlSecurity: 1,
      keepOriginalNextHop: true,
      maxRestartTime: "1m30s",
    });
    expect(peer.peer?.address.toString()).toBe("fd00::1");
    expect(peer.peer?.port).toBe(1790);
    expect(peer).toMatchObject({ minimumTtl: 255, nextHopMode: "Keep", maxRestartTimeMs: 90_000 });
    expect([peer.appliesToNode("a", {}), peer.appliesToNode("b", {})]).toEqual([true, false]);
    expect(effectiveBgpPeer({ peerIP: "[fe80::1%eth0]:1790" }).peer).toMatchObject({ device: "eth0", port: 1790 });
    const selected = effectiveBgpPeer({ nodeSelector: "has(x)" });
    expect([selected.appliesToNode("a", { x: "" }), selected.appliesToNode("a", {})]).toEqual([true, false]);
    expect(effectiveBgpPeer({}).appliesToNode("a", {})).toBe(true);
  });
});

describe("BGPFilter", () => {
  const rule = { cidr: "10.0.0.0/8", matchOperator: "In", action: "Accept" };

  test.each([
    [
      { importV4: [{ cidr: "10.0.0.0/8", action: "Accept" }] },
      "importV4[0].matchOperator = '' (is required with cidr)",
    ],
    [
      { importV4: [{ matchOperator: "In", action: "Accept" }] },
      "importV4[0].cidr = '' (is required with matchOperator)",
    ],
    [{ exportV6: [rule] }, "BGPFilter.spec.exportV6[0].cidr = '10.0.0.0/8' (must be an IPv6 prefix here)"],
    [{ importV4: [{ ...rule, prefixLength: { max: 33 } }] }, "must be from 0 to 32 for IPv4"],
    [{ importV4: [{ ...rule, prefixLength: { min: 25, max: 24 } }] }, "must be at most max, which is 24"],
    [{ importV4: [{ action: "Accept", prefixLength: { min: 1 } }] }, "is required with prefixLength"],
    [{ importV4: [{}] }, "BGPFilter.spec.importV4[0].action = '' (is required)"],
    [{ importV4: [{ ...rule, communities: { values: ["1:1", "1:2"] } }] }, "must have exactly one value"],
    [
      { importV4: [{ ...rule, action: "Reject", operations: [{ setPriority: { value: 1 } }] }] },
      "needs the action Accept",
    ],
    [
      { importV4: [{ ...rule, operations: [{}] }] },
      "must have exactly one of addCommunity, prependASPath, setPriority",
    ],
    [
      { importV4: [{ ...rule, operations: [{ prependASPath: { prefix: Array(11).fill(1) } }] }] },
      "at most 10 AS numbers",
    ],
    [{ importV4: [{ ...rule, operations: Array(11).fill({ setPriority: { value: 1 } }) }] }, "must be at most 10"],
    [{ importV4: [{ ...rule, interface: "eth 0" }] }, "must be a device name or pattern"],
    [{ importV4: [{ ...rule, priority: 2147483647 }] }, "from 1 to 2147483646"],
  ])("refuses %j", (spec, message) => {
    expect(problemsOf("BGPFilter", spec)).toEqual([expect.stringContaining(message)]);
  });

  test("accepts every matcher and operation together", () => {
    const full = {
      ...rule,
      prefixLength: { min: 0, max: 24 },
      source: "RemotePeers",
      interface: "*.calico",
      peerType: "eBGP",
      communities: { values: ["1:2:3"] },
      asPathPrefix: [64512, "1.10"],
      priority: 512,
      operations: [
        { addCommunity: { value: "1:2" } },
        { prependASPath: { prefix: [1] } },
        { setPriority: { value: 1 } },
      ],
    };
    expect(problemsOf("BGPFilter", { importV4: [full], exportV4: [full] })).toEqual([]);
  });
});

describe("WorkloadEndpoint", () => {
  const spec = { node: "ip-10-0-1-17", orchestrator: "k8s", pod: "web-0", endpoint: "eth0" };
  const name = "ip--10--0--1--17-k8s-web--0-eth0";

  test("is named after its spec", () => {
    expect(workloadEndpointName(spec)).toBe(name);
    const { endpoint: _, ...pod } = spec;
    expect(workloadEndpointName(pod)).toBe("ip--10--0--1--17-k8s-web--0-");
    expect(workloadEndpointName({ ...spec, orchestrator: "cni", containerID: "c1" })).toBe(
      "ip--10--0--1--17-cni-c1-eth0",
    );
    expect(workloadEndpointName({ node: "n", orchestrator: "libnetwork", endpoint: "e" })).toBe(
      "n-libnetwork-libnetwork-e",
    );
    expect(workloadEndpointName({ node: "n", orchestrator: "x", workload: "w", endpoint: "e" })).toBe("n-x-w-e");
    expect(workloadEndpointName({ ...spec, pod: "-web" })).toBeUndefined();
    expect(problemsOf("WorkloadEndpoint", spec, { name, namespace: "shop" })).toEqual([]);
  });

  test.each([
    [{ name: "other", namespace: "shop" }, spec, `must be "${name}", as the spec says`],
    [{ name }, spec, "WorkloadEndpoint.metadata.namespace = '' (is required"],
    [{ name, namespace: "shop" }, { ...spec, pod: "web-" }, 'must not begin or end with "-"'],
    [{ name, namespace: "shop" }, { ...spec, ipNetworks: ["10.0.0.0/24"] }, "must be a single address"],
    [{ name, namespace: "shop" }, { ...spec, interfaceName: "cali0123456789ab" }, "at most 15 characters"],
    [
      { name, namespace: "shop" },
      { ...spec, ipNetworks: ["10.0.0.1/32"], ipNATs: [{ internalIP: "10.0.0.2", externalIP: "192.0.2.1" }] },
      "ipNATs[0].internalIP = '10.0.0.2' (must be one of the addresses",
    ],
    [
      { name, namespace: "shop" },
      { ...spec, ipNetworks: ["10.0.0.1/32"], ipNATs: [{ internalIP: "10.0.0.1", externalIP: "fd00::1" }] },
      "must be of the same family as 10.0.0.1",
    ],
    [{ name, namespace: "shop" }, { ...spec, ports: [{ protocol: "TCP", port: 80 }] }, "required for a port without"],
    [{ name, namespace: "shop" }, { ...spec, ports: [{ name: "a", protocol: "ICMP" }] }, "must be TCP, UDP or SCTP"],
  ])("refuses %j with %j", (metadata, given, message) => {
    expect(problemsOf("WorkloadEndpoint", given, metadata)).toEqual([expect.stringContaining(message)]);
  });
});

describe("metadata", () => {
  test.each([
    [{ name: "a/b" }, "BGPPeer.metadata.name = 'a/b'"],
    [{ name: "a", namespace: "b" }, "must be absent: this kind belongs to no namespace"],
    [{ name: "a", labels: { "-x": "1" } }, "must be [prefix/]name"],
    [{ name: "a", labels: { x: "1/2" } }, "must be empty or at most 63"],
    [{ name: "a", labels: { x: true } }, "must be a text; put it in quotes"],
    [{ name: "a", annotations: { x: "y".repeat(262144) } }, "must have at most 262144 bytes"],
    [{ name: "a", creationTimestamp: "yesterday" }, "must be an RFC 3339 time"],
    [{ name: "a", resourceVersion: "x" }, "must be a revision number"],
    [{}, "BGPPeer.metadata.name = '' (is required)"],
    [{ name: "a", annotations: { "a b": "y" } }, "must be [prefix/]name"],
  ])("refuses %j", (metadata, message) => {
    expect(problemsOf("BGPPeer", {}, metadata)).toEqual([expect.stringContaining(message)]);
  });
});

describe("findKind", () => {
  test.each([
    ["pool", "IPPool"],
    ["IPPools", "IPPool"],
    ["no", "Node"],
    ["bps", "BGPPeer"],
    ["bgpconfig", "BGPConfiguration"],
    ["wep", "WorkloadEndpoint"],
  ])("finds %s", (name, kind) => {
    expect(findKind(name)).toBe(kind);
  });

  test.each<[ResourceKind, string]>([
    ["Node", "node nodes no nos"],
    ["IPPool", "ippool ippools ipp ipps pool pools"],
    ["IPReservation", "ipreservation ipreservations reservation reservations"],
    ["BGPPeer", "bgppeer bgppeers bgpp bgpps bp bps"],
    ["BGPConfiguration", "bgpconfiguration bgpconfigurations bgpconfig bgpconfigs"],
    ["BGPFilter", "bgpfilter bgpfilters bgpf bgpfs bf bfs"],
    ["WorkloadEndpoint", "workloadendpoint workloadendpoints wep weps"],
    ["HostEndpoint", "hostendpoint hostendpoints hep heps"],
    ["NetworkPolicy", "networkpolicy networkpolicies policy np policies pol pols"],
    ["GlobalNetworkPolicy", "globalnetworkpolicy globalnetworkpolicies gnp gnps"],
    ["NetworkSet", "networkset networksets netsets"],
    ["GlobalNetworkSet", "globalnetworkset globalnetworksets gnetsets"],
    ["Profile", "profile profiles pro pros"],
    ["Tier", "tier tiers"],
    ["FelixConfiguration", "felixconfiguration felixconfigurations felixconfig felixconfigs"],
    ["ClusterInformation", "clusterinformation clusterinformations clusterinfo clusterinfos"],
    [
      "KubeControllersConfiguration",
      "kubecontrollersconfiguration kubecontrollersconfigurations kubecontrollersconfig kubecontrollersconfigs",
    ],
    ["IPAMConfiguration", "ipamconfiguration ipamconfigurations ipamconfig ipamconfigs"],
    ["CalicoNodeStatus", "caliconodestatus caliconodestatuses nodestatus nodestatuses"],
    ["BlockAffinity", "blockaffinity blockaffinities"],
  ])("%s has all of calicoctl's names, in any case", (kind, names) => {
    for (const name of names.split(" "))
      expect([name, findKind(name), findKind(name.toUpperCase())]).toEqual([name, kind, kind]);
  });

  test("no two kinds share a name", () => {
    const names = resourceKinds.flatMap((kind) => [
      ...new Set([kind.toLowerCase(), kinds[kind].plural, ...kinds[kind].aliases]),
    ]);
    expect(names.filter((name, index) => names.indexOf(name) < index)).toEqual([]);
  });

  test("names the nearest kind of one that is unknown", () => {
    expect(() => findKind("ipool")).toThrow('unknown kind "ipool"; did you mean "ippool"?');
    expect(() => findKind("zebra")).toThrow("known are BGPConfiguration, BGPFilter, BGPPeer");
    expect(() => findKind("x")).toThrow(ResourceError);
  });
});
