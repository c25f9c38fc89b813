import { setMaxListeners } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, vi } from "vitest";
import type { NodeStatusView, PodView, RouteView } from "../../../src/agent/api/views.ts";
import { modesOf } from "../../../src/agent/pools/mode-change.ts";
import type { SetModeResult } from "../../../src/agent/pools/pool-modes.ts";
import { AgentClient } from "../../../src/calictl/agent-client.ts";
import { openEmbeddedDatastore } from "../../../src/datastore/embedded/open.ts";
import type { TunnelMode } from "../../../src/fib/types.ts";
import { Lab } from "../../../src/lab/lab.ts";
import { pingAll } from "../../../src/lab/ping-matrix.ts";
import { labPaths } from "../../../src/lab/runtime/paths.ts";
import type { ProgramResult } from "../../../src/lab/runtime/run-program.ts";
import type { EncapsulationMode } from "../../../src/resources/ip-pool.ts";
import type { NodeSpec } from "../../../src/resources/node.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { patience } from "./agent-lab.ts";
import { addIpv6 } from "./subnet-ipv6.ts";
import { beginningOf, nodesOf, type SubnetNode, subnetNodes } from "./subnet-routes.ts";

const topologies = "test/uml/topologies";
const routerAs = 64513;
const apiVersion = "projectcalico.org/v3";

/**
 * The pool whose mode tests change, with the pods n1-a, n2-a, n3-a, and one that stays direct, with n1-b, n2-b, n3-b. In a
 * lab of IPv6 they are of IPv6, and the pods have IPv4 addresses besides, from `pods-v4` and `still-v4`.
 */
export type PoolName = "pods" | "still";
const ipv4Pools: Record<PoolName, string> = { pods: "10.244.0.0/16", still: "10.245.0.0/16" };
const ipv6Pools: Record<PoolName, string> = { pods: "fd00:10:244::/112", still: "fd00:10:245::/112" };

/** Three nodes on two subnets, and the router r1 between them, which learns all blocks; see the topology's drawing. */
export class SubnetLab {
  readonly lab: Lab;
  /** Of the addresses that tests are about. */
  readonly family: 4 | 6;
  readonly #folder: string;
  /** Addresses of every pod by its name. */
  readonly #addresses = new Map<string, readonly string[]>();
  #owners: ReadonlyMap<string, SubnetNode> = new Map();

  private constructor(lab: Lab, folder: string, family: 4 | 6) {
    this.lab = lab;
    this.#folder = folder;
    this.family = family;
  }

