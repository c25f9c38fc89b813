import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeKeepalive, encodeOpen, encodeUpdates } from "../../src/bgp/packet/index.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { attributesOf, contextOf } from "../support/bgp.ts";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { globalPeer } from "./support/resources.ts";

const communities = "10.244.200.0/26";
const longPath = "10.244.200.64/26";
const onlyToCustomer = "10.244.200.128/26";
const aggregate = "10.244.200.192/26";

const senderConfig = `
protocol static blocks {
  ipv4;
  route ${communities} blackhole;
  route ${longPath} blackhole;
  route ${onlyToCustomer} blackhole;
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
      if net = ${communities} then {
        bgp_origin = ORIGIN_INCOMPLETE;
        bgp_med = 77;
        bgp_community.add((65000, 1));
        bgp_ext_community.add((rt, 64513, 5));
        bgp_ext_community.add((generic, 0x03000000, 0x1));
        bgp_large_community.add((4200000000, 1, 2));
      }
      if net = ${longPath} then {
        ${"bgp_path.prepend(65001);".repeat(300)}
      }
      if net = ${onlyToCustomer} then bgp_otc = 64999;
      accept;
    };
  };
}`;

const receiverConfig = `
protocol bgp n1 {
  local 10.0.0.252 as 64514;
  neighbor 10.0.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export none; };
}`;

/** What BIRD cannot be made to send: AGGREGATOR, ATOMIC_AGGREGATE and an attribute that nobody knows. */
const rawMessages = [
  encodeOpen({
    version: 4,
    myAs: 65010,
    holdTimeSec: 90,
    bgpIdentifier: IpAddress.parse("10.0.0.10").w0,
    capabilities: [
      { kind: "multiprotocol", afi: 1, safi: 1 },
      { kind: "four-octet-as", asNumber: 65010 },
    ],
  }),
  encodeKeepalive(),
  ...encodeUpdates(
    {
      withdrawals: [],
      announcements: [
        {
          family: "ipv4-unicast",
          nextHop: { address: IpAddress.parse("10.0.0.10") },
          nlri: [{ prefix: Prefix.parse(aggregate), pathId: 0 }],
        },
      ],
      attributes: attributesOf([65010], {
        atomicAggregate: true,
        aggregator: { asNumber: 4200000001, address: IpAddress.parse("192.0.2.9") },
        extendedCommunities: [0x4300000000000001n, 0x0002fdf200000007n],
        unknown: [{ flags: 0xc0, code: 0xee, value: Uint8Array.of(0xde, 0xad, 0xbe, 0xef) }],
      }),
    },
    contextOf("ebgp"),
  ),
].map((message) => Buffer.from(message).toString("hex"));

describe("attributes of routes that our node passes on between eBGP peers", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let receiver: BirdRouter;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: {
        r1: { address: "10.0.0.251", config: senderConfig },
        r2: { address: "10.0.0.252", config: receiverConfig },
      },
      machines: { x1: "10.0.0.10" },
      resources: [
        globalPeer("r1", "10.0.0.251", 64513),
        globalPeer("r2", "10.0.0.252", 64514),
        globalPeer("x1", "10.0.0.10", 65010),
      ],
    });
    node = lab.node("n1");
    receiver = lab.router("r2");
    void lab.run("x1", [
      process.execPath,
      fileURLToPath(new URL("support/raw-speaker.mjs", import.meta.url)),
      node.address,
      "10.0.0.10",
      ...rawMessages,
    ]);
    await vi.waitFor(async () => expect(await receiver.routes("n1")).toHaveLength(5), patient);
  });
  afterAll(() => lab?.down());

  const passedOn = async (wanted: string) =>
    (await receiver.routes("n1")).find(({ prefix }) => prefix === wanted)?.attributes;

  it("communities of all kinds and ORIGIN arrive; MED is ours, since a MED is for the neighbour only", async () => {
    expect(await node.route(communities)).toMatchObject({
      state: "installed",
      nextHop: "10.0.0.251",
      bgp: {
        peer: "Global_10_0_0_251",
        asPath: "64513",
        med: 77,
        origin: "incomplete",
        communities: ["65000:1", "rt:64513:5", "0x0300000000000001", "4200000000:1:2"],
      },
    });
    expect(await passedOn(communities)).toEqual({
      Type: "BGP univ",
      "BGP.origin": "Incomplete",
      "BGP.as_path": "64512 64513",
      "BGP.next_hop": "10.0.0.1",
      "BGP.med": "100",
      "BGP.local_pref": "100",
      "BGP.community": "(65000,1)",
      "BGP.ext_community": "(rt, 64513, 5) (generic, 0x3000000, 0x1)",
      "BGP.large_community": "(4200000000, 1, 2)",
    });
  });

  it("an AS_PATH of 301 hops arrives with our own in front", async () => {
    const hops = [64513, ...Array<number>(300).fill(65001)];
    expect((await node.route(longPath))?.bgp?.asPath).toBe(hops.join(" "));
    // BIRD does not print that many.
    const longest = await receiver.birdc(
      "show",
      "route",
      "where",
      "bgp_path.len = 302 && bgp_path ~ [= 64512 64513 65001 * =]",
    );
    expect(longest).toContain(longPath);
  });

  it("OTC arrives unchanged where we have no role", async () => {
    expect((await passedOn(onlyToCustomer))?.["BGP.otc"]).toBe("64999");
  });

  it("AGGREGATOR, ATOMIC_AGGREGATE and an attribute that nobody knows arrive, the last marked as partial", async () => {
    expect(await passedOn(aggregate)).toMatchObject({
      "BGP.as_path": "64512 65010",
      "BGP.aggregator": "192.0.2.9 AS4200000001",
      "BGP.atomic_aggr": "",
      "BGP.ee [t]": "de ad be ef",
    });
  });

  it("a non-transitive extended community goes no further than to us", async () => {
    expect((await node.route(aggregate))?.bgp?.communities).toEqual(["0x4300000000000001", "rt:65010:7"]);
    expect((await passedOn(aggregate))?.["BGP.ext_community"]).toBe("(rt, 65010, 7)");
  });

  it("explain names the path and the peer", async () => {
    const { steps, reachable } = await node.explain("10.244.200.1");
    expect(reachable).toBe(true);
    expect(steps.map(({ text }) => text).join("\n")).toMatch(/Global_10_0_0_251.*64513/s);
  });

  it("nobody complains", async () => {
    for (const name of ["r1", "r2"]) {
      const router = lab.router(name);
      expect(router.complaints([/n1: Received: Connection rejected$/])).toEqual([]);
      expect((await router.capture.sentBy(node.address)).complaints).toEqual([]);
    }
  });
});
