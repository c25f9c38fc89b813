import { describe, expect, it } from "vitest";
import { compilePeering } from "../../../../src/agent/peering/compile.ts";
import type { ExplicitPeer, PeeringInput, PeeringNode } from "../../../../src/agent/peering/inputs.ts";
import type { Policy } from "../../../../src/bgp/policy/types.ts";
import { Secret } from "../../../../src/core/secret.ts";
import { IpAddress } from "../../../../src/net/address.ts";

const node = (name: string, address: string, more: Partial<PeeringNode> = {}): PeeringNode => ({
  name,
  labels: {},
  ipv4Address: IpAddress.parse(address),
  ...more,
});

const named = (filters: readonly string[]): Policy => ({ name: filters.join(" "), rules: [], defaultAction: "accept" });

function input(more: Partial<PeeringInput> = {}): PeeringInput {
  return {
    ownName: "n2",
    nodes: [node("n1", "10.0.0.1"), node("n2", "10.0.0.2"), node("n3", "10.0.0.3")],
    cluster: { asNumber: 64512, meshEnabled: true, meshRestartTimeSec: 120, listenPort: 179 },
    explicit: [],
    secretOf: () => ({ problem: "no secret" }),
    refusal: () => undefined,
    peerDefaults: {},
    policiesFor: (filters) => ({ importPolicy: named(filters), exportPolicy: named(filters) }),
    ...more,
  };
}

const explicit = (more: Partial<ExplicitPeer> = {}): ExplicitPeer => ({
  name: "tor",
  appliesTo: "global",
  target: { kind: "address", address: IpAddress.parse("10.0.0.254") },
  asNumber: 64513,
  nextHopMode: "auto",
  sourceIsNodeAddress: true,
  allowLocalAs: 0,
  reverse: true,
  filters: [],
  ...more,
});

const routes = (...peers: Partial<ExplicitPeer>[]) =>
  compilePeering(input({ explicit: peers.map(explicit) })).routes.map(
    ({ prefix, gateway, peer }) => `${prefix} via ${gateway}, ${peer}`,
  );

const names = (wanted: PeeringInput) => compilePeering(wanted).peers.map((peer) => peer.name);

