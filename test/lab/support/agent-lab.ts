import { setMaxListeners } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, vi } from "vitest";
import type { NodeStatusView, PeerView, PodView, RouteView } from "../../../src/agent/api/views.ts";
import { AgentClient } from "../../../src/calictl/agent-client.ts";
import { AgentDatastore } from "../../../src/calictl/agent-datastore.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { Lab } from "../../../src/lab/lab.ts";
import { pingAll } from "../../../src/lab/ping-matrix.ts";
import type { ProgramResult } from "../../../src/lab/runtime/run-program.ts";
import { auditIpam } from "../../support/ipam-audit.ts";

/** The nodes of containerlab/three-nodes.clab.yml that run an agent; r1 is a router with BIRD. */
export const agentNodes = ["n1", "n2", "n3"] as const;
export type AgentNode = (typeof agentNodes)[number];

/** Long enough for a session that has to be dialled again, on a machine that does other things as well. */
export const patience = { timeout: 30_000, interval: 50 };

/** The three-node lab of the repository under a name of its own, and questions that tests have about it. */
export class AgentLab {
  readonly lab: Lab;
  /** Copy of the topology and its manifests. */
  readonly #folder: string;

  private constructor(lab: Lab, folder: string) {
    this.lab = lab;
    this.#folder = folder;
  }

