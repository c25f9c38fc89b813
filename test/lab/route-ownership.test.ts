import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AgentLab, patience } from "./support/agent-lab.ts";
import { kernelRoutes } from "./support/kernel-routes.ts";

let agents: AgentLab;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26 });
});
afterAll(() => agents?.down());

/** A repair takes some 30 ms; the rest is for a busy machine. */
const soon = { timeout: 5_000, interval: 10 };

const ip = (...words: string[]) => agents.succeed("n1", "ip", "route", ...words);
const ownRoutes = () => kernelRoutes(agents, "n1");

/** The routes of everybody at a prefix, as `ip route` prints them. */
async function routesAt(prefix: string): Promise<string[]> {
  const stdout = await ip("show", "exact", prefix);
  return stdout.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
}

async function prefixOf(kind: string): Promise<string> {
  const prefix = (await agents.routes("n1")).find((route) => route.kind === kind)?.prefix;
  expect(prefix, kind).toBeDefined();
  return prefix ?? "";
}

const repaired = ["workload", "local-block", "remote-block", "external"] as const;

describe("a route of ours", () => {
  it.each(repaired)("that is deleted by hand comes back: %s", async (kind) => {
    const before = await ownRoutes();
    const prefix = await prefixOf(kind);
    await ip("del", prefix, "proto", "202");
    await vi.waitFor(async () => expect(await ownRoutes()).toEqual(before), soon);
    expect(await agents.route("n1", prefix)).toMatchObject({ state: "installed" });
  });

  it("that is sent elsewhere by hand is put right: next hop, type, device", async () => {
    const before = await ownRoutes();
    const remote = await prefixOf("remote-block");
    const local = await prefixOf("local-block");
    const workload = await prefixOf("workload");
    await ip("replace", remote, "via", "10.0.0.254", "dev", "eth1", "proto", "202", "metric", "1024");
    await ip("replace", "unreachable", local, "proto", "202");
    await ip("replace", workload, "dev", "eth1", "proto", "202", "metric", "1024");
    await vi.waitFor(async () => expect(await ownRoutes()).toEqual(before), soon);
  });

  it("that another program keeps deleting is written with pauses, which the status and the log tell once", async () => {
    const prefix = await prefixOf("external");
    const logged = () => agents.log("n1").split("another program fights over routes").length - 1;
    const problems = async () => (await agents.status("n1")).node.problems;
    const fight = async () => {
      await agents.run("n1", "ip", "route", "del", prefix, "proto", "202");
      expect(await problems()).toEqual([
        expect.stringContaining(`another program fights over 1 route, first ${prefix}`),
      ]);
    };
    await vi.waitFor(fight, patience);
    expect(await agents.succeed("n1", "calictl", "node", "status")).toContain("another program fights over 1 route");
    await vi.waitFor(
      async () => expect(await agents.route("n1", prefix)).toMatchObject({ state: "installed" }),
      patience,
    );
    await vi.waitFor(() => expect(logged()).toBe(1), patience);
    expect(await problems()).toHaveLength(1);
    // It goes on, so it is still the same fight.
    await agents.run("n1", "ip", "route", "del", prefix, "proto", "202");
    await vi.waitFor(async () => expect(await routesAt(prefix)).toEqual([]), soon);
    await vi.waitFor(async () => expect(await routesAt(prefix)).toHaveLength(1), patience);
    expect(logged()).toBe(1);
  });

  it("that nobody has asked for is removed", async () => {
    await ip("add", "192.0.2.0/24", "via", "10.0.0.2", "proto", "202");
    await vi.waitFor(async () => expect(await routesAt("192.0.2.0/24")).toEqual([]), soon);
  });

  it("comes back after its device was down, and after the device's address was gone", async () => {
    const before = await ownRoutes();
    await agents.succeed("n1", "ip", "link", "set", "eth1", "down");
    await agents.succeed("n1", "ip", "link", "set", "eth1", "up");
    await vi.waitFor(async () => expect(await ownRoutes()).toEqual(before), patience);
    await agents.succeed("n1", "ip", "addr", "del", "10.0.0.1/24", "dev", "eth1");
    await agents.succeed("n1", "ip", "addr", "add", "10.0.0.1/24", "dev", "eth1");
    await vi.waitFor(async () => expect(await ownRoutes()).toEqual(before), patience);
    await agents.settled();
    expect(await agents.unreachable()).toEqual([]);
  });
});

