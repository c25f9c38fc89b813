import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { patience } from "./support/agent-lab.ts";
import { PingStream } from "./support/ping-stream.ts";
import { SubnetLab } from "./support/subnet-lab.ts";
import {
  allBlockRoutes,
  beginningOf,
  blockRoutes,
  expectedRoutes,
  nodesOf,
  type SubnetNode,
  subnetNodes,
} from "./support/subnet-routes.ts";
import { WireCapture } from "./support/wire-capture.ts";

let subnets: SubnetLab;

beforeAll(async () => {
  subnets = await SubnetLab.start({ family: 6 });
});
afterAll(() => subnets?.down());

const inPod = (pod: string, ...argv: string[]) => subnets.succeed(pod.slice(0, 2), "ip", "netns", "exec", pod, ...argv);

describe("nodes with an address of each family", () => {
  it("stand with both in their Node and in the status, and have a session of each family with each other", async () => {
    for (const node of subnetNodes) {
      const [ipv4, ipv6] = [`${nodesOf(4)[node].address}/24`, `${nodesOf(6)[node].address}/64`];
      expect((await subnets.nodeSpec(node)).bgp).toEqual({ ipv4Address: ipv4, ipv6Address: ipv6 });
      const { node: view, peers } = await subnets.status(node);
      expect(view).toMatchObject({ ipv4Address: ipv4, ipv6Address: ipv6, problems: [] });
      expect(await subnets.succeed(node, "calictl", "node", "status")).toContain(`address ${ipv4}, ${ipv6} `);
      for (const other of subnetNodes.filter((name) => name !== node))
        for (const family of [4, 6] as const) {
          const session = peers.find(({ address }) => address === nodesOf(family)[other].address);
          expect(session).toMatchObject({
            state: "Established",
            families: [`ipv${family}-unicast`],
            localAddress: nodesOf(family)[node].address,
          });
        }
    }
  });

  it("give their pods an address of each family, and all reach each other by both", async () => {
    for (const node of subnetNodes)
      for (const pod of [`${node}-a`, `${node}-b`]) {
        const addresses = await inPod(pod, "ip", "-o", "address", "show", "dev", "eth0", "scope", "global");
        expect(addresses).toContain(`inet ${subnets.addressOf(pod, 4)}/32 `);
        expect(addresses).toContain(`inet6 ${subnets.addressOf(pod, 6)}/128 `);
      }
    expect(await subnets.unreachable(4)).toEqual([]);
    expect(await subnets.unreachable(6)).toEqual([]);
  });

  it("have direct routes to each other's IPv6 blocks, through a router where there is one, and drop what no pod has", async () => {
    expect(await allBlockRoutes(subnets)).toEqual(await expectedRoutes(subnets, "Never"));
    const own = [...subnets.owners()].flatMap(([block, node]) => (node === "n1" ? [block] : []));
    const routes = await subnets.succeed("n1", "ip", "-6", "route", "show", "proto", "202");
    for (const block of own.filter((text) => text.includes(":")))
      expect(routes).toContain(`blackhole ${block} dev lo metric 1024`);
    expect(routes).toMatch(new RegExp(`^${subnets.addressOf("n1-a")} dev cali\\w+ metric 1024`, "m"));
  });

  it("explain why an IPv6 address is reached, or not", async () => {
    const explain = (target: string) => subnets.run("n1", "calictl", "routes", "explain", target);
    const remote = await explain(subnets.addressOf("n3-a"));
    expect(remote.code).toBe(0);
    expect(remote.stdout).toMatch(/ok {2}pool +IPPool pods, fd00:10:244::\/112, direct\n/);
    expect(remote.stdout).toMatch(/ok {2}owner +node n3 owns it\nok {2}peer +Mesh_fd00_10_2__13 /);
    expect(remote.stdout).toContain("on node n3 leave by eth1.");
    expect((await explain(subnets.addressOf("n1-a"))).stdout).toContain(" is pod default/n1-a on this node.");
    const nobody = await explain(`${beginningOf(subnets.pools.pods)}:ffff`);
    expect(nobody).toMatchObject({ code: 1, stdout: expect.stringContaining("no node has claimed a block") });
  });

  it("translate what IPv6 pods send to the world if their pool says so, and nothing between pods", async () => {
    /** The sources that the router sees of pings from a pod of n1. */
    const sources = async (target: string) => {
      const capture = await WireCapture.start(subnets.routerNamespace, "n1", "icmp6");
      await inPod("n1-a", "ping", "-n", "-c", "2", "-W", "2", target);
      const requests = (await capture.stop()).filter(({ text }) => text.startsWith("ICMP6, echo request"));
      return [...new Set(requests.map(({ source }) => source))];
    };
    const [router, pod] = [nodesOf(6).n1.gateway, subnets.addressOf("n1-a")];
    expect(await sources(router)).toEqual([pod]);
    await subnets.applyPool("pods", { natOutgoing: true });
    const table = () => subnets.run("n1", "nft", "list", "table", "ip6", "calibird");
    await vi.waitFor(async () => expect((await table()).stdout).toContain(subnets.pools.pods), patience);
    expect(await sources(router)).toEqual([nodesOf(6).n1.address]);
    expect(await sources(subnets.addressOf("n3-a"))).toEqual([pod]);
    await subnets.applyPool("pods", { natOutgoing: false });
    await vi.waitFor(async () => expect(await sources(router)).toEqual([pod]), patience);
  });
});