  /**
   * Brings the lab up and waits until it is quiet. `blockSize` is the length of the pool's blocks, `flags` are further ones
   * of every agent, `topology` is another one with these nodes, `edit` changes its text.
   */
  static async start(options: {
    readonly blockSize: number;
    readonly flags?: string;
    readonly topology?: string;
    readonly edit?: (topology: string) => string;
  }): Promise<AgentLab> {
    const folder = mkdtempSync(join(tmpdir(), "calibird-agent-lab-"));
    cpSync("containerlab", folder, { recursive: true });
    const pool = join(folder, "three-nodes/manifests/ippool.yaml");
    const text = readFileSync(pool, "utf8");
    expect(text).toContain("blockSize: 26");
    writeFileSync(pool, text.replace("blockSize: 26", `blockSize: ${options.blockSize}`));
    const name = `a${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
    const file = join(folder, options.topology ?? "three-nodes.clab.yml");
    const topology = readFileSync(file, "utf8");
    const { edit = (text) => text } = options;
    writeFileSync(file, edit(topology).replaceAll(/^( +cmd: calibird agent .*)$/gm, `$1 ${options.flags ?? ""}`));
    let lab: Lab;
    try {
      lab = await Lab.up({ file, name });
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    const agents = new AgentLab(lab, folder);
    try {
      expect(lab.execReports.filter((report) => report.code !== 0)).toEqual([]);
      await agents.settled();
      return agents;
    } catch (error) {
      await agents.down();
      throw error;
    }
  }

  async down(): Promise<void> {
    await this.lab.down();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Path of a file on the host that processes of the node see as /run/calibird/NAME. */
  runFile(node: string, name: string): string {
    const view = this.lab.nodes.find((candidate) => candidate.name === node);
    return join(view?.runDirectory ?? "", name);
  }

  /** What the agent has logged so far, in all its runs. */
  log(node: AgentNode): string {
    return readFileSync(this.lab.nodes.find((candidate) => candidate.name === node)?.log ?? "", "utf8");
  }

  run(node: string, ...argv: string[]): Promise<ProgramResult> {
    return this.lab.exec(node, argv);
  }

  /** As `run`, for a program that has to succeed; its standard output. */
  async succeed(node: string, ...argv: string[]): Promise<string> {
    const result = await this.run(node, ...argv);
    expect(result, argv.join(" ")).toMatchObject({ code: 0 });
    return result.stdout;
  }

  /** Gives a manifest to `calictl apply` on its standard input. */
  apply(node: AgentNode, manifest: string): Promise<ProgramResult> {
    return this.lab.exec(node, ["calictl", "apply", "-f", "-"], { input: manifest });
  }

  client(node: AgentNode): AgentClient {
    return new AgentClient({ runDir: this.runFile(node, ""), waitMs: 0 });
  }

  status(node: AgentNode): Promise<NodeStatusView> {
    return this.client(node).get("/v1/status");
  }

  peers(node: AgentNode): Promise<PeerView[]> {
    return this.client(node).get("/v1/peers");
  }

  async routes(node: AgentNode): Promise<RouteView[]> {
    return this.client(node).get("/v1/routes");
  }

  async route(node: AgentNode, prefix: string): Promise<RouteView | undefined> {
    return (await this.routes(node)).find((route) => route.prefix === prefix);
  }

  pods(node: AgentNode): Promise<PodView[]> {
    return this.client(node).admin("GET", "/v1/pods");
  }

  addPod(node: AgentNode, name: string): Promise<PodView> {
    return this.client(node).admin("POST", "/v1/pods", { namespace: "default", name });
  }

  async deletePod(node: AgentNode, name: string): Promise<void> {
    await this.client(node).admin("DELETE", `/v1/pods/default/${name}`);
  }

  /** The address of a pod; fails if the node has no such pod. */
  async addressOf(node: AgentNode, name: string): Promise<string> {
    const address = (await this.pods(node)).find((pod) => pod.name === name)?.addresses[0];
    expect(address, `address of ${name}`).toBeDefined();
    return address ?? "";
  }

  /** The node's own blocks. */
  async blocks(node: AgentNode): Promise<string[]> {
    return (await this.status(node)).node.blocks.map(({ block }) => block);
  }

  /** The addresses that IPAM has given out in the whole cluster; fails if its records contradict each other. */
  async allocatedAddresses(): Promise<string[]> {
    const datastore = new AgentDatastore(this.client("n2"), systemClock);
    try {
      const { problems, allocations } = await auditIpam(datastore);
      expect(problems).toEqual([]);
      return [...allocations.keys()];
    } finally {
      await datastore.close();
    }
  }

  /** Every pair of pods, and every pod and the router, that do not reach each other within a few seconds. */
  async unreachable(): Promise<string[]> {
    const pods = await Promise.all(
      agentNodes.map(async (node) =>
        (await this.pods(node)).map(({ name, addresses, networkNamespace }) => ({
          label: name,
          node,
          namespace: basename(networkNamespace ?? ""),
          address: addresses[0] ?? "",
        })),
      ),
    );
    const targets = [...pods.flat(), { label: "r1", address: "172.31.0.1" }];
    const { signal } = new AbortController();
    // Every ping listens to it.
    setMaxListeners(0, signal);
    const pings = await pingAll(this.lab, pods.flat(), targets, { timeoutMs: 5_000, signal });
    expect(pings.length).toBeGreaterThan(0);
    return pings
      .filter((ping) => ping.milliseconds === undefined)
      .map(({ source, target }) => `${source.label} -> ${target.label}`);
  }

  /**
   * Waits until every agent answers, has its three sessions, has finished its start, has all its routes installed, and
   * knows the blocks of the others.
   */
  async settled(): Promise<void> {
    await vi.waitFor(async () => expect(await this.#unsettled()).toEqual([]), patience);
  }

  async #unsettled(): Promise<string[]> {
    const problems: string[] = [];
    const blocks = new Map<AgentNode, string[]>();
    const known = new Map<AgentNode, Set<string>>();
    for (const node of agentNodes)
      try {
        const { peers, node: view } = await this.status(node);
        const routes = await this.routes(node);
        const open = peers.filter((peer) => peer.state !== "Established");
        if (peers.length !== agentNodes.length) problems.push(`${node} has ${peers.length} peers`);
        problems.push(...open.map((peer) => `${node}: ${peer.name} is ${peer.state}, ${peer.reason}`));
        problems.push(
          ...peers.filter((peer) => peer.routes.stale > 0).map((peer) => `${node}: ${peer.name} has stale routes`),
        );
        problems.push(
          ...routes
            .filter((route) => route.state !== "installed")
            .map((route) => `${node}: ${route.prefix} is ${route.state}, ${route.reason}`),
        );
        if (!view.converged) problems.push(`${node} is still converging`);
        blocks.set(
          node,
          view.blocks.map(({ block }) => block),
        );
        known.set(node, new Set(routes.map((route) => route.prefix)));
      } catch (error) {
        problems.push(`${node}: ${String(error)}`);
      }
    for (const [owner, owned] of blocks)
      for (const [node, prefixes] of known)
        for (const block of owned)
          if (!prefixes.has(block)) problems.push(`${node} does not know the block ${block} of ${owner}`);
    return problems;
  }
}
