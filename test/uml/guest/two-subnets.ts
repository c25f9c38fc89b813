import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { NodeStatusView, PodView, RouteView } from "../../../src/agent/api/views.ts";
import { AgentClient } from "../../../src/calictl/agent-client.ts";
import { Lab, type LabNodeView } from "../../../src/lab/lab.ts";
import { pingAll } from "../../../src/lab/ping-matrix.ts";
import { installationRoot } from "../../../src/lab/runtime/paths.ts";
import { eventually } from "./eventually.ts";

/** The agents of topologies/two-subnets.clab.yml, and the addresses that they have in it. */
export const nodeAddresses = { n1: "10.10.1.11", n2: "10.10.1.12", n3: "10.10.2.13" } as const;
export type NodeName = keyof typeof nodeAddresses;
export const nodeNames: readonly NodeName[] = ["n1", "n2", "n3"];
/** What each node calls its gateway; all of them are r1. */
const gateways = { n1: "10.10.1.1", n2: "10.10.1.1", n3: "10.10.2.1" } as const;
const routerAs = 64513;
const apiVersion = "projectcalico.org/v3";

/** What scenarios on this topology differ in. */
export interface TwoSubnetsOptions {
  /** How packets between pods travel: the pool's `ipipMode` or `vxlanMode`. */
  readonly pool: EncapsulationModes;
  /** The nodes announce their blocks to the router, which can then carry packets between pods as they are. */
  readonly routerLearns: boolean;
  /** Further flags of single agents. */
  readonly flags?: Readonly<Partial<Record<NodeName, string>>>;
}

export interface EncapsulationModes {
  readonly ipipMode?: "Always" | "CrossSubnet" | "Never";
  readonly vxlanMode?: "Always" | "CrossSubnet" | "Never";
}

/** Three nodes on two subnets with the router r1 between them, and one pod on each: n1-a, n2-a, n3-a. */
export class TwoSubnets {
  readonly lab: Lab;
  readonly #peersPerNode: number;
  readonly #routerLearns: boolean;

  private constructor(lab: Lab, { routerLearns }: TwoSubnetsOptions) {
    this.lab = lab;
    this.#routerLearns = routerLearns;
    this.#peersPerNode = nodeNames.length - 1 + (routerLearns ? 1 : 0);
  }