describe("an agent that is killed and started again", () => {
  it("loses no packet of either family, and keeps sessions' routes at its peers", async () => {
    const pair = async (family: 4 | 6) =>
      Promise.all(
        (["n1", "n3"] as const).map((node) => {
          const other = node === "n1" ? "n3" : "n1";
          const from = { node, pod: `${node}-a` };
          return PingStream.start(subnets, from, subnets.addressOf(`${other}-a`, family), 0.01);
        }),
      );
    const streams = [...(await pair(4)), ...(await pair(6))];
    await subnets.lab.killNode("n1");
    await subnets.lab.startNode("n1");
    await subnets.settled();
    const reports = await Promise.all(streams.map((stream) => stream.stop()));
    for (const { lost, errors } of reports) expect({ lost, errors }).toEqual({ lost: [], errors: [] });
  });
});

describe("pods of a dual-stack node", () => {
  const poolOf = (address: string) => (address.includes(":") ? "v6" : "v4");
  const addressesOf = async (node: SubnetNode, name: string) => {
    await subnets.addPod(node, name);
    const shown = await inPod(name, "ip", "-o", "address", "show", "dev", "eth0", "scope", "global");
    return [...shown.matchAll(/inet6? (\S+)\/\d+ /g)].map(([, address = ""]) => address);
  };

  it("get an address of just the families that a pool offers, and give it back", async () => {
    await subnets.applyIpv4Pool("pods", { assignmentMode: "Manual" });
    const addresses = await vi.waitFor(async () => {
      const found = await addressesOf("n2", "n2-c");
      if (found.length === 1) return found;
      await subnets.deletePod("n2", "n2-c");
      throw new Error(`the agent has not heard of the pool yet: ${found}`);
    }, patience);
    expect(addresses.map(poolOf)).toEqual(["v6"]);
    await inPod("n1-a", "ping", "-n", "-c", "1", "-W", "2", addresses[0] ?? "");
    expect([...(await subnets.allocations()).keys()]).toContain(addresses[0]);
    await subnets.deletePod("n2", "n2-c");
    expect([...(await subnets.allocations()).keys()]).not.toContain(addresses[0]);
    await subnets.applyIpv4Pool("pods");
    expect(await blockRoutes(subnets, "n1", 4)).toHaveLength(4);
  });
});
