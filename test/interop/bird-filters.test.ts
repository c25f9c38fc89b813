import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { HistoryView } from "../../src/agent/api/views.ts";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { clusterBgp, globalPeer } from "./support/resources.ts";

const routerConfig = `
protocol static blocks {
  ipv4;
  route 10.244.200.0/26 blackhole;
  route 10.244.200.64/26 blackhole;
  route 172.30.0.0/16 blackhole;
  route 172.31.0.0/24 blackhole;
}
protocol bgp n1 {
  local 10.0.0.251 as 64513;
  neighbor 10.0.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 {
    import all;
    export filter {
      if source != RTS_STATIC then reject;
      if net = 10.244.200.64/26 then bgp_community.add((64513, 66));
      accept;
    };
  };
}`;

const filter = (name: string, spec: object) => ({
  apiVersion: "projectcalico.org/v3",
  kind: "BGPFilter",
  metadata: { name },
  spec,
});

const ofBird = (prefix: string) => /^(10\.244\.200|172)\./.test(prefix);

describe("BGPFilters of a BGPPeer, with BIRD at the other end", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let bird: BirdRouter;
  let block = "";

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: { r1: { address: "10.0.0.251", config: routerConfig } },
      resources: [
        clusterBgp({
          communities: [{ name: "pods", value: "64512:7" }],
          prefixAdvertisements: [{ cidr: "10.244.0.0/16", communities: ["pods", "64512:1:2"] }],
          serviceClusterIPs: [{ cidr: "10.96.0.0/12" }],
        }),
        filter("first", { importV4: [{ communities: { values: ["64513:66"] }, action: "Reject" }] }),
        filter("second", {
          importV4: [{ cidr: "172.16.0.0/12", matchOperator: "In", prefixLength: { max: 20 }, action: "Reject" }],
        }),
        globalPeer("r1", "10.0.0.251", 64513, { filters: ["first", "second"] }),
      ],
    });
    node = lab.node("n1");
    bird = lab.router("r1");
    await vi.waitFor(async () => expect(await bird.routes("n1")).toHaveLength(2), patient);
    block = (await node.routes()).find(({ kind }) => kind === "local-block")?.prefix ?? "";
  });
  afterAll(() => lab?.down());

  const learned = async () => (await node.routes()).map(({ prefix }) => prefix).filter(ofBird);
  const announced = async (prefix: string) =>
    (await bird.routes("n1")).find((route) => route.prefix === prefix)?.attributes;

  it("keep out what they reject, and explain names the rule", async () => {
    await vi.waitFor(async () => expect(await learned()).toEqual(["10.244.200.0/26", "172.31.0.0/24"]), patient);
    // What is rejected comes in a message of its own, after the others' routes perhaps.
    await vi.waitFor(async () => {
      const { steps } = await node.explain("10.244.200.64/26");
      expect(steps.map(({ text }) => text).join("\n")).toContain("rule BGPFilter first importV4[0] rejected");
    }, patient);
  });

  it("leave communities and service ranges of the BGPConfiguration to the rules behind them", async () => {
    expect(await announced(block)).toMatchObject({
      "BGP.as_path": "64512",
      "BGP.community": "(64512,7)",
      "BGP.large_community": "(64512, 1, 2)",
    });
    expect(await announced("10.96.0.0/12")).toMatchObject({ "BGP.as_path": "64512" });
  });

  it("take force when they change, and the session stays", async () => {
    await node.apply(
      filter("first", {}),
      filter("second", {
        exportV4: [
          {
            cidr: "10.244.0.0/16",
            matchOperator: "In",
            action: "Accept",
            operations: [{ prependASPath: { prefix: [65010] } }, { addCommunity: { value: "64512:8" } }],
          },
          { cidr: "10.96.0.0/12", matchOperator: "Equal", action: "Reject" },
        ],
      }),
    );
    await vi.waitFor(
      async () =>
        expect(await learned()).toEqual(["10.244.200.0/26", "10.244.200.64/26", "172.30.0.0/16", "172.31.0.0/24"]),
      patient,
    );
    await vi.waitFor(
      async () =>
        expect(await announced(block)).toMatchObject({
          "BGP.as_path": "64512 65010",
          "BGP.community": "(64512,8)",
        }),
      patient,
    );
    expect(await announced("10.96.0.0/12")).toBeUndefined();
    expect(await node.peer("10.0.0.251")).toMatchObject({ state: "Established", timesEstablished: 1 });
  });

  it("let nothing through when they are gone, and the session stays", async () => {
    await node.run(["calictl", "delete", "bgpfilter", "second"]);
    await vi.waitFor(async () => expect(await learned()).toEqual([]), patient);
    await vi.waitFor(async () => expect(await bird.routes("n1")).toEqual([]), patient);
    expect(await node.peer("10.0.0.251")).toMatchObject({ state: "Established", timesEstablished: 1 });
    expect(await node.run(["calictl", "node", "status"])).toContain("there is no BGPFilter second");
  });

  it("can be asked afterwards what they did", async () => {
    const history = async (...argv: string[]): Promise<HistoryView[]> =>
      JSON.parse(await node.run(["calictl", "routes", "history", ...argv, "-o", "json"]));
    const events = await history("10.244.200.64/26");
    expect(events).toMatchObject([
      { kind: "refused", peer: "Global_10_0_0_251", text: expect.stringContaining("BGPFilter first importV4[0]") },
      { kind: "best-path", peer: "Global_10_0_0_251", prefix: "10.244.200.64/26", rule: null },
      { kind: "refused", text: expect.stringContaining("BGPFilter second does not exist") },
      { kind: "best-path", peer: null, text: "no path is left" },
    ]);
    expect((await history("--since", "1h")).filter(({ kind }) => kind === "session")).toMatchObject([
      { peer: "Global_10_0_0_251", text: "Established" },
    ]);
    expect(await node.run(["calictl", "routes", "history", "172.16.0.0/12"])).toMatch(
      /^TIME +WHAT +PREFIX +PEER +RULE +TEXT\n.*refused +172\.30\.0\.0\/16/,
    );
  });

  it("nobody complains", async () => {
    expect(bird.complaints([/n1: Received: Connection rejected$/])).toEqual([]);
    expect((await bird.capture.sentBy(node.address)).complaints).toEqual([]);
  });
});
