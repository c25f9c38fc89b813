import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { ExplainView, PodView, RouteView } from "../../src/agent/api/views.ts";
import { AgentLab, type AgentNode, agentNodes, patience } from "./support/agent-lab.ts";
import { kernelPrefixes, kernelRoutes } from "./support/kernel-routes.ts";
import { PingStream } from "./support/ping-stream.ts";

let agents: AgentLab;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26 });
});
afterAll(() => agents?.down());

/** The node's address in the topology. */
const nodeAddress = (node: AgentNode) => `10.0.0.${node.slice(1)}`;

async function firstBlock(node: AgentNode): Promise<string> {
  const [block] = await agents.blocks(node);
  expect(block, `block of ${node}`).toBeDefined();
  return block ?? "";
}

describe("three nodes and a router", () => {
  it("have an established session with each other and with the router, each with what it is for", async () => {
    for (const node of agentNodes) {
      const peers = JSON.parse(await agents.succeed(node, "calictl", "peers", "-o", "json")) as Record<
        string,
        unknown
      >[];
      const others = agentNodes.filter((other) => other !== node);
      const mesh = others.map((other) => ({
        name: `Mesh_${nodeAddress(other).replaceAll(".", "_")}`,
        address: nodeAddress(other),
        remoteAs: 64512,
        type: "ibgp",
        routes: { received: 1, accepted: 1, advertised: 1, stale: 0 },
      }));
      const router = {
        name: "Global_10_0_0_254",
        address: "10.0.0.254",
        remoteAs: 64513,
        type: "ebgp",
        // Blocks of all nodes go to the router; see the export policy.
        routes: { received: 1, accepted: 1, advertised: 3, stale: 0 },
      };
      const inCommon = { state: "Established", localAs: 64512, gracefulRestart: true, families: ["ipv4-unicast"] };
      const byName = (left: { name?: unknown }, right: { name?: unknown }) =>
        String(left.name) < String(right.name) ? -1 : 1;
      expect(peers.sort(byName)).toMatchObject(
        [router, ...mesh].sort(byName).map((peer) => ({ ...peer, ...inCommon })),
      );
    }
  });

  it("carry packets between every two pods, and between every pod and what is behind the router", async () => {
    expect(await agents.unreachable()).toEqual([]);
  });

  it.each(agentNodes)("are told apart in the routes of %s, each with all its fields", async (node) => {
    const routes = JSON.parse(await agents.succeed(node, "calictl", "routes", "-o", "json")) as RouteView[];
    const own = { node, nextHop: null, nextHops: [], bgp: null };
    const always = { protocol: 202, state: "installed", reason: expect.any(String), since: expect.any(String) };
    const learned = { localPref: 2147483647 - 1024, asPath: "", med: null, origin: "igp", communities: [] };
    const path = { ...learned, originatorId: null, clusterList: [], onlyToCustomer: null };
    const pods = await agents.pods(node);
    const expected: Partial<Record<keyof RouteView, unknown>>[] = [
      {
        ...own,
        ...always,
        prefix: await firstBlock(node),
        kind: "local-block",
        mode: "blackhole",
        device: null,
        metric: 0,
      },
      ...pods.map((pod) => ({
        ...own,
        ...always,
        prefix: `${pod.addresses[0]}/32`,
        kind: "workload",
        mode: "device",
        device: pod.interface,
        metric: 1024,
        reason: `pod default/${pod.name} on this node`,
      })),
      {
        ...always,
        prefix: "172.31.0.0/24",
        kind: "external",
        mode: "direct",
        nextHop: "10.0.0.254",
        nextHops: ["10.0.0.254"],
        device: "eth1",
        node: null,
        metric: 1024,
        bgp: { ...path, peer: "Global_10_0_0_254", asPath: "64513", localPref: null },
      },
    ];
    for (const other of agentNodes.filter((candidate) => candidate !== node))
      expected.push({
        ...always,
        prefix: await firstBlock(other),
        kind: "remote-block",
        mode: "direct",
        nextHop: nodeAddress(other),
        nextHops: [nodeAddress(other)],
        device: "eth1",
        node: other,
        metric: 1024,
        bgp: { ...path, peer: `Mesh_${nodeAddress(other).replaceAll(".", "_")}` },
      });
    expect(pods).toHaveLength(2);
    expect(byPrefix(routes)).toEqual(byPrefix(expected as RouteView[]));
    for (const { since } of routes) expect(Date.parse(since)).toBeGreaterThan(Date.now() - 3600_000);
  });

  it.each(agentNodes)("have in the kernel of %s exactly what calictl routes says", async (node) => {
    const routes = await agents.routes(node);
    const said = routes.map(({ prefix, mode, nextHop, device, metric }) => ({ prefix, mode, nextHop, device, metric }));
    expect(await kernelRoutes(agents, node)).toEqual(byPrefix(said));
  });
});