describe("compilePeering", () => {
  it("builds the full mesh with every other node", () => {
    const { peers, problems } = compilePeering(input());
    expect(problems).toEqual([]);
    expect(peers).toMatchObject([
      { name: "Mesh_10_0_0_1", remoteAs: 64512, localAs: 64512, port: 179, passive: false },
      { name: "Mesh_10_0_0_3", remoteAs: 64512, localAs: 64512, port: 179, passive: true },
    ]);
    expect(peers[0]?.localAddress?.toString()).toBe("10.0.0.2");
    expect(peers[0]?.gracefulRestart).toEqual({ restartTimeSec: 120 });
  });

  it("refuses a second BGPPeer for another port of the same address, and says so", () => {
    const at = (port?: number) => ({
      kind: "address" as const,
      address: IpAddress.parse("10.0.0.254"),
      ...(port !== undefined && { port }),
    });
    const { peers, problems } = compilePeering(
      input({
        cluster: { ...input().cluster, meshEnabled: false },
        explicit: [explicit(), explicit({ name: "same" }), explicit({ name: "second", target: at(1790) })],
      }),
    );
    expect(peers.map(({ name, port }) => [name, port])).toEqual([["Global_10_0_0_254", 179]]);
    expect(problems).toEqual([
      {
        peer: "second",
        text: "BGPPeer second is not configured: there is a session with port 179 of 10.0.0.254 already, and one with port 1790 beside it is not possible",
      },
    ]);
  });

  it("gives the sessions of a BGPPeer its filters in their order, also the mirror images, and the mesh none", () => {
    const all = { kind: "nodes", matches: () => true } as const;
    const { peers } = compilePeering(
      input({ explicit: [explicit({ filters: ["b", "a"] }), explicit({ name: "all", target: all, filters: ["c"] })] }),
    );
    expect(peers.map(({ name, importPolicy, exportPolicy }) => [name, importPolicy?.name, exportPolicy?.name])).toEqual(
      [
        ["Global_10_0_0_254", "b a", "b a"],
        ["Node_10_0_0_1", "c", "c"],
        ["Node_10_0_0_3", "c", "c"],
      ],
    );
    expect(compilePeering(input()).peers.map(({ importPolicy }) => importPolicy?.name)).toEqual(["", ""]);
  });

  it("limits what the sessions of BGPPeers bring, and not the mesh", () => {
    const limits = { maxPrefix: { "ipv4-unicast": { limit: 10, action: "discard" } } } as const;
    const { peers } = compilePeering(input({ explicit: [explicit()], peerDefaults: limits }));
    expect(peers.map(({ name, maxPrefix, addPath }) => [name, maxPrefix, addPath])).toEqual([
      ["Global_10_0_0_254", limits.maxPrefix, { "ipv4-unicast": { receive: true, send: "all" } }],
      ["Mesh_10_0_0_1", undefined, undefined],
      ["Mesh_10_0_0_3", undefined, undefined],
    ]);
  });

  it("lets the node dial whose address is the greater text, as Calico does", () => {
    const passiveOf = (own: string, peer: string) =>
      compilePeering(input({ nodes: [node("n2", own), node("other", peer)] })).peers[0]?.passive;
    expect(passiveOf("10.192.0.2", "10.192.0.3")).toBe(true);
    expect(passiveOf("10.0.0.10", "10.0.0.9")).toBe(true);
    expect(passiveOf("10.0.0.9", "10.0.0.10")).toBe(false);
  });

  it("leaves route reflectors and a switched-off mesh out", () => {
    const cluster = { ...input().cluster, meshEnabled: false };
    expect(names(input({ cluster }))).toEqual([]);
    const reflector = { routeReflectorClusterId: "244.0.0.1" };
    const nodes = [node("n1", "10.0.0.1", reflector), node("n2", "10.0.0.2"), node("n3", "10.0.0.3")];
    expect(names(input({ nodes }))).toEqual(["Mesh_10_0_0_3"]);
    expect(names(input({ nodes, ownName: "n1" }))).toEqual([]);
  });

  it("uses a node's own AS number and port", () => {
    const nodes = [node("n1", "10.0.0.1", { asNumber: 65001, listenPort: 1790 }), node("n2", "10.0.0.2")];
    expect(compilePeering(input({ nodes })).peers).toMatchObject([{ remoteAs: 65001, localAs: 64512, port: 1790 }]);
  });

  it("peers over both families with a node that has both", () => {
    const both = (text: string) => ({ ipv6Address: IpAddress.parse(text) });
    const nodes = [node("n1", "10.0.0.1", both("fd00::1")), node("n2", "10.0.0.2", both("fd00::2"))];
    expect(compilePeering(input({ nodes })).peers).toMatchObject([
      { name: "Mesh_10_0_0_1", families: ["ipv4-unicast"] },
      { name: "Mesh_fd00__1", families: ["ipv6-unicast"] },
    ]);
  });

  it("adds a global BGPPeer next to the mesh", () => {
    const { peers } = compilePeering(input({ explicit: [explicit()] }));
    expect(peers.map((peer) => peer.name)).toEqual(["Global_10_0_0_254", "Mesh_10_0_0_1", "Mesh_10_0_0_3"]);
    expect(peers[0]).toMatchObject({ remoteAs: 64513, port: 179, passive: false, routeReflectorClient: false });
  });

  it("takes all sessions of a BGPPeer down whose annotation says so, with its text", () => {
    const { peers } = compilePeering(
      input({ explicit: [explicit({ options: { shutdown: { message: "new cables" } } })] }),
    );
    expect(peers.map(({ shutdown }) => shutdown)).toEqual([{ message: "new cables" }, undefined, undefined]);
  });

  it("keeps one session per address: global before node, BGPPeer before mesh, and none to itself", () => {
    const other = explicit({
      name: "again",
      appliesTo: () => true,
      target: { kind: "address", address: IpAddress.parse("10.0.0.254") },
    });
    const toNode = explicit({ name: "n1", target: { kind: "address", address: IpAddress.parse("10.0.0.1") } });
    const toSelf = explicit({
      name: "me",
      target: { kind: "address", address: IpAddress.parse("10.0.0.2") },
      reverse: false,
    });
    expect(names(input({ explicit: [other, explicit(), toNode, toSelf] }))).toEqual([
      "Global_10_0_0_254",
      "Global_10_0_0_1",
      "Mesh_10_0_0_3",
    ]);
  });

  it("applies a BGPPeer of a node to that node only", () => {
    const peer = explicit({ appliesTo: (candidate) => candidate.name === "n1" });
    expect(names(input({ explicit: [peer] }))).not.toContain("Node_10_0_0_254");
    expect(names(input({ explicit: [peer], ownName: "n1" }))).toContain("Node_10_0_0_254");
  });

  it("names a port in the session's name", () => {
    const target = { kind: "address" as const, address: IpAddress.parse("10.0.0.254"), port: 1790 };
    expect(compilePeering(input({ explicit: [explicit({ target })] })).peers[0]).toMatchObject({
      name: "Global_10_0_0_254_port_1790",
      port: 1790,
    });
  });

  it("reports a peer that cannot be configured and goes on with the others", () => {
    const { asNumber: _none, ...withoutAs } = explicit();
    const v6 = explicit({ name: "v6", target: { kind: "address", address: IpAddress.parse("fd00::9") } });
    const { peers, problems } = compilePeering(input({ explicit: [withoutAs, v6] }));
    expect(peers).toHaveLength(2);
    expect(problems.map(({ text }) => text)).toEqual([
      "BGPPeer tor: peerIP 10.0.0.254 needs an asNumber",
      "BGPPeer v6: this node has no IPv6 address to reach fd00::9 from",
    ]);
  });

  it("makes both ends of a reflector's peering from one resource, and its clients clients", () => {
    const nodes = [
      node("n1", "10.0.0.1", { routeReflectorClusterId: "244.0.0.1", labels: { reflector: "yes" } }),
      node("n2", "10.0.0.2"),
      node("n3", "10.0.0.3"),
    ];
    const { asNumber: _none, ...withoutAs } = explicit();
    const peer: ExplicitPeer = {
      ...withoutAs,
      appliesTo: () => true,
      target: { kind: "nodes", matches: (candidate) => candidate.labels.reflector === "yes" },
    };
    const cluster = { ...input().cluster, meshEnabled: false };
    const of = (ownName: string) => compilePeering(input({ ownName, nodes, cluster, explicit: [peer] })).peers;
    expect(of("n2").map((session) => session.name)).toEqual(["Node_10_0_0_1"]);
    expect(of("n2")[0]?.routeReflectorClient).toBe(false);
    expect(of("n1").map((session) => session.name)).toEqual(["Node_10_0_0_2", "Node_10_0_0_3"]);
    expect(of("n1").every((session) => session.routeReflectorClient)).toBe(true);
    expect(of("n1").map((session) => session.clusterId)).toEqual([0xf4000001, 0xf4000001]);
    const manual = { ...peer, appliesTo: (candidate: PeeringNode) => candidate.name !== "n1", reverse: false };
    expect(compilePeering(input({ ownName: "n1", nodes, cluster, explicit: [manual] })).peers).toEqual([]);
  });

  it("asks for a host route to a peer that names its gateway, once per address", () => {
    const far = { kind: "address" as const, address: IpAddress.parse("192.0.2.1") };
    const gateway = { reachableBy: IpAddress.parse("10.0.0.254") };
    expect(routes({ target: far, ...gateway })).toEqual(["192.0.2.1/32 via 10.0.0.254, tor"]);
    expect(routes({ target: far })).toEqual([]);
    expect(routes({ target: far, ...gateway }, { ...gateway, target: far, name: "second" })).toHaveLength(1);
    expect(routes({ target: far }, { ...gateway, target: far, name: "second" })).toEqual([]);
    expect(routes({ target: far, ...gateway, appliesTo: (other) => other.name === "n1" })).toEqual([]);
  });

  it("asks for no host route back to the nodes that reach this one by a gateway", () => {
    const own = { kind: "address" as const, address: IpAddress.parse("10.0.0.2") };
    expect(routes({ target: own, reachableBy: IpAddress.parse("10.0.0.254") })).toEqual([]);
  });
});

