import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { freePort } from "../../support/speakers.ts";
import { patient } from "./patience.ts";

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A real etcd of one member on free ports of the loopback, with its data in a temporary folder. */
export class EtcdServer {
  readonly url: string;
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "calibird-etcd-"));
  readonly #arguments: readonly string[];
  readonly #health: string;
  #process: ChildProcess | undefined;

  private constructor(ports: readonly [number, number, number], tls: readonly string[], more: readonly string[]) {
    const [client, peer, metrics] = ports;
    this.port = client;
    this.url = `${tls.length > 0 ? "https" : "http"}://127.0.0.1:${client}`;
    this.#health = `http://127.0.0.1:${metrics}/health`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.#arguments = [
      ...["--name", "test", "--data-dir", join(this.#folder, "data"), "--logger", "zap"],
      ...["--listen-client-urls", this.url, "--advertise-client-urls", this.url],
      ...[
        "--listen-peer-urls",
        peerUrl,
        "--initial-advertise-peer-urls",
        peerUrl,
        "--initial-cluster",
        `test=${peerUrl}`,
      ],
      ...["--listen-metrics-urls", `http://127.0.0.1:${metrics}`],
      ...tls,
      ...more,
    ];
  }

  /** Starts one and waits until it answers. `tls` makes it speak https. */
  static async start(options: { tls?: readonly string[]; flags?: readonly string[] } = {}): Promise<EtcdServer> {
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const server = new EtcdServer(ports, options.tls ?? [], options.flags ?? []);
    await server.start();
    return server;
  }

  /** Starts it (again) with the data it has. */
  async start(): Promise<void> {
    const log = openSync(join(this.#folder, "log"), "a");
    const child = spawn("etcd", this.#arguments, { stdio: ["ignore", log, log] });
    closeSync(log);
    running.add(child);
    child.once("exit", () => running.delete(child));
    this.#process = child;
    await vi.waitFor(async () => {
      if (child.exitCode !== null) throw new Error(`etcd has ended: ${this.#log()}`);
      const answer = await fetch(this.#health);
      if (!(await answer.text()).includes("true")) throw new Error(`etcd is not healthy: ${this.#log()}`);
    }, patient);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** As a power failure does. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #log(): string {
    return readFileSync(join(this.#folder, "log"), "utf8").slice(-2_000);
  }
}
