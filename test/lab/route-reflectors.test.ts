import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { NodeStatusView, PodView, RouteView } from "../../src/agent/api/views.ts";
import { AgentClient } from "../../src/calictl/agent-client.ts";
import { Lab } from "../../src/lab/lab.ts";
import { PingStream } from "./support/ping-stream.ts";

const clients = ["n1", "n2", "n3", "n4"] as const;
const reflectors = ["rr1", "rr2"] as const;
const all = [...clients, ...reflectors];
type NodeName = (typeof all)[number];

/** Six agents that start and are asked by turns on a busy machine. */
const patience = { timeout: 60_000, interval: 100 };

describe("a cluster that goes from a mesh to route reflectors", () => {
  let folder: string;
  let lab: Lab;
  const addresses = new Map<NodeName, string>();

  const runDirectory = (node: string) => lab.nodes.find(({ name }) => name === node)?.runDirectory ?? "";
  const host = {
    run: (node: string, ...argv: string[]) => lab.exec(node, argv),
    runFile: (node: string, name: string) => join(runDirectory(node), name),
  };
  const client = (node: NodeName) => new AgentClient({ runDir: runDirectory(node), waitMs: 0 });

  async function succeed(node: NodeName, ...argv: string[]): Promise<void> {
    const { code, stdout, stderr } = await lab.exec(node, argv);
    expect(code, `${argv.join(" ")}: ${stdout}${stderr}`).toBe(0);
  }

  const step = (file: string) => succeed("n1", "calictl", "apply", "-f", `/etc/calibird/steps/${file}`);

  /** Waits until each node has sessions of these names, all up and complete, and routes to the blocks of all others. */
  async function settled(sessionsOf: (node: NodeName) => readonly string[]): Promise<void> {
    await vi.waitFor(async () => {
      for (const node of all) {
        const { peers, node: view } = await client(node).get<NodeStatusView>("/v1/status");
        expect(peers.map(({ name, state }) => `${name} ${state}`).sort(), node).toEqual(
          sessionsOf(node)
            .map((name) => `${name} Established`)
            .sort(),
        );
        expect(
          peers.filter(({ routes }) => routes.stale > 0).map(({ name }) => name),
          node,
        ).toEqual([]);
        expect(view.converged, node).toBe(true);
        const routes = await client(node).get<RouteView[]>("/v1/routes");
        const remote = routes.filter(({ kind, state }) => kind === "remote-block" && state === "installed");
        expect(remote.map(({ node: owner }) => owner).sort(), node).toEqual(all.filter((name) => name !== node).sort());
      }
    }, patience);
  }

  const session = (kind: "Mesh" | "Node", node: NodeName) => {
    const index = all.indexOf(node);
    return `${kind}_10_0_0_${index < clients.length ? index + 1 : index - clients.length + 11}`;
  };
  const isReflector = (node: NodeName) => reflectors.some((name) => name === node);
  const mesh = (node: NodeName) => all.filter((name) => name !== node).map((name) => session("Mesh", name));
  /** A session of every pair of which one is a reflector. */
  const toReflectors = (node: NodeName) =>
    all
      .filter((name) => name !== node && (isReflector(node) || isReflector(name)))
      .map((name) => session("Node", name));
  const among = (node: NodeName) =>
    isReflector(node) ? [] : clients.filter((name) => name !== node).map((name) => session("Mesh", name));

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "calibird-reflectors-"));
    cpSync("containerlab", folder, { recursive: true });
    const name = `r${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
    lab = await Lab.up({ file: join(folder, "route-reflectors.clab.yml"), name });
    expect(lab.execReports.filter((report) => report.code !== 0)).toEqual([]);
    await settled(mesh);
    for (const node of all) {
      const [pod] = await client(node).admin<PodView[]>("GET", "/v1/pods");
      addresses.set(node, pod?.addresses[0] ?? "");
    }
  });
  afterAll(async () => {
    await lab?.down();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Pings every 2 ms between all pods of these nodes, while `change` happens; none may be lost. */
  async function withoutLoss(nodes: readonly NodeName[], change: () => Promise<void>): Promise<void> {
    const streams: PingStream[] = [];
    for (const [index, node] of nodes.entries())
      for (const other of nodes.slice(index + 1))
        streams.push(await PingStream.start(host, { node, pod: `${node}-a` }, addresses.get(other) ?? "", 0.002));
    let reports: { label: string; lost: readonly string[]; errors: readonly string[]; sent: number }[] = [];
    try {
      await change();
    } finally {
      reports = await Promise.all(streams.map(async (stream) => ({ label: stream.label, ...(await stream.stop()) })));
    }
    expect(reports).toHaveLength((nodes.length * (nodes.length - 1)) / 2);
    for (const { label, lost, errors, sent } of reports) {
      expect(sent, label).toBeGreaterThan(100);
      expect({ label, lost, errors }).toEqual({ label, lost: [], errors: [] });
    }
  }

  it("loses no ping between any two pods on the way", async () => {
    await withoutLoss(all, async () => {
      await step("1-peers.yaml");
      await settled((node) => [...toReflectors(node), ...among(node)]);
      await step("2-cluster-ids.yaml");
      await settled((node) => [...toReflectors(node), ...among(node)]);
      await step("3-mesh-off.yaml");
      await settled(toReflectors);
    });
  });

  it("hears every block from the reflectors, with the originator and the next hop of its owner", async () => {
    const routes = await client("n1").get<RouteView[]>("/v1/routes");
    const byOwner = new Map(routes.filter(({ kind }) => kind === "remote-block").map((route) => [route.node, route]));
    for (const [node, address] of [
      ["n2", "10.0.0.2"],
      ["n4", "10.0.0.4"],
    ] as const)
      expect(byOwner.get(node)).toMatchObject({
        nextHop: address,
        bgp: { originatorId: address, clusterList: [expect.stringMatching(/^244\.0\.0\.[12]$/)] },
      });
  });

  it.each(reflectors)("loses no ping between clients while %s is drained and comes back", async (reflector) => {
    await withoutLoss(clients, async () => {
      await succeed(reflector, "calictl", "node", "drain");
      await vi.waitFor(async () => {
        for (const node of clients) {
          const { peers } = await client(node).get<NodeStatusView>("/v1/status");
          const up = peers.filter(({ state }) => state === "Established").map(({ name }) => name);
          const other = reflectors.filter((name) => name !== reflector).map((name) => session("Node", name));
          expect(up, node).toEqual(other);
        }
      }, patience);
      await succeed(reflector, "calictl", "node", "undrain");
      await settled(toReflectors);
    });
  });

  it.each(reflectors)(
    "loses no ping between any two pods while %s's agent is killed and comes back",
    async (reflector) => {
      await withoutLoss(all, async () => {
        await lab.killNode(reflector, "SIGKILL");
        await vi.waitFor(async () => {
          for (const node of clients) {
            const { peers } = await client(node).get<NodeStatusView>("/v1/status");
            expect(
              peers.filter(({ state }) => state === "Established"),
              node,
            ).toHaveLength(1);
          }
        }, patience);
        await lab.startNode(reflector);
        await settled(toReflectors);
      });
    },
  );
});