describe("passwords and TTL security", () => {
  const reference = { secretKeyRef: { name: "bgp", key: "tor" } };
  const known: PeeringInput["secretOf"] = ({ name, key }) =>
    name === "bgp" ? { secret: new Secret(`password of ${key}`) } : { problem: `no secret ${name}` };
  const passwords = (wanted: PeeringInput) =>
    compilePeering(wanted).peers.map(({ name, transport }) => [name, transport?.key?.password.reveal()]);

  it("go to the sessions of the BGPPeer that has them", () => {
    const { peers, problems } = compilePeering(
      input({ explicit: [explicit({ password: reference, minimumTtl: 254 })], secretOf: known }),
    );
    expect(problems).toEqual([]);
    expect(peers.map(({ name, transport }) => [name, transport?.minimumTtl])).toEqual([
      ["Global_10_0_0_254", 254],
      ["Mesh_10_0_0_1", undefined],
      ["Mesh_10_0_0_3", undefined],
    ]);
    expect(peers[0]?.transport?.key?.password.reveal()).toBe("password of tor");
  });

  it("go to the whole mesh from nodeMeshPassword", () => {
    const { cluster } = input();
    const meshPassword = { secretKeyRef: { name: "bgp", key: "mesh" } };
    expect(passwords(input({ cluster: { ...cluster, meshPassword }, secretOf: known }))).toEqual([
      ["Mesh_10_0_0_1", "password of mesh"],
      ["Mesh_10_0_0_3", "password of mesh"],
    ]);
    const unknown = input({
      cluster: { ...cluster, meshPassword: { secretKeyRef: { name: "x", key: "y" } } },
      secretOf: known,
    });
    expect(compilePeering(unknown)).toMatchObject({
      peers: [],
      problems: [{ text: "the node-to-node mesh is not configured: no secret x" }],
    });
  });

  it("leave no session in place of one whose password is not known, not even one of the mesh", () => {
    const all = { kind: "nodes", matches: () => true } as const;
    const lost = { secretKeyRef: { name: "lost", key: "tor" } };
    expect(
      compilePeering(input({ explicit: [explicit({ target: all, password: lost })], secretOf: known })),
    ).toMatchObject({
      peers: [],
      problems: [{ text: "BGPPeer tor is not configured: no secret lost" }],
    });
    const nameless = compilePeering(input({ explicit: [explicit({ password: {} })] }));
    expect(nameless.problems).toMatchObject([{ text: "BGPPeer tor is not configured: password has no secretKeyRef" }]);
  });

  it("are absent where the secret is optional and not there", () => {
    const wanted = input({ explicit: [explicit({ password: reference })], secretOf: () => ({ secret: undefined }) });
    expect(compilePeering(wanted).peers[0]?.transport).toBeUndefined();
  });

  it("leave out what no socket can have", () => {
    const refusal: PeeringInput["refusal"] = ({ name }) => (name.startsWith("Global") ? "no such option" : undefined);
    const { peers, problems } = compilePeering(input({ explicit: [explicit()], refusal }));
    expect(peers.map(({ name }) => name)).toEqual(["Mesh_10_0_0_1", "Mesh_10_0_0_3"]);
    expect(problems).toMatchObject([{ text: "BGPPeer tor is not configured: no such option" }]);
  });
});

it("peers with a link-local address over its device, from the address of the link", () => {
  const target = { kind: "address", address: IpAddress.parse("fe80::1"), device: "eth0" } as const;
  const { peers, problems } = compilePeering(input({ explicit: [explicit({ target })] }));
  expect(problems).toEqual([]);
  expect(peers[0]).toMatchObject({ name: "Global_fe80__1", transport: { device: "eth0" }, passive: false });
  expect(peers[0]?.localAddress).toBeUndefined();
});
