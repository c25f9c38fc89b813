import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import { patient } from "./support/patience.ts";

const routerConfig = `
protocol bfd {
  interface "eth1" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };
}
protocol static blocks { ipv4; route 172.30.0.0/16 blackhole; }
protocol bgp n1 {
  local 10.0.0.251 as 64513;
  neighbor 10.0.0.1 as 64512;
  bfd graceful;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  hold time 240;
  ipv4 { import all; export where source = RTS_STATIC; };
}`;

const watched = {
  apiVersion: "projectcalico.org/v3",
  kind: "BGPPeer",
  metadata: { name: "r1", annotations: { "calibird.io/bfd": "interval=100ms", "calibird.io/hold-time": "240s" } },
  spec: { peerIP: "10.0.0.251", asNumber: 64513 },
};

describe("a BGPPeer that is watched with BFD, with BIRD at the other end", () => {
  let lab: BirdLab;
  let node: AgentNode;
  const learned = async () => (await node.routes()).some(({ prefix }) => prefix === "172.30.0.0/16");

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: { r1: { address: "10.0.0.251", config: routerConfig } },
      resources: [watched],
    });
    node = lab.node("n1");
    await vi.waitFor(
      async () => expect(await node.peer("10.0.0.251")).toMatchObject({ state: "Established", bfd: { state: "Up" } }),
      patient,
    );
    await vi.waitFor(async () => expect(await learned()).toBe(true), patient);
  });
  afterAll(() => lab?.down());

  it("is Up with the timers of both, and the CLI shows it", async () => {
    await vi.waitFor(
      async () =>
        expect((await node.peer("10.0.0.251")).bfd).toMatchObject({ transmitIntervalMs: 100, detectionTimeMs: 300 }),
      patient,
    );
    const { stdout } = await lab.run("n1", ["calictl", "peers"]);
    expect(stdout).toMatch(/PEER .* BFD/);
    expect(stdout).toMatch(/Global_10_0_0_251 .* Up/);
  });

  it("is given up long before its hold time of 240 s when frames get lost, with its routes, and comes back", async () => {
    await lab.setForwarding("r1", false);
    const cut = Date.now();
    await vi.waitFor(
      async () => {
        const peer = await node.peer("10.0.0.251");
        expect(peer.reason).toMatch(/BFD Down: BFD: control detection time expired/);
        expect(peer.bfd).toMatchObject({ state: "Down", reason: "control detection time expired" });
      },
      { ...patient, interval: 20 },
    );
    await vi.waitFor(async () => expect(await learned()).toBe(false), patient);
    expect(Date.now() - cut).toBeLessThan(240_000);
    await lab.setForwarding("r1", true);
    await vi.waitFor(
      async () => expect(await node.peer("10.0.0.251")).toMatchObject({ state: "Established", bfd: { state: "Up" } }),
      patient,
    );
    await vi.waitFor(async () => expect(await learned()).toBe(true), patient);
  });

  it("keeps our routes over a restart of ours if its configuration says `bfd graceful`", async () => {
    const router = lab.router("r1");
    const kept = async () => (await router.routes("n1")).length;
    const before = await kept();
    expect(before).toBeGreaterThan(0);
    await node.kill("SIGTERM");
    await vi.waitFor(async () => expect(await router.keepsStaleRoutes("n1")).toBe(true), patient);
    expect(await kept()).toBe(before);
    // It may still be stopping.
    await vi.waitFor(() => node.start(), patient);
    await vi.waitFor(
      async () => expect(await node.peer("10.0.0.251")).toMatchObject({ state: "Established", bfd: { state: "Up" } }),
      patient,
    );
    await vi.waitFor(async () => expect(await router.keepsStaleRoutes("n1")).toBe(false), patient);
    expect(await kept()).toBe(before);
  });
});