  /**
   * Resolves when everything is quiet with both pools in mode Never. `flags` are further ones of every agent; a lab of
   * family 6 has IPv4 as well.
   */
  static async start(options: { readonly flags?: string; readonly family?: 4 | 6 } = {}): Promise<SubnetLab> {
    const { family = 4 } = options;
    const folder = mkdtempSync(join(tmpdir(), "calibird-subnet-lab-"));
    await cp(topologies, folder, { recursive: true });
    const file = join(folder, "two-subnets.clab.yml");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replaceAll(/^( +cmd: calibird agent .*)$/gm, `$1 ${options.flags ?? ""}`));
    if (family === 6) addIpv6(folder);
    const name = `s${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
    const subnets = new SubnetLab(await Lab.up({ file, name }), folder, family);
    try {
      expect(subnets.lab.execReports.filter(({ code }) => code !== 0)).toEqual([]);
      await subnets.#populate();
      return subnets;
    } catch (error) {
      await subnets.down();
      throw error;
    }
  }

  async down(): Promise<void> {
    await this.lab.down();
    rmSync(this.#folder, { recursive: true, force: true });
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

  /** Path of a file on the host that processes of the node see as /run/calibird/NAME. */
  runFile(node: string, name: string): string {
    return join(this.lab.nodes.find((view) => view.name === node)?.runDirectory ?? "", name);
  }

  /** The router's network namespace: every frame on both subnets passes there. */
  get routerNamespace(): string {
    return this.lab.nodes.find(({ name }) => name === "r1")?.networkNamespace ?? "";
  }

  client(node: SubnetNode): AgentClient {
    return new AgentClient({ runDir: this.runFile(node, ""), waitMs: 0 });
  }

  status(node: SubnetNode): Promise<NodeStatusView> {
    return this.client(node).get("/v1/status");
  }

  routes(node: SubnetNode): Promise<RouteView[]> {
    return this.client(node).get("/v1/routes");
  }

  async addPod(node: SubnetNode, name: string): Promise<string> {
    const pod = await this.client(node).admin<PodView>("POST", "/v1/pods", { namespace: "default", name });
    expect(basename(pod.networkNamespace ?? "")).toBe(name);
    this.#addresses.set(name, pod.addresses);
    return this.addressOf(name);
  }

  /** The pod's address of a family, by default of that of the lab. */
  addressOf(pod: string, family: 4 | 6 = this.family): string {
    const address = this.#addresses.get(pod)?.find((text) => text.includes(":") === (family === 6));
    expect(address, `address of ${pod}`).toBeDefined();
    return address ?? "";
  }

  async deletePod(node: SubnetNode, name: string): Promise<void> {
    await this.client(node).admin("DELETE", `/v1/pods/default/${name}`);
    this.#addresses.delete(name);
  }

  async apply(kind: string, name: string, spec: object): Promise<void> {
    await this.client("n1").admin("PUT", "/v1/resources", { apiVersion, kind, metadata: { name }, spec });
  }

  /** The pools of the lab's family. */
  get pools(): Readonly<Record<PoolName, string>> {
    return this.family === 4 ? ipv4Pools : ipv6Pools;
  }

  /** Makes a pool as it is at the start of each test file, or changes it. */
  applyPool(name: PoolName, fields: object = {}): Promise<void> {
    const spec = { cidr: this.pools[name], blockSize: this.family === 4 ? 26 : 122, natOutgoing: false, ...fields };
    return this.apply("IPPool", name, spec);
  }

  /** As `applyPool`, for the IPv4 pool beside it. */
  applyIpv4Pool(name: PoolName, fields: object = {}): Promise<void> {
    return this.apply("IPPool", `${name}-v4`, { cidr: ipv4Pools[name], blockSize: 26, natOutgoing: false, ...fields });
  }

  /** `calictl pool set-mode` of the pool `pods`. */
  setMode(mode: string, ...flags: string[]): Promise<ProgramResult> {
    return this.run("n1", "calictl", "pool", "set-mode", "pods", mode, "--tunnel", "vxlan", ...flags);
  }

  /** The same for any tunnel, in an instant, by asking the agent of a node. */
  async setModeAt(node: SubnetNode, mode: EncapsulationMode, tunnel: TunnelMode = "vxlan"): Promise<void> {
    const result = await this.client(node).admin<SetModeResult>("POST", "/v1/pools/pods/mode", { mode, tunnel });
    expect(result.after).toEqual(modesOf(tunnel, mode));
  }

  /** What a dry run answers, as an object. */
  async predict(mode: string): Promise<SetModeResult> {
    const { code, stdout, stderr } = await this.setMode(mode, "--dry-run", "-o", "json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout) as SetModeResult;
  }

  /** A node as stored; an agent that answers is asked for it. */
  async nodeSpec(node: SubnetNode, asked: SubnetNode = "n1"): Promise<NodeSpec> {
    const stored = await this.client(asked).admin<{ spec: NodeSpec }>("GET", `/v1/resources/node/${node}`);
    return stored.spec;
  }

  /** Which node every block of the start belongs to; known also while an agent does not answer. */
  owners(): ReadonlyMap<string, SubnetNode> {
    return this.#owners;
  }

  async #readOwners(): Promise<Map<string, SubnetNode>> {
    const blocks = await Promise.all(
      subnetNodes.map(async (node) => (await this.status(node)).node.blocks.map(({ block }) => [block, node] as const)),
    );
    return new Map(blocks.flat());
  }

  /** What IPAM has given out in the whole cluster: handle by address. Fails if its records contradict each other. */
  async allocations(): Promise<ReadonlyMap<string, string>> {
    const datastore = await openEmbeddedDatastore({ path: join(labPaths(this.lab.name).files, "datastore") });
    try {
      const { problems, allocations } = await auditIpam(datastore);
      expect(problems).toEqual([]);
      return allocations;
    } finally {
      await datastore.close();
    }
  }

  /** Pairs of pods that do not reach each other within a few seconds, by default in the lab's family. */
  async unreachable(family: 4 | 6 = this.family): Promise<string[]> {
    const pods = [...this.#addresses.keys()].map((name) => ({
      label: name,
      node: name.slice(0, 2),
      namespace: name,
      address: this.addressOf(name, family),
    }));
    const { signal } = new AbortController();
    // Every ping listens to it.
    setMaxListeners(0, signal);
    const pings = await pingAll(this.lab, pods, pods, { timeoutMs: 5_000, signal });
    expect(pings).toHaveLength(pods.length * (pods.length - 1));
    return pings
      .filter(({ milliseconds }) => milliseconds === undefined)
      .map(({ source, target }) => `${source.label} -> ${target.label}`);
  }

  /** Waits until every session is established, every route installed, and all blocks are known to all, the router too. */
  async settled(): Promise<void> {
    await vi.waitFor(async () => {
      const blocks = [...(await this.#readOwners()).keys()];
      const problems = await Promise.all(subnetNodes.map((node) => this.#unsettled(node, blocks)));
      const known = (await Promise.all(this.#families.map((family) => this.#knownToRouter(family)))).join("");
      const missing = blocks.filter((block) => !known.includes(block)).map((block) => `r1 does not know ${block}`);
      expect([...problems.flat(), ...missing]).toEqual([]);
    }, patience);
  }

  async #unsettled(node: SubnetNode, blocks: readonly string[]): Promise<string[]> {
    const [{ node: view, peers }, routes] = await Promise.all([this.status(node), this.routes(node)]);
    const known = new Set(routes.map(({ prefix }) => prefix));
    return [
      ...(peers.length === subnetNodes.length * this.#families.length ? [] : [`has ${peers.length} peers`]),
      ...peers.flatMap(({ name, state, reason }) =>
        state === "Established" ? [] : [`${name} is ${state}, ${reason}`],
      ),
      ...peers.flatMap((peer) => (peer.routes.stale > 0 ? [`${peer.name} has stale routes`] : [])),
      ...routes.flatMap((route) =>
        route.state === "installed" ? [] : [`${route.prefix} is ${route.state}, ${route.reason}`],
      ),
      ...blocks.flatMap((block) => (known.has(block) ? [] : [`does not know ${block}`])),
      ...(view.converged ? [] : ["is still converging"]),
    ].map((problem) => `${node}: ${problem}`);
  }

  #knownToRouter(family: 4 | 6): Promise<string> {
    return this.succeed("r1", "ip", `-${family}`, "route", "show", "proto", "bird");
  }

  get #families(): readonly (4 | 6)[] {
    return this.family === 4 ? [4] : [4, 6];
  }

  async #populate(): Promise<void> {
    await Promise.all(subnetNodes.map((node) => vi.waitFor(() => this.status(node), patience)));
    for (const node of subnetNodes)
      for (const family of this.#families) {
        const peerIP = nodesOf(family)[node].gateway;
        await this.apply("BGPPeer", `r1-${node}-v${family}`, { node, peerIP, asNumber: routerAs });
      }
    await this.#addPods("still", "b");
    // From now on nothing more comes from it.
    await this.applyPool("still", { assignmentMode: "Manual" });
    if (this.family === 6) await this.applyIpv4Pool("still", { assignmentMode: "Manual" });
    await this.#addPods("pods", "a");
    await this.settled();
    this.#owners = await this.#readOwners();
  }

  async #addPods(pool: PoolName, suffix: string): Promise<void> {
    await this.applyPool(pool);
    if (this.family === 6) await this.applyIpv4Pool(pool);
    for (const node of subnetNodes) {
      const name = `${node}-${suffix}`;
      await vi.waitFor(() => this.addPod(node, name), patience);
      for (const family of this.#families)
        expect(this.addressOf(name, family)).toContain(beginningOf((family === 4 ? ipv4Pools : ipv6Pools)[pool]));
    }
  }
}