function byPrefix<Route extends { readonly prefix: string }>(routes: readonly Route[]): Route[] {
  return [...routes].sort((left, right) => (left.prefix < right.prefix ? -1 : 1));
}

describe("calictl routes --diff-kernel", () => {
  it("finds nothing where all is well, and a route that somebody has put in the place of ours", async () => {
    const compare = () => agents.run("n1", "calictl", "routes", "--diff-kernel");
    expect(await compare()).toMatchObject({ code: 0, stdout: "the kernel has the routes that it shall have\n" });
    const { stdout } = await agents.run("n1", "calictl", "routes", "-o", "json");
    const remote = (JSON.parse(stdout) as RouteView[]).find(({ kind }) => kind === "remote-block");
    const place = `${remote?.prefix} metric ${remote?.metric}`.split(" ");
    const own = ["via", `${remote?.nextHop}`, "proto", "202"];
    expect((await agents.run("n1", "ip", "route", "replace", "blackhole", ...place, "proto", "static")).code).toBe(0);
    try {
      await vi.waitFor(async () => expect((await compare()).code).toBe(1), patience);
      const { stdout: found } = await compare();
      expect(found).toContain(`- blackhole ${place.join(" ")}, protocol static (4)`);
      expect(found).toContain(`+ ${remote?.prefix} via ${remote?.nextHop} dev eth1 metric ${remote?.metric}`);
    } finally {
      await agents.run("n1", "ip", "route", "del", "blackhole", ...place, "proto", "static");
    }
    await vi.waitFor(async () => expect((await compare()).code).toBe(0), patience);
    expect((await agents.run("n1", "ip", "route", "show", ...place.slice(0, 1), "proto", "202")).stdout).toContain(
      own[1],
    );
  });
});

describe("calictl routes explain", () => {
  async function explain(target: string): Promise<ExplainView & { code: number }> {
    const { code, stdout } = await agents.run("n1", "calictl", "routes", "explain", target, "-o", "json");
    return { code, ...(JSON.parse(stdout) as ExplainView) };
  }
  const stages = (view: ExplainView) => view.steps.map(({ stage, verdict }) => `${stage} ${verdict}`);

  it("leads a pod of this node to its device, with status 0", async () => {
    const address = await agents.addressOf("n1", "n1-a");
    const view = await explain(address);
    expect(view).toMatchObject({ code: 0, reachable: true, verdict: `${address} is pod default/n1-a on this node.` });
    expect(stages(view)).toEqual(["pool ok", "block ok", "owner ok", "encapsulation ok", "kernel ok"]);
    expect(view.route?.prefix).toBe(`${address}/32`);
  });

  it("leads a pod of another node through owner, session and path to the next hop, with status 0", async () => {
    const address = await agents.addressOf("n2", "n2-a");
    const view = await explain(address);
    expect(view).toMatchObject({ code: 0, verdict: `Packets to ${address} on node n2 leave by eth1.` });
    const chain = ["pool ok", "block ok", "owner ok", "peer ok", "path ok", "encapsulation ok", "kernel ok"];
    expect(stages(view)).toEqual(chain);
    expect(view.steps[2]?.text).toBe("node n2 owns it");
    expect(view.steps[3]?.text).toBe("Mesh_10_0_0_2 (ibgp, AS 64512), Established");
    expect(view.steps[4]?.text).toContain("the only path: next hop 10.0.0.2, AS path empty");
  });

  it("says that an address of the own block without a pod is dropped here, with status 1", async () => {
    const block = await firstBlock("n1");
    const address = block.replace(/(\d+)\/26$/, (_match, last: string) => String(Number(last) + 40));
    const view = await explain(address);
    const verdict = `${address} is in a block of this node, but no pod has it: packets to it are dropped here.`;
    expect(view).toMatchObject({ code: 1, reachable: false, verdict });
  });

  it("says that nobody has claimed an address of the pool, with status 1", async () => {
    const blocks = await Promise.all(agentNodes.map(firstBlock));
    const address = ["10.244.0.1", "10.244.1.1", "10.244.2.1", "10.244.3.1"].find(
      (candidate) => !blocks.some((block) => block.startsWith(candidate.replace(/1$/, ""))),
    );
    const view = await explain(address ?? "");
    const problem = `no node has claimed a block that holds ${address}/32`;
    expect(view).toMatchObject({ code: 1, verdict: `${address} is not reachable by a route of calibird: ${problem}.` });
    expect(view.route).toBeNull();
  });

  it("leads a prefix that the router announces out of the cluster, with status 0", async () => {
    const view = await explain("172.31.0.0/24");
    expect(view).toMatchObject({ code: 0, verdict: "Packets to 172.31.0.0/24 leave by eth1." });
    expect(view.steps[0]?.text).toBe("172.31.0.0/24 is in no IPPool: a destination outside the cluster");
    expect(view.steps[2]?.text).toContain("next hop 10.0.0.254, AS path 64513");
  });

  it.each(["nonsense", "10.0.0.0/33", "1.2.3"])("refuses %s and says what would be right", async (target) => {
    const result = await agents.run("n1", "calictl", "routes", "explain", target);
    expect(result).toEqual({
      code: 2,
      stdout: "",
      stderr: `calictl: "${target}" is neither an address such as 10.0.0.1 nor a prefix such as 10.0.0.0/26\n`,
    });
  });
});