  /** Resolves when everything is up and quiet; an error has the agents' last words in it. */
  static async start(options: TwoSubnetsOptions): Promise<TwoSubnets> {
    const file = topologyWith(options.flags ?? {});
    const cluster = new TwoSubnets(await Lab.up({ file }), options);
    try {
      for (const { command, code, stderr } of cluster.lab.execReports)
        if (code !== 0) throw new Error(`${command} ended with status ${code}: ${stderr}`);
      await cluster.setPool(options.pool);
      if (options.routerLearns) await cluster.#peerWithRouter();
      await Promise.all(nodeNames.map((node) => cluster.#addPod(node)));
      await cluster.settled();
      return cluster;
    } catch (error) {
      throw new Error(`${String(error)}\n${await cluster.diagnose()}`);
    }
  }

  /** Makes the pool, or changes how its packets travel; resolves when it is stored, before any node has followed. */
  setPool(modes: EncapsulationModes): Promise<void> {
    const spec = { cidr: "10.244.0.0/16", blockSize: 26, natOutgoing: false, ...modes };
    return this.apply({ apiVersion, kind: "IPPool", metadata: { name: "pods" }, spec });
  }

  /** As `calictl apply` of one resource. */
  async apply(resource: object): Promise<void> {
    await this.client("n1").admin("PUT", "/v1/resources", resource);
  }

  client(node: NodeName): AgentClient {
    return new AgentClient({ runDir: this.#view(node).runDirectory, waitMs: 30_000 });
  }

  status(node: NodeName): Promise<NodeStatusView> {
    return this.client(node).get("/v1/status");
  }

  routes(node: NodeName): Promise<RouteView[]> {
    return this.client(node).get("/v1/routes");
  }

  /** The node's pod, which is in a network namespace of the pod's name. */
  async pod(node: NodeName): Promise<{ readonly name: string; readonly address: string }> {
    const [pod] = await this.client(node).admin<PodView[]>("GET", "/v1/pods");
    const [address] = pod?.addresses ?? [];
    if (pod === undefined || address === undefined) throw new Error(`${node} has no pod`);
    return { name: basename(pod.networkNamespace ?? ""), address };
  }

  /** The address of every node's pod. */
  podAddresses(): Promise<Record<NodeName, string>> {
    return ofEveryNode(async (node) => (await this.pod(node)).address);
  }

  /** The block that every node's pod has its address from. */
  blocks(): Promise<Record<NodeName, string>> {
    return ofEveryNode(async (node) => {
      const [block] = (await this.status(node)).node.blocks;
      if (block === undefined) throw new Error(`${node} has no block`);
      return block.block;
    });
  }

  /** What a program in a node or in `r1` says; throws if it fails. */
  async run(node: NodeName | "r1", ...argv: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.lab.exec(node, argv);
    if (code !== 0) throw new Error(`${argv.join(" ")} on ${node} ended with status ${code}: ${stderr}`);
    return stdout;
  }

  /** The lines of `ip route` for what the agent has written, in order. */
  async kernelRoutes(node: NodeName): Promise<string[]> {
    return routeLines(await this.run(node, "ip", "route", "show", "proto", "202"));
  }

  /** The same of what BIRD has written in the router. */
  async routerRoutes(): Promise<string[]> {
    return routeLines(await this.run("r1", "ip", "route", "show", "proto", "bird"));
  }

  /** The network namespace of the router, for a Capture: every frame on both subnets passes there. */
  get routerNamespace(): string {
    return this.#view("r1").networkNamespace;
  }

  /** Pings every pod from every other; the pairs without an answer. */
  async unreachable(): Promise<string[]> {
    const pods = await Promise.all(nodeNames.map(async (node) => ({ node, ...(await this.pod(node)) })));
    const ends = pods.map(({ node, name, address }) => ({ label: name, node, namespace: name, address }));
    const pings = await pingAll(this.lab, ends, ends, { timeoutMs: 5_000, signal: new AbortController().signal });
    if (pings.length !== 6) throw new Error(`${pings.length} pings instead of 6`);
    return pings.flatMap(({ source, target, milliseconds }) =>
      milliseconds === undefined ? [`${source.label} -> ${target.label}`] : [],
    );
  }

  /** Resolves when all sessions are established, all routes installed, and all blocks known to everybody. */
  settled(): Promise<void> {
    return eventually(async () => {
      const blocks = Object.values(await this.blocks());
      const problems = await Promise.all(nodeNames.map((node) => this.#unsettled(node, blocks)));
      if (!this.#routerLearns) return problems.flat();
      const known = (await this.routerRoutes()).join("\n");
      return [
        ...problems.flat(),
        ...blocks.filter((block) => !known.includes(block)).map((block) => `r1: no ${block}`),
      ];
    });
  }

  async #unsettled(node: NodeName, blocks: readonly string[]): Promise<string[]> {
    const [status, routes] = await Promise.all([this.status(node), this.routes(node)]);
    const problems: string[] = [];
    if (status.peers.length !== this.#peersPerNode) problems.push(`${status.peers.length} peers`);
    for (const { name, state, reason, routes: counts } of status.peers) {
      if (state !== "Established") problems.push(`${name} is ${state}, ${reason}`);
      if (counts.stale > 0) problems.push(`${name} has stale routes`);
    }
    for (const { prefix, state, reason } of routes)
      if (state !== "installed") problems.push(`${prefix} is ${state}, ${reason}`);
    for (const block of blocks)
      if (routes.every(({ prefix }) => prefix !== block)) problems.push(`no route to ${block}`);
    if (!status.node.converged) problems.push("still converging");
    return problems.map((problem) => `${node}: ${problem}`);
  }

  /** Logs, links and routes, for a person. */
  async diagnose(): Promise<string> {
    const parts = await Promise.all(
      this.lab.nodes.map(async ({ name, log }) => {
        const { stdout } = await this.lab.exec(name, ["sh", "-c", "ip -brief address; ip route"]);
        const words = readFileSync(log, "utf8").trimEnd().split("\n").slice(-30).join("\n");
        return `--- ${name}\n${stdout}${words}`;
      }),
    );
    return parts.join("\n");
  }

  async #peerWithRouter(): Promise<void> {
    for (const node of nodeNames) {
      const spec = { node, peerIP: gateways[node], asNumber: routerAs };
      await this.apply({ apiVersion, kind: "BGPPeer", metadata: { name: `r1-${node}` }, spec });
    }
  }

  async #addPod(node: NodeName): Promise<void> {
    const client = this.client(node);
    // n1 has brought the pool into the datastore that they share.
    await eventually(async () => {
      await client.admin("GET", "/v1/resources/ippool/pods");
      return [];
    });
    await client.admin("POST", "/v1/pods", { namespace: "default", name: `${node}-a` });
  }

  #view(name: string): LabNodeView {
    const found = this.lab.nodes.find((candidate) => candidate.name === name);
    if (found === undefined) throw new TypeError(`${name} is not in the topology`);
    return found;
  }
}

/** The topology, copied to where it can be changed. */
function topologyWith(flags: NonNullable<TwoSubnetsOptions["flags"]>): string {
  const folder = mkdtempSync(join(tmpdir(), "two-subnets-"));
  cpSync(join(installationRoot(), "test/uml/topologies"), folder, { recursive: true });
  const file = join(folder, "two-subnets.clab.yml");
  const command = /^( +cmd: calibird agent .*--node-name (n\d).*)$/gm;
  const withFlags = (_all: string, line: string, node: NodeName) => `${line} ${flags[node] ?? ""}`.trimEnd();
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(command, withFlags));
  return file;
}

async function ofEveryNode<Value>(read: (node: NodeName) => Promise<Value>): Promise<Record<NodeName, Value>> {
  const [n1, n2, n3] = await Promise.all([read("n1"), read("n2"), read("n3")]);
  return { n1, n2, n3 };
}

function routeLines(output: string): string[] {
  return output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .sort();
}
