import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, vi } from "vitest";
import type { NodeStatusView, PodView, RouteView } from "../../../src/agent/api/views.ts";
import { AgentClient } from "../../../src/calictl/agent-client.ts";
import { Lab } from "../../../src/lab/lab.ts";
import type { ProgramResult } from "../../../src/lab/runtime/run-program.ts";
import { BackgroundProgram } from "./background-program.ts";
import { peerClient, peerServer } from "./peer-server.ts";

const patience = { timeout: 30_000, interval: 100 };
const port = 7777;

const topology = `
topology:
  kinds: { linux: { image: none, network-mode: none } }
  groups:
    node: { binds: ["__clabDir__/datastore:/var/lib/calibird/datastore"] }
  nodes:
    n1:
      kind: linux
      group: node
      cmd: calibird agent --skip-default-pools true --embedded-path /var/lib/calibird/datastore --node-name n1 --ip 10.0.0.1/24
      exec: [ip addr add 10.0.0.1/24 dev eth1]
    n2:
      kind: linux
      group: node
      cmd: calibird agent --skip-default-pools true --embedded-path /var/lib/calibird/datastore --node-name n2 --ip 10.0.0.2/24 --nat-outgoing-exclusions IPPoolsAndHostIPs
      exec: [ip addr add 10.0.0.2/24 dev eth1]
    n3:
      kind: linux
      group: node
      cmd: sh -c 'PATH=\${PATH%%:*} exec calibird agent --skip-default-pools true --embedded-path /var/lib/calibird/datastore --node-name n3 --ip 10.0.0.3/24'
      exec: [ip addr add 10.0.0.3/24 dev eth1]
    world:
      kind: linux
      exec: [ip addr add 10.0.0.99/24 dev eth1]
    segment: { kind: bridge }
  links:
    - endpoints: ["n1:eth1", "segment:n1"]
    - endpoints: ["n2:eth1", "segment:n2"]
    - endpoints: ["n3:eth1", "segment:n3"]
    - endpoints: ["world:eth1", "segment:world"]
`;

/**
 * Two nodes with agents and a machine outside that knows no way to pods, on one segment. n2 leaves nodes' addresses alone
 * when it translates. Every pod and machine tells on a TCP port who connects. A third node, n3, has no nft.
 */
export class NatLab {
  readonly lab: Lab;
  readonly #folder: string;
  readonly #addresses = new Map<string, string>([
    ["n1", "10.0.0.1"],
    ["n2", "10.0.0.2"],
    ["world", "10.0.0.99"],
  ]);

  private constructor(lab: Lab, folder: string) {
    this.lab = lab;
    this.#folder = folder;
  }

  /** Resolves when each node has a pod named after it, and all can be reached. */
  static async start(): Promise<NatLab> {
    const folder = mkdtempSync(join(tmpdir(), "calibird-nat-lab-"));
    const file = join(folder, "nat.clab.yml");
    const name = `n${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
    writeFileSync(file, `name: ${name}\n${topology}`);
    const lab = new NatLab(await Lab.up({ file, name }), folder);
    try {
      await lab.#populate();
      return lab;
    } catch (error) {
      await lab.down();
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

  runFile(node: string, name: string): string {
    return join(this.lab.nodes.find((view) => view.name === node)?.runDirectory ?? "", name);
  }

  async succeed(node: string, ...argv: string[]): Promise<string> {
    const result = await this.run(node, ...argv);
    expect(result, argv.join(" ")).toMatchObject({ code: 0 });
    return result.stdout;
  }

  client(node: string): AgentClient {
    return new AgentClient({ runDir: this.runFile(node, ""), waitMs: 0 });
  }

  status(node: string): Promise<NodeStatusView> {
    return this.client(node).get("/v1/status");
  }

  async applyPool(name: string, spec: object): Promise<void> {
    const manifest = { apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name }, spec };
    const result = await this.lab.exec("n1", ["calictl", "apply", "-f", "-"], { input: JSON.stringify(manifest) });
    expect(result).toMatchObject({ code: 0 });
  }

  /** The text of a table, with handles, so that even a rule that was written again would show. */
  table(node: string, ...table: string[]): Promise<string> {
    return this.succeed(node, "nft", "-a", "list", "table", ...table);
  }

  addressOf(machine: string): string {
    return this.#addresses.get(machine) ?? "";
  }

  /** The program that asks `to` from a pod, or from a node itself, for the address it came from. */
  askProgram(from: string, to: string, count = 1): { node: string; argv: string[] } {
    const [node = "", pod] = from.split("/");
    const ask = peerClient(this.addressOf(to), port, { count });
    return { node, argv: pod === undefined ? ask : ["ip", "netns", "exec", pod, ...ask] };
  }

  /** Which machine `from` seems to be to `to`, or why it cannot connect. */
  async seenAs(from: string, to: string): Promise<string> {
    const { node, argv } = this.askProgram(from, to);
    const { code, stdout, stderr } = await this.run(node, ...argv);
    if (code !== 0) return `error: ${stderr.trim()}`;
    const [machine] = [...this.#addresses].find(([, address]) => address === stdout.trim()) ?? [];
    return machine ?? `somebody else: ${stdout.trim()}`;
  }

  async #populate(): Promise<void> {
    for (const node of ["n1", "n2", "n3"]) await vi.waitFor(() => this.status(node), patience);
    await this.applyPool("pods", { cidr: "10.244.0.0/16", natOutgoing: true });
    for (const [node, name] of [
      ["n1", "a"],
      ["n1", "b"],
      ["n2", "c"],
    ] as const) {
      const pod = await vi.waitFor(
        () => this.client(node).admin<PodView>("POST", "/v1/pods", { namespace: "default", name }),
        patience,
      );
      const namespace = basename(pod.networkNamespace ?? "");
      expect(namespace).toBe(name);
      this.#addresses.set(`${node}/${name}`, pod.addresses[0] ?? "");
      await this.#serve(node, pod.addresses[0] ?? "", ["ip", "netns", "exec", namespace]);
    }
    for (const machine of ["n1", "n2", "world"]) await this.#serve(machine, this.addressOf(machine), []);
    for (const node of ["n1", "n2"])
      await vi.waitFor(async () => {
        const routes = await this.client(node).get<RouteView[]>("/v1/routes");
        expect(routes.filter(({ kind, state }) => kind === "remote-block" && state === "installed")).toHaveLength(1);
        expect((await this.run(node, "nft", "list", "table", "ip", "calibird")).stdout).toContain("10.244.0.0/16");
      }, patience);
  }

  async #serve(node: string, address: string, launcher: readonly string[]): Promise<void> {
    const server = new BackgroundProgram(this, node, [...launcher, ...peerServer(address, port)]);
    await vi.waitFor(() => expect(server.output()).toContain("listening"), patience);
  }
}
