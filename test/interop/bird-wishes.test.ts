import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import { patient } from "./support/patience.ts";

const run = promisify(execFile);
const shared = "10.244.250.0/26";
const dropped = "10.244.251.0/26";
const leaving = "10.244.252.0/26";

const router = (address: string, localAs: number, statics: readonly string[], filter: string) => `
protocol static blocks { ipv4; ${statics.map((prefix) => `route ${prefix} blackhole;`).join(" ")} }
protocol bgp n1 {
  local ${address} as ${localAs};
  neighbor 10.0.0.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export filter { if source != RTS_STATIC then reject; ${filter} accept; }; };
}`;

/** Link bandwidth in octets per second, as BIRD takes an extended community that it does not know by name. */
const bandwidth = (megabytes: number) => {
  const octets = new DataView(new ArrayBuffer(4));
  octets.setFloat32(0, megabytes * 1e6);
  return `bgp_ext_community.add((generic, 0x0004fc01, 0x${octets.getUint32(0).toString(16)}));`;
};

const peer = (name: string, peerIP: string, asNumber: number, annotations: Record<string, string> = {}) => ({
  apiVersion: "projectcalico.org/v3",
  kind: "BGPPeer",
  metadata: { name, annotations },
  spec: { peerIP, asNumber },
});

describe("what BIRD asks for by communities, and what it may not do", () => {
  let lab: BirdLab;
  let node: AgentNode;

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1" } },
      routers: {
        r1: {
          address: "10.0.0.251",
          config: router(
            "10.0.0.251",
            64513,
            [shared, dropped, leaving],
            `if net = ${shared} then { ${bandwidth(2500)} }
             if net = ${dropped} then bgp_community.add((65535, 666));
             if net = ${leaving} then bgp_community.add((65535, 0));`,
          ),
        },
        r2: {
          address: "10.0.0.252",
          config: router(
            "10.0.0.252",
            64514,
            [shared, leaving],
            `if net = ${shared} then { ${bandwidth(1250)} }
             if net = ${leaving} then { bgp_path.prepend(65001); bgp_path.prepend(65001); }`,
          ),
        },
        r3: {
          address: "10.0.0.253",
          config: router("10.0.0.253", 64515, ["172.30.0.0/24", "172.30.1.0/24", "172.30.2.0/24"], ""),
        },
      },
      resources: [
        peer("r1", "10.0.0.251", 64513, { "calibird.io/blackhole": "true" }),
        peer("r2", "10.0.0.252", 64514),
        peer("r3", "10.0.0.253", 64515, { "calibird.io/max-prefix": "2:restart:3600" }),
      ],
    });
    node = lab.node("n1");
  });
  afterAll(() => lab?.down());

  it("link bandwidth weighs the next hops in the kernel", async () => {
    await vi.waitFor(async () => {
      const { stdout } = await run("ip", ["-n", node.networkNamespace, "-json", "route", "show", shared]);
      const [route] = JSON.parse(stdout) as { nexthops?: { gateway: string; weight: number }[] }[];
      expect(route?.nexthops?.map(({ gateway, weight }) => `${gateway} ${weight}`).sort()).toEqual([
        "10.0.0.251 100",
        "10.0.0.252 50",
      ]);
    }, patient);
  });

  it("BLACKHOLE has the packets dropped, where that is allowed", async () => {
    await vi.waitFor(async () => {
      const { stdout } = await run("ip", ["-n", node.networkNamespace, "-json", "route", "show", dropped]);
      expect(JSON.parse(stdout)).toMatchObject([{ type: "blackhole", dst: dropped }]);
    }, patient);
    expect(await node.route(dropped)).toMatchObject({ mode: "blackhole", state: "installed" });
  });

  it("GRACEFUL_SHUTDOWN makes a path the last choice, however short it is", async () => {
    await vi.waitFor(
      async () => expect(await node.route(leaving)).toMatchObject({ nextHop: "10.0.0.252", state: "installed" }),
      patient,
    );
    const { steps } = await node.explain(leaving);
    expect(steps.map(({ text }) => text).join("\n")).toContain("lower LOCAL_PREF: 0 < 100 (rule local-pref)");
  });

  it("too many routes end the session with a Cease that BIRD understands, and it rests", async () => {
    await vi.waitFor(
      async () =>
        expect(await node.peer("10.0.0.253")).toMatchObject({
          state: "Idle",
          reason: expect.stringContaining("more than 2 ipv4-unicast routes; tried again after 3600 s"),
        }),
      patient,
    );
    await vi.waitFor(
      () =>
        expect(lab.router("r3").complaints([])).toContainEqual(
          expect.stringContaining("Maximum number of prefixes reached"),
        ),
      patient,
    );
    expect((await node.routes()).filter(({ prefix }) => prefix.startsWith("172.30."))).toEqual([]);
    await node.apply(peer("r3", "10.0.0.253", 64515, { "calibird.io/max-prefix": "3:restart:3600" }));
    await vi.waitFor(
      async () => expect(await node.peer("10.0.0.253")).toMatchObject({ state: "Established" }),
      patient,
    );
    await vi.waitFor(
      async () => expect((await node.routes()).filter(({ prefix }) => prefix.startsWith("172.30."))).toHaveLength(3),
      patient,
    );
  });
});
