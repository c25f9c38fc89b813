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

interface MemberPlace {
  readonly name: string;
  readonly clientPort: number;
  readonly peerUrl: string;
  readonly metricsPort: number;
}

/** A real etcd on free ports of the loopback, alone or as a member of a cluster, with its data in a temporary folder. */
export class EtcdServer {
  readonly url: string;
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "calibird-etcd-"));
  readonly #arguments: readonly string[];
  readonly #health: string;
  #process: ChildProcess | undefined;

  private constructor(place: MemberPlace, cluster: readonly MemberPlace[], more: readonly string[]) {
    const { name, clientPort, peerUrl, metricsPort } = place;
    this.port = clientPort;
    this.url = `${more.includes("--cert-file") ? "https" : "http"}://127.0.0.1:${clientPort}`;
    this.#health = `http://127.0.0.1:${metricsPort}/health`;
    const members = cluster.map((member) => `${member.name}=${member.peerUrl}`).join(",");
    this.#arguments = [
      ...["--name", name, "--data-dir", join(this.#folder, "data"), "--logger", "zap"],
      ...["--listen-client-urls", this.url, "--advertise-client-urls", this.url],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl, "--initial-cluster", members],
      ...["--listen-metrics-urls", `http://127.0.0.1:${metricsPort}`],
      ...more,
    ];
  }

  /** Starts one and waits until it answers. With `--cert-file` it speaks https. */
  static async start(flags: readonly string[] = []): Promise<EtcdServer> {
    const place = await freePlace(0);
    const server = new EtcdServer(place, [place], flags);
    await server.start();
    return server;
  }

  /** Starts a cluster of three. */
  static async startCluster(): Promise<readonly [EtcdServer, EtcdServer, EtcdServer]> {
    const places = [await freePlace(0), await freePlace(1), await freePlace(2)] as const;
    const [one, two, three] = places;
    const member = (place: MemberPlace) => new EtcdServer(place, places, []);
    const servers = [member(one), member(two), member(three)] as const;
    await Promise.all(servers.map((server) => server.start()));
    return servers;
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

async function freePlace(index: number): Promise<MemberPlace> {
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  return { name: `member-${index}`, clientPort: await freePort(), peerUrl, metricsPort: await freePort() };
}
