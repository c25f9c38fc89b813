import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { calicoNode, clusterBgp } from "./support/resources.ts";

const names = ["n1", "n2", "n3"] as const;
const addresses = { n1: "10.0.0.1", n2: "10.0.0.2", n3: "10.0.0.3", edge: "10.0.0.254" } as const;
const outside = "172.31.0.0/24";
/** BIRD sends it with our own AS number in its path. */
const looping = "172.31.1.0/24";

const protocol = (node: (typeof names)[number]) => `
protocol bgp ${node} {
  local 10.0.0.254 as 64513;
  neighbor ${addresses[node]} external;
  passive on;
  error wait time 1, 2;
  ipv4 {
    import all;
    export filter {
      if source != RTS_STATIC then reject;
      if net = ${looping} then bgp_path.prepend(64512);
      accept;
    };
  };
}`;

const apiVersion = "projectcalico.org/v3";
const peerOf = (name: string, spec: object) => ({ apiVersion, kind: "BGPPeer", metadata: { name }, spec });
const poolOf = (others: object = {}) => ({
  apiVersion,
  kind: "IPPool",
  metadata: { name: "pods" },
  spec: { cidr: "10.244.0.0/16", blockSize: 26, ipipMode: "Never", vxlanMode: "Never", natOutgoing: false, ...others },
});
const filterOf = (prefix: string) => ({
  apiVersion,
  kind: "BGPFilter",
  metadata: { name: "some" },
  spec: { importV4: [{ cidr: prefix, matchOperator: "Equal", action: "Reject" }] },
});

/** What the cluster has between the changes: a mesh, a BGPPeer of two of its nodes, and a BGPPeer outside. */
const pairSpec = { node: "n1", peerIP: addresses.n2 };
const edgeSpec = { node: "n1", peerIP: addresses.edge, asNumber: 64513, localASNumber: 64512 };
const pair = (changes: object = {}) => peerOf("pair", { ...pairSpec, ...changes });
const edge = (changes: object = {}) => peerOf("edge", { ...edgeSpec, ...changes });
const labelled = { role: "hub" };
const node = (name: (typeof names)[number], others: object = {}, labels: object = name === "n3" ? labelled : {}) =>
  calicoNode(name, addresses[name], others, labels);

/** `n1>n2`: the session of n1 with n2, by the other side's name. */
type SessionName = `${"n1" | "n2" | "n3"}>${keyof typeof addresses}`;
const pairSessions: SessionName[] = ["n1>n2", "n2>n1"];
const edgeSession: SessionName[] = ["n1>edge"];
const thirdSessions: SessionName[] = ["n1>n3", "n2>n3", "n3>n1", "n3>n2"];

interface Change {
  /** The field, and to what it changes. */
  readonly field: string;
  readonly resources: readonly object[];
  /** Throws until the change has its effect. */
  readonly effect: () => Promise<void>;
  /** The sessions that begin anew or end. All others live on. */
  readonly touches?: readonly SessionName[];
  /** What undoes it; the resources of the base if absent. */
  readonly undo?: readonly object[];
}