describe("a pod", () => {
  it("that is deleted is gone everywhere and comes back, while others do not lose a packet", async () => {
    const undisturbed = await Promise.all([
      PingStream.start(agents, { node: "n1", pod: "n1-b" }, await agents.addressOf("n2", "n2-b"), 0.02),
      PingStream.start(agents, { node: "n3", pod: "n3-a" }, await agents.addressOf("n1", "n1-b"), 0.02),
    ]);
    const address = await agents.addressOf("n1", "n1-a");
    await agents.succeed("n1", "calibird", "pod", "del", "default/n1-a");

    expect((await agents.pods("n1")).map(({ name }) => name)).toEqual(["n1-b"]);
    expect(await agents.route("n1", `${address}/32`)).toBeUndefined();
    expect(await kernelPrefixes(agents, "n1")).not.toContain(`${address}/32`);
    expect(await agents.allocatedAddresses()).not.toContain(address);
    expect((await agents.run("n1", "calictl", "get", "wep", "-n", "default")).stdout).not.toContain("n1-a");
    expect((await agents.run("n1", "ip", "netns", "list")).stdout).not.toContain("n1-a");
    expect((await agents.run("n2", "ip", "netns", "exec", "n2-a", "ping", "-c1", "-W1", address)).code).not.toBe(0);

    const again = JSON.parse(await agents.succeed("n1", "calibird", "pod", "add", "default/n1-a")) as PodView;
    expect(await agents.allocatedAddresses()).toContain(again.addresses[0]);
    expect(await kernelPrefixes(agents, "n1")).toContain(`${again.addresses[0]}/32`);
    expect(await agents.unreachable()).toEqual([]);
    for (const stream of undisturbed) expect(await stream.stop(), stream.label).toMatchObject({ lost: [], errors: [] });
  });

  it("that is not there can be deleted, and one that is there can be added, without a change", async () => {
    const before = { pods: await agents.pods("n2"), addresses: await agents.allocatedAddresses() };
    expect(await agents.run("n2", "calibird", "pod", "del", "default/none")).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    const added = JSON.parse(await agents.succeed("n2", "calibird", "pod", "add", "default/n2-a")) as PodView;
    expect(added).toEqual(before.pods.find(({ name }) => name === "n2-a"));
    expect({ pods: await agents.pods("n2"), addresses: await agents.allocatedAddresses() }).toEqual(before);
  });

  it("that many ask for at once is made once, and many at once each get an address of their own", async () => {
    const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => agents.addPod("n3", "n3-same")));
    for (const other of others) expect(other).toEqual(first);
    const names = ["n3-p", "n3-q", "n3-r"];
    const pods = await Promise.all(names.map((name) => agents.addPod("n3", name)));
    expect(new Set(pods.flatMap(({ addresses }) => addresses)).size).toBe(names.length);
    expect(await agents.allocatedAddresses()).toEqual(
      expect.arrayContaining(pods.flatMap(({ addresses }) => addresses)),
    );
    await Promise.all([...names, "n3-same"].map((name) => agents.deletePod("n3", name)));
    await expect.poll(() => agents.allocatedAddresses(), patience).toHaveLength(6);
    expect((await agents.pods("n3")).map(({ name }) => name)).toEqual(["n3-a", "n3-b"]);
  });
});
