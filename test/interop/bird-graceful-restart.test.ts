import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { globalPeer } from "./support/resources.ts";
import type { RouteWatch } from "./support/route-watch.ts";

const kept = "172.31.0.0/24";
const forgotten = "172.31.1.0/24";

const configOf = (restartTimeSec: number, prefixes: readonly string[]) => `
protocol static services { ipv4; ${prefixes.map((prefix) => `route ${prefix} blackhole;`).join(" ")} }
protocol bgp n1 {
  local 10.0.0.254 as 64513;
  neighbor 10.0.0.1 as 64512;
  graceful restart on;
  graceful restart time ${restartTimeSec};
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  debug { states, routes, events };
  ipv4 { import all; export where source = RTS_STATIC; };
}`;

describe("graceful restart with BIRD", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let router: BirdRouter;
  let watch: RouteWatch;
  let block: string;

  const gateways = async () => (await node.kernelRoutes()).map(({ dst, gateway }) => `${dst} via ${gateway}`).sort();
  const both = [`${kept} via 10.0.0.254`, `${forgotten} via 10.0.0.254`];

  const established = () =>
    vi.waitFor(async () => {
      expect(await router.isEstablished("n1")).toBe(true);
      expect(await node.peer("10.0.0.254")).toMatchObject({ state: "Established", routes: { stale: 0 } });
    }, patient);

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1", pods: ["n1-a"] } },
      routers: { r1: { address: "10.0.0.254", config: configOf(30, [kept, forgotten]) } },
      resources: [globalPeer("r1", "10.0.0.254", 64513)],
    });
    node = lab.node("n1");
    router = lab.router("r1");
    await established();
    await vi.waitFor(async () => expect(await gateways()).toEqual(both), patient);
    block = (await node.routes()).find(({ kind }) => kind === "local-block")?.prefix ?? "";
    watch = await node.watchRoutes();
  });
  afterAll(() => lab?.down());

  describe("when BIRD dies and comes back in time", () => {
    it("its routes stay in our kernel, marked as stale", async () => {
      await router.kill();
      await vi.waitFor(
        async () =>
          expect((await node.routes()).filter(({ state }) => state === "stale").map(({ prefix }) => prefix)).toEqual([
            kept,
            forgotten,
          ]),
        patient,
      );
      expect(await gateways()).toEqual(both);
      expect((await node.peer("10.0.0.254")).state).not.toBe("Established");
    });

    it("those that it announces again never leave, and the others go with its End-of-RIB", async () => {
      router.rewrite(configOf(30, [kept]));
      await router.start(true);
      await established();
      await vi.waitFor(async () => expect(await gateways()).toEqual([`${kept} via 10.0.0.254`]), patient);
      expect(await node.route(kept)).toMatchObject({ state: "installed" });
      expect(await node.route(forgotten)).toBeUndefined();
      expect(await watch.removals(kept)).toEqual([]);
      expect(await watch.removals(forgotten)).toHaveLength(1);
    });
  });

  describe.each(["SIGKILL", "SIGTERM"] as const)("when our agent ends by %s and comes back", (signal) => {
    it("BIRD keeps our block all the time, and hears End-of-RIB", async () => {
      const before = router.log.length;
      const seen: string[] = [];
      let done = false;
      const watching = (async () => {
        while (!done) seen.push((await router.routes("n1")).map(({ prefix }) => prefix).join());
      })();
      await node.kill(signal);
      await vi.waitFor(() => expect(node.isRunning).toBe(false), patient);
      await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(false), patient);
      expect(await router.keepsStaleRoutes("n1")).toBe(true);
      await node.start();
      await vi.waitFor(async () => {
        expect(await router.isEstablished("n1")).toBe(true);
        expect(await router.keepsStaleRoutes("n1")).toBe(false);
      }, patient);
      done = true;
      await watching;
      expect(seen.length).toBeGreaterThan(5);
      expect(new Set(seen)).toEqual(new Set([block]));
      const log = router.log.slice(before);
      expect(log.filter((line) => /n1.*removed/.test(line))).toEqual([]);
      expect(log.filter((line) => line.includes("n1: Neighbor graceful restart done"))).toHaveLength(1);
    });

    it("our kernel keeps BIRD's route all the time", async () => {
      await established();
      expect(await gateways()).toEqual([`${kept} via 10.0.0.254`]);
      await vi.waitFor(async () => expect(await node.route(kept)).toMatchObject({ state: "installed" }), patient);
      expect(await watch.removals(kept)).toEqual([]);
    });
  });

  it("when BIRD does not come back its routes go after its restart time, not before", async () => {
    await router.configure(configOf(3, [kept]));
    await vi.waitFor(async () => expect(await router.protocol("n1")).toMatch(/Restart time: 3\n/), patient);
    await established();
    await vi.waitFor(async () => expect(await gateways()).toEqual([`${kept} via 10.0.0.254`]), patient);
    const removedBefore = (await watch.removals(kept)).length;
    await router.kill();
    const killedAt = performance.now();
    await vi.waitFor(async () => expect(await node.route(kept)).toMatchObject({ state: "stale" }), patient);
    await vi.waitFor(async () => expect(await gateways()).toEqual([]), patient);
    expect(performance.now() - killedAt).toBeGreaterThan(2_900);
    expect(await watch.removals(kept)).toHaveLength(removedBefore + 1);
  });

  it("leaves neither BIRD nor tshark anything to complain about", async () => {
    expect(router.complaints([])).toEqual([]);
    const { complaints } = await router.capture.sentBy(node.address);
    expect(complaints).toEqual([]);
  });
});
