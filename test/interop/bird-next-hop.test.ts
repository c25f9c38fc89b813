import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { calicoNode, globalPeer } from "./support/resources.ts";

const run = promisify(execFile);
const prefix = "10.244.250.0/26";

const router = (address: string, protocols: string, exports: string) => `
${protocols}
protocol bgp n1 {
  local ${address} as 64512;
  neighbor 10.0.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export ${exports}; };
}`;

/** The next hop is behind a router that only a static route of our node knows of. */
const sending = (localPref: number, nextHop: string) =>
  `filter {
    if source != RTS_STATIC then reject;
    bgp_local_pref = ${localPref};
    bgp_next_hop = ${nextHop};
    accept;
  }`;
const block = `protocol static blocks { ipv4; route ${prefix} blackhole; }`;

describe("a route whose next hop is behind other routes", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let receiver: BirdRouter;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1" } },
      routers: {
        r1: { address: "10.0.0.251", config: router("10.0.0.251", block, sending(200, "192.0.2.1")) },
        r2: { address: "10.0.0.252", config: router("10.0.0.252", block, sending(100, "192.0.2.2")) },
        r3: { address: "10.0.0.253", config: router("10.0.0.253", "", "none") },
      },
      resources: [
        calicoNode("n1", "10.0.0.1", { routeReflectorClusterID: "224.0.0.1" }),
        globalPeer("r1", "10.0.0.251", 64512),
        globalPeer("r2", "10.0.0.252", 64512),
        globalPeer("r3", "10.0.0.253", 64512),
      ],
    });
    node = lab.node("n1");
    receiver = lab.router("r3");
  });
  afterAll(() => lab?.down());

  const route = (...words: string[]) => run("ip", ["-n", node.networkNamespace, "route", ...words]);
  const told = async () =>
    (await receiver.routes("n1")).find((found) => found.prefix === prefix)?.attributes["BGP.next_hop"];

  it("is not used and told to nobody, and the operator sees why", async () => {
    // Of two next hops that both cannot be reached, the one that is shown may be that of either path.
    await vi.waitFor(
      async () =>
        expect(await node.route(prefix)).toMatchObject({
          state: "unresolved",
          nextHop: expect.stringMatching(/^192\.0\.2\.[12]$/),
          reason: expect.stringMatching(/no route to next hop 192\.0\.2\.[12]/),
        }),
      patient,
    );
    expect(await told()).toBeUndefined();
    await vi.waitFor(async () => {
      const { steps } = await node.explain(prefix);
      expect(steps.map(({ text }) => text).join("\n")).toMatch(/next hop 192\.0\.2\.[12] cannot be reached/);
    }, patient);
  });

  it("is used as soon as a route leads there, and the better one is when that can be", async () => {
    await route("add", "192.0.2.2/32", "via", "10.0.0.252");
    await vi.waitFor(async () => expect(await told()).toBe("192.0.2.2"), patient);
    await vi.waitFor(
      async () => expect(await node.kernelRoute(prefix)).toMatchObject({ gateway: "10.0.0.252" }),
      patient,
    );
    await route("add", "192.0.2.1/32", "via", "10.0.0.251");
    await vi.waitFor(async () => expect(await told()).toBe("192.0.2.1"), patient);
    await vi.waitFor(
      async () => expect(await node.kernelRoute(prefix)).toMatchObject({ gateway: "10.0.0.251" }),
      patient,
    );
  });

  it("gives way to the other one when its way goes", async () => {
    await route("del", "192.0.2.1/32");
    await vi.waitFor(async () => expect(await told()).toBe("192.0.2.2"), patient);
    await vi.waitFor(
      async () => expect(await node.kernelRoute(prefix)).toMatchObject({ gateway: "10.0.0.252" }),
      patient,
    );
    await route("del", "192.0.2.2/32");
    await vi.waitFor(async () => expect(await told()).toBeUndefined(), patient);
    await vi.waitFor(async () => expect((await node.route(prefix))?.state).toBe("unresolved"), patient);
  });

  it("nobody complains", async () => {
    for (const name of ["r1", "r2", "r3"])
      expect(lab.router(name).complaints([/n1: Received: Connection rejected$/])).toEqual([]);
  });
});
