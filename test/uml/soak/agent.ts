import { execFile } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { NodeStatusView, PeerView } from "../../../src/agent/api/views.ts";
import { AgentClient } from "../../../src/calictl/agent-client.ts";
import { installationRoot } from "../../../src/lab/runtime/paths.ts";
import { Child } from "../../interop/support/child-process.ts";
import { waitFor } from "../../interop/support/wait-for.ts";

const run = promisify(execFile);
const probe = join(installationRoot(), "test/uml/soak/timer-probe.mjs");
const program = join(installationRoot(), "dist/bin/calibird.js");

/** What a process holds; all of it must stay as it is while nothing changes. */
export interface Footprint {
  readonly heapMiB: number;
  readonly residentMiB: number;
  readonly timers: number;
  readonly fileDescriptors: number;
}

/** Our agent in a namespace. */
export class Agent {
  readonly namespace: string;
  readonly client: AgentClient;
  readonly #folder: string;
  readonly #address: string;
  #child: Child | undefined;

  constructor(namespace: string, folder: string, address: string) {
    this.namespace = namespace;
    this.#folder = folder;
    this.#address = address;
    this.client = new AgentClient({ runDir: join(folder, "run"), waitMs: 60_000 });
  }

  /** Resolves when it can be asked. */
  async start(): Promise<void> {
    const folders = { "--embedded-path": "datastore", "--run-dir": "run", "--state-dir": "state" };
    const argv = [
      ...[process.execPath, "--expose-gc", "--import", probe, program, "agent", "--datastore", "embedded"],
      ...[
        "--skip-default-pools",
        "true",
        "--node-name",
        "us",
        "--ip",
        this.#address,
        ...Object.entries(folders).flatMap(([flag, name]) => [flag, this.#file(name)]),
      ],
    ];
    this.#child = new Child(this.namespace, argv, {
      logFile: this.#file("agent.log"),
      env: { CALIBIRD_PROBE_FILE: this.#file("probe") },
    });
    await this.client.get<NodeStatusView>("/v1/status");
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    await this.#child?.end(signal);
  }

  peers(): Promise<PeerView[]> {
    return this.client.get("/v1/peers");
  }

  /** The block of addresses that it announces. */
  async block(): Promise<string> {
    const { node } = await this.client.get<NodeStatusView>("/v1/status");
    const [block] = node.blocks;
    if (block === undefined) throw new Error("the node has no block yet");
    return block.block;
  }

  /** Prefixes of the kernel's routes that came by BGP, in order; there also while the agent is not. */
  async kernelRoutes(): Promise<string[]> {
    const argv = ["-n", this.namespace, "-json", "-N", "route", "show", "protocol", "202"];
    const { stdout } = await run("ip", argv);
    const routes: { dst: string; gateway?: string }[] = stdout.trim() === "" ? [] : JSON.parse(stdout);
    return routes.flatMap(({ dst, gateway }) => (gateway === undefined ? [] : [dst])).sort();
  }

  async footprint(): Promise<Footprint> {
    const pid = this.#child?.process.pid;
    if (pid === undefined) throw new Error("the agent is not running");
    rmSync(this.#file("probe"), { force: true });
    process.kill(pid, "SIGUSR2");
    const { heapUsed, rss, timers } = await waitFor(() => JSON.parse(readFileSync(this.#file("probe"), "utf8")));
    return {
      heapMiB: heapUsed / 2 ** 20,
      residentMiB: rss / 2 ** 20,
      timers,
      fileDescriptors: readdirSync(`/proc/${pid}/fd`).length,
    };
  }

  get log(): string {
    return this.#child?.log ?? "";
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }
}