describe("a field that changes while sessions are up", () => {
  let lab: BirdLab;
  let n1: AgentNode;
  let n2: AgentNode;
  let n3: AgentNode;
  let router: BirdRouter;
  let nodes: readonly AgentNode[];

  const base = () => [poolOf(), clusterBgp({}), pair(), edge(), ...names.map((name) => node(name))];

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: Object.fromEntries(names.map((name) => [name, { address: addresses[name], pods: [`${name}-a`] }])),
      routers: {
        edge: {
          address: addresses.edge,
          config: `protocol static outside { ipv4; route ${outside} blackhole; route ${looping} blackhole; }
            ${names.map(protocol).join("\n")}`,
        },
      },
      resources: base(),
    });
    n1 = lab.node("n1");
    n2 = lab.node("n2");
    n3 = lab.node("n3");
    nodes = [n1, n2, n3];
    router = lab.router("edge");
    lab.writeSecret("bgp", "key", "sesame");
    await settled();
  });
  afterAll(() => lab?.down());

  const nameOf = (address: string) => Object.entries(addresses).find(([, known]) => known === address)?.[0] ?? address;

  /** Since when every session that is up has been so. */
  async function sessions(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const [index, one] of nodes.entries())
      for (const { address, state, since, timesEstablished } of await one.peers())
        if (state === "Established") found.set(`${names[index]}>${nameOf(address)}`, `${since}, ${timesEstablished}`);
    return found;
  }

  const settled = () =>
    vi.waitFor(async () => {
      expect([...(await sessions()).keys()].sort()).toEqual([...edgeSession, ...pairSessions, ...thirdSessions].sort());
      for (const one of nodes)
        for (const { state, name, reason } of await one.peers())
          expect(state, `${name}: ${reason}`).toBe("Established");
      expect(await heardByRouter()).toHaveLength(3);
      expect(await states(n1, outside)).toEqual(["installed"]);
      for (const one of nodes) expect(await remoteBlocks(one)).toHaveLength(2);
    }, patient);

  /** Prefixes of the pods' range that the router has, with next hop and communities. */
  async function heardByRouter(): Promise<string[]> {
    const routes = (await Promise.all(names.map((name) => router.routes(name)))).flat();
    return routes
      .filter(({ prefix }) => prefix.startsWith("10.244."))
      .map(({ prefix, attributes }) =>
        `${prefix} via ${attributes["BGP.next_hop"]} ${attributes["BGP.community"] ?? ""}`.trimEnd(),
      );
  }

  const states = async (one: AgentNode, prefix: string) =>
    (await one.routes()).filter((route) => route.prefix === prefix).map(({ state }) => state);
  const remoteBlocks = async (one: AgentNode) =>
    (await one.routes()).filter(({ kind, state }) => kind === "remote-block" && state === "installed");
  const peerOfNode = (one: AgentNode, name: keyof typeof addresses) => one.peer(addresses[name]);
  const hasNoPeer = async (one: AgentNode, name: keyof typeof addresses) =>
    expect((await one.peers()).map(({ address }) => address)).not.toContain(addresses[name]);
  const listensAt = async (one: AgentNode, expected: readonly string[]) => {
    const lines = (await one.run(["ss", "-Hltn"])).trim().split("\n");
    const places = lines.map((line) => line.split(/\s+/)[3] ?? "").filter((place) => /:(179\d?)$/.test(place));
    expect([...new Set(places.map((place) => place.replace("[::]", "*").replace("0.0.0.0", "*")))].sort()).toEqual(
      expected,
    );
  };
  const upWith = async (one: AgentNode, name: keyof typeof addresses, expected: object) =>
    expect(await peerOfNode(one, name)).toMatchObject({ state: "Established", ...expected });

  /** A pod that is given an address all the same, because the agent has not heard yet, goes again. */
  const getsNoPod = async (name: string) => {
    const { code } = await lab.run(name, ["calibird", "pod", "add", "default/late"]);
    if (code === 0) await lab.run(name, ["calibird", "pod", "del", "default/late"]);
    expect(code).not.toBe(0);
  };

  const changes = (): Change[] => [
    {
      field: "BGPConfiguration.nodeToNodeMeshEnabled: false",
      resources: [clusterBgp({ nodeToNodeMeshEnabled: false })],
      touches: thirdSessions,
      effect: async () => {
        expect((await n3.peers()).length).toBe(0);
        await upWith(n1, "n2", { name: "Node_10_0_0_2" });
      },
    },
    {
      field: "BGPConfiguration.asNumber",
      resources: [clusterBgp({ asNumber: 65_500 })],
      touches: [...pairSessions, ...thirdSessions],
      effect: async () => {
        await upWith(n1, "n2", { localAs: 65_500, remoteAs: 65_500 });
        await upWith(n2, "n3", { localAs: 65_500, remoteAs: 65_500 });
        await upWith(n1, "edge", { localAs: 64_512 });
      },
    },
    {
      field: "Node.spec.bgp.asNumber",
      resources: [node("n3", { asNumber: 65_003 })],
      touches: thirdSessions,
      effect: async () => {
        await upWith(n1, "n3", { remoteAs: 65_003, type: "ebgp" });
        await upWith(n3, "n2", { localAs: 65_003, type: "ebgp" });
      },
    },
    {
      field: "BGPConfiguration.listenPort",
      resources: [clusterBgp({ listenPort: 1790 })],
      effect: async () => {
        for (const one of nodes) await listensAt(one, ["*:1790"]);
        expect(await peerOfNode(n1, "n3")).toMatchObject({ port: 1790 });
      },
    },
    {
      field: "BGPConfiguration node.n3 .listenPort",
      resources: [{ apiVersion, kind: "BGPConfiguration", metadata: { name: "node.n3" }, spec: { listenPort: 1791 } }],
      undo: [{ apiVersion, kind: "BGPConfiguration", metadata: { name: "node.n3" }, spec: {} }],
      effect: async () => {
        await listensAt(n3, ["*:1791"]);
        await listensAt(n1, ["*:179"]);
        expect(await peerOfNode(n1, "n3")).toMatchObject({ port: 1791 });
        expect(await peerOfNode(n1, "n2")).toMatchObject({ port: 179 });
      },
    },
    {
      field: "BGPConfiguration.bindMode: NodeIP",
      resources: [clusterBgp({ bindMode: "NodeIP" })],
      effect: () => listensAt(n2, ["10.0.0.2:179"]),
    },
    {
      field: "BGPConfiguration.nodeMeshPassword",
      resources: [clusterBgp({ nodeMeshPassword: { secretKeyRef: { name: "bgp", key: "key" } } })],
      touches: thirdSessions,
      effect: async () => {
        for (const one of [n1, n2]) await upWith(one, "n3", { authentication: "tcp-md5" });
        for (const name of ["n1", "n2"] as const) await upWith(n3, name, { authentication: "tcp-md5" });
      },
    },
    {
      field: "BGPConfiguration.nodeMeshMaxRestartTime",
      resources: [clusterBgp({ nodeMeshMaxRestartTime: "77s" })],
      touches: thirdSessions,
      effect: async () => {
        for (const one of [n1, n2])
          await upWith(one, "n3", { capabilities: expect.arrayContaining([expect.stringContaining("77s")]) });
      },
    },
    {
      field: "BGPConfiguration.prefixAdvertisements and communities",
      resources: [
        clusterBgp({
          communities: [{ name: "pods", value: "64512:7" }],
          prefixAdvertisements: [{ cidr: "10.244.0.0/16", communities: ["pods", "64512:8"] }],
        }),
      ],
      effect: async () => {
        for (const heard of await heardByRouter()) expect(heard).toMatch(/\(64512,7\) \(64512,8\)$/);
      },
    },
    {
      field: "BGPConfiguration.serviceClusterIPs",
      resources: [clusterBgp({ serviceClusterIPs: [{ cidr: "10.96.0.0/12" }] })],
      effect: async () => expect((await router.routes("n1")).map(({ prefix }) => prefix)).toContain("10.96.0.0/12"),
    },
    {
      field: "BGPConfiguration.ignoredInterfaces",
      resources: [clusterBgp({ ignoredInterfaces: ["eth*"] })],
      effect: async () => {
        for (const one of nodes) expect(await remoteBlocks(one)).toEqual([]);
        expect(await states(n1, outside)).not.toContain("installed");
      },
    },
    {
      field: "BGPPeer.node",
      resources: [edge({ node: "n3" })],
      touches: edgeSession,
      effect: async () => {
        await hasNoPeer(n1, "edge");
        await upWith(n3, "edge", { localAs: 64_512 });
      },
    },
    {
      field: "BGPPeer.nodeSelector",
      resources: [peerOf("edge", { ...edgeSpec, node: undefined, nodeSelector: "all()" })],
      effect: async () => {
        for (const one of nodes) await upWith(one, "edge", {});
      },
    },
    {
      field: "BGPPeer.peerIP",
      resources: [pair({ peerIP: addresses.n3 })],
      touches: [...pairSessions, "n1>n3", "n3>n1"],
      effect: async () => {
        await upWith(n1, "n3", { name: "Node_10_0_0_3" });
        await upWith(n3, "n1", { name: "Node_10_0_0_1" });
        await upWith(n1, "n2", { name: "Mesh_10_0_0_2" });
        await upWith(n2, "n1", { name: "Mesh_10_0_0_1" });
      },
    },
    {
      field: "BGPPeer.peerSelector",
      resources: [peerOf("pair", { node: "n1", peerSelector: "role == 'hub'" })],
      touches: [...pairSessions, "n1>n3", "n3>n1"],
      effect: async () => {
        await upWith(n1, "n3", { name: "Node_10_0_0_3" });
        await upWith(n3, "n1", { name: "Node_10_0_0_1" });
      },
    },
    {
      field: "Node.metadata.labels, by which a peerSelector chooses",
      resources: [peerOf("more", { node: "n2", peerSelector: "role == 'spoke'" }), node("n3", {}, { role: "spoke" })],
      undo: [peerOf("more", { node: "nobody", peerSelector: "role == 'spoke'" })],
      touches: ["n2>n3", "n3>n2"],
      effect: () => upWith(n2, "n3", { name: "Node_10_0_0_3" }),
    },
    {
      field: "BGPPeer.reversePeering: Manual",
      resources: [pair({ reversePeering: "Manual" })],
      touches: pairSessions,
      effect: async () => {
        await upWith(n2, "n1", { name: "Mesh_10_0_0_1" });
        await upWith(n1, "n2", { name: "Node_10_0_0_2" });
      },
    },
    {
      field: "BGPPeer.asNumber",
      resources: [edge({ asNumber: 64_777 })],
      touches: edgeSession,
      effect: async () => {
        expect(await peerOfNode(n1, "edge")).toMatchObject({ remoteAs: 64_777, reason: expect.stringMatching(/AS/) });
      },
    },
    {
      field: "BGPPeer.localASNumber",
      resources: [edge({ localASNumber: 64_998 })],
      touches: edgeSession,
      effect: async () => {
        await upWith(n1, "edge", { localAs: 64_998 });
        expect(await router.protocol("n1")).toMatch(/Neighbor AS:\s+64998/);
      },
    },
    {
      field: "BGPPeer.nextHopMode: Keep",
      resources: [edge({ nextHopMode: "Keep" })],
      effect: async () =>
        expect((await heardByRouter()).map((heard) => heard.split(" via ")[1]).sort()).toEqual([
          addresses.n1,
          addresses.n2,
          addresses.n3,
        ]),
    },
    {
      field: "BGPPeer.keepOriginalNextHop",
      resources: [edge({ keepOriginalNextHop: true })],
      effect: async () => {
        const nextHops = (await heardByRouter()).map((heard) => heard.split(" via ")[1]);
        expect(nextHops).toContain(addresses.n2);
      },
    },
    {
      field: "BGPPeer.password",
      resources: [pair({ password: { secretKeyRef: { name: "bgp", key: "key" } } })],
      touches: pairSessions,
      effect: async () => {
        await upWith(n1, "n2", { authentication: "tcp-md5" });
        await upWith(n2, "n1", { authentication: "tcp-md5" });
      },
    },
    {
      field: "BGPPeer.sourceAddress: None",
      resources: [pair({ sourceAddress: "None" })],
      touches: pairSessions,
      effect: async () => {
        await upWith(n1, "n2", { localAddress: addresses.n1 });
        await upWith(n2, "n1", { localAddress: addresses.n2 });
        const before = await sessions();
        expect(before.get("n1>n2")).not.toBe(remembered.get("n1>n2"));
      },
    },
    {
      field: "BGPPeer.maxRestartTime",
      resources: [pair({ maxRestartTime: "66s" })],
      touches: pairSessions,
      effect: async () => {
        const capabilities = expect.arrayContaining([expect.stringContaining("66s")]);
        await upWith(n1, "n2", { capabilities });
        await upWith(n2, "n1", { capabilities });
      },
    },
    {
      field: "BGPPeer.keepaliveTime",
      resources: [pair({ keepaliveTime: "7s" })],
      touches: pairSessions,
      effect: async () => {
        await upWith(n1, "n2", { keepaliveTimeSec: 7 });
        await upWith(n2, "n1", { keepaliveTimeSec: 7 });
      },
    },
    {
      field: "BGPPeer.ttlSecurity",
      resources: [pair({ ttlSecurity: 1 })],
      touches: pairSessions,
      effect: async () => {
        await upWith(n1, "n2", { minimumTtl: 255 });
        await upWith(n2, "n1", { minimumTtl: 255 });
      },
    },
    {
      field: "BGPPeer.reachableBy",
      resources: [edge({ reachableBy: addresses.n3 })],
      effect: async () =>
        expect(await n1.kernelRoute(addresses.edge)).toMatchObject({ gateway: addresses.n3, dev: "eth1" }),
    },
    {
      field: "BGPPeer.numAllowedLocalASNumbers",
      resources: [edge({ numAllowedLocalASNumbers: 1 })],
      effect: async () => expect(await states(n1, looping)).toEqual(["installed"]),
    },
    {
      field: "BGPPeer.filters",
      resources: [filterOf(outside), edge({ filters: ["some"] })],
      effect: async () => expect(await states(n1, outside)).not.toContain("installed"),
    },
    {
      field: "BGPFilter.importV4",
      resources: [filterOf("172.31.255.0/24"), edge({ filters: ["some"] }), filterOf(outside)],
      effect: async () => expect(await states(n1, outside)).not.toContain("installed"),
    },
    {
      field: "Node.spec.bgp.routeReflectorClusterID",
      resources: [node("n3", { routeReflectorClusterID: "244.0.0.3" })],
      touches: thirdSessions,
      effect: async () => expect(await n3.peers()).toEqual([]),
    },
    {
      field: "IPPool.disableBGPExport",
      resources: [poolOf({ disableBGPExport: true })],
      effect: async () => {
        expect(await heardByRouter()).toEqual([]);
        for (const one of nodes) expect(await remoteBlocks(one)).toEqual([]);
      },
    },
    {
      field: "IPPool.vxlanMode",
      resources: [poolOf({ vxlanMode: "Always" })],
      effect: async () => {
        for (const one of nodes) expect((await remoteBlocks(one)).map(({ mode }) => mode)).toEqual(["vxlan", "vxlan"]);
      },
    },
    {
      field: "IPPool.natOutgoing",
      resources: [poolOf({ natOutgoing: true })],
      effect: async () => expect(await n1.run(["nft", "list", "ruleset"])).toContain("masquerade"),
    },
    {
      field: "IPPool.disabled",
      resources: [poolOf({ disabled: true })],
      effect: () => getsNoPod("n2"),
    },
    {
      field: "IPPool.nodeSelector and allowedUses",
      resources: [poolOf({ nodeSelector: "role == 'hub'", allowedUses: ["Workload"] })],
      effect: () => getsNoPod("n2"),
    },
  ];

  let remembered: ReadonlyMap<string, string> = new Map();

  it.each(changes())("$field has its effect, and ends no session that it does not concern", async (change) => {
    remembered = await sessions();
    await nodes[0]?.apply(...change.resources);
    const touched: readonly string[] = change.touches ?? [];
    await vi.waitFor(async () => {
      await change.effect();
      const now = await sessions();
      for (const name of touched) expect(now.get(name), name).not.toBe(remembered.get(name));
    }, patient);
    const after = await sessions();
    for (const [name, since] of remembered) if (!touched.includes(name)) expect(after.get(name), name).toBe(since);
    await nodes[0]?.apply(...(change.undo ?? []), ...base());
    await settled();
    const back = await sessions();
    for (const [name, since] of remembered) if (!touched.includes(name)) expect(back.get(name), name).toBe(since);
  });
});