describe("somebody else's route", () => {
  it("that has a key of ours stays, is shown as a conflict, and ours takes over when it goes", async () => {
    const before = await ownRoutes();
    const prefix = await prefixOf("remote-block");
    await ip("replace", prefix, "via", "10.0.0.254", "dev", "eth1", "proto", "static", "metric", "1024");
    await vi.waitFor(async () => expect((await agents.route("n1", prefix))?.state).toBe("conflict"), soon);
    expect((await agents.route("n1", prefix))?.reason).toContain("static (4)");
    const foreign = [`${prefix} via 10.0.0.254 dev eth1 proto static metric 1024`];
    expect(await routesAt(prefix)).toEqual(foreign);
    expect((await agents.run("n1", "calictl", "routes", "explain", prefix)).code).toBe(1);
    const summary = `other programs' routes are in the way of 1 route, first ${prefix}: route of protocol static (4)`;
    expect((await agents.status("n1")).node.problems).toContainEqual(expect.stringContaining(summary));
    expect(await agents.succeed("n1", "calictl", "node", "status")).toContain(summary);

    // A change of the cluster must not make the agent take what is not its own.
    const pod = await agents.addPod("n1", "n1-more");
    await agents.deletePod("n1", pod.name);
    expect(await routesAt(prefix)).toEqual(foreign);

    await ip("del", prefix, "proto", "static");
    await vi.waitFor(async () => expect(await ownRoutes()).toEqual(before), soon);
    expect(await agents.route("n1", prefix)).toMatchObject({ state: "installed" });
  });

  it("elsewhere, and one of another metric at a prefix of ours, stay untouched", async () => {
    const before = await ownRoutes();
    const prefix = await prefixOf("remote-block");
    await ip("add", "203.0.113.0/24", "via", "10.0.0.254", "proto", "static");
    await ip("add", prefix, "via", "10.0.0.254", "proto", "static", "metric", "5000");
    await ip("add", "10.244.250.0/24", "via", "10.0.0.254", "proto", "static");
    await ip("del", prefix, "proto", "202");
    await vi.waitFor(async () => expect(await ownRoutes()).toEqual(before), soon);
    const pod = await agents.addPod("n1", "n1-more");
    await agents.deletePod("n1", pod.name);
    expect(await routesAt("203.0.113.0/24")).toHaveLength(1);
    expect(await routesAt("10.244.250.0/24")).toHaveLength(1);
    expect(await routesAt(prefix)).toHaveLength(2);
    for (const [target, ...rest] of [["203.0.113.0/24"], ["10.244.250.0/24"], [prefix, "metric", "5000"]])
      await ip("del", target ?? "", "proto", "static", ...rest);
    expect(await ownRoutes()).toEqual(before);
  });

  it("survives the agent's restart, and a conflict is seen again", async () => {
    const prefix = await prefixOf("remote-block");
    await ip("replace", prefix, "via", "10.0.0.254", "dev", "eth1", "proto", "static", "metric", "1024");
    await agents.lab.killNode("n1");
    await agents.lab.startNode("n1");
    const state = async () => (await agents.route("n1", prefix))?.state;
    await vi.waitFor(async () => expect(await state()).toBe("conflict"), patience);
    expect(await routesAt(prefix)).toHaveLength(1);
    await ip("del", prefix, "proto", "static");
    await vi.waitFor(async () => expect(await state()).toBe("installed"), soon);
    await agents.settled();
  });
});
