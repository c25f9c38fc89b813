import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ExplainView, PeerView, RouteView } from "../../../src/agent/api/views.ts";
import type { Lab, LabNodeView } from "../../../src/lab/lab.ts";
import { RouteWatch } from "./route-watch.ts";

const run = promisify(execFile);

/** A route of the kernel with our protocol number, as `ip -json route` prints it. */
export interface KernelRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly metric?: number;
}

/** One node of ours in a lab. */
export class AgentNode {
  readonly address: string;
  readonly #lab: Lab;
  readonly #view: LabNodeView;
  readonly #watches: RouteWatch[] = [];

  constructor(lab: Lab, view: LabNodeView, address: string) {
    this.#lab = lab;
    this.#view = view;
    this.address = address;
  }

  get networkNamespace(): string {
    return this.#view.networkNamespace;
  }

  /** Runs a program of the node; throws unless it succeeds. */
  async run(argv: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.#lab.exec(this.#view.name, argv, input === undefined ? {} : { input });
    if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  /** True if the address answers one of three pings out of a pod of this node. */
  async pingFromPod(pod: string, target: string): Promise<boolean> {
    const argv = ["ip", "netns", "exec", pod, "ping", "-c", "3", "-i", "0.2", "-W", "1", target];
    return (await this.#lab.exec(this.#view.name, argv)).code === 0;
  }

  async apply(...resources: readonly object[]): Promise<void> {
    const documents = resources.map((resource) => JSON.stringify(resource)).join("\n---\n");
    await this.run(["calictl", "apply", "-f", "-"], documents);
  }

  async routes(): Promise<RouteView[]> {
    return this.#get("/v1/routes") as Promise<RouteView[]>;
  }

  async route(prefix: string): Promise<RouteView | undefined> {
    return (await this.routes()).find((route) => route.prefix === prefix);
  }

  async explain(target: string): Promise<ExplainView> {
    return this.#get(`/v1/explain/${target}`) as Promise<ExplainView>;
  }

  async peers(): Promise<PeerView[]> {
    return this.#get("/v1/peers") as Promise<PeerView[]>;
  }

  /** The session with this address; throws unless there is exactly one. */
  async peer(address: string): Promise<PeerView> {
    const found = (await this.peers()).filter((peer) => peer.address === address);
    const [peer] = found;
    if (peer === undefined || found.length !== 1) throw new Error(`${found.length} peers with address ${address}`);
    return peer;
  }

  /** The routes of the kernel that are ours and came by BGP: those with a gateway. */
  async kernelRoutes(): Promise<KernelRoute[]> {
    const argv = ["-n", this.networkNamespace, "-json", "-N", "route", "show", "protocol", "202"];
    const { stdout } = await run("ip", argv, { maxBuffer: 64 * 2 ** 20 });
    const routes: KernelRoute[] = stdout.trim() === "" ? [] : JSON.parse(stdout);
    return routes.filter((route) => route.gateway !== undefined);
  }

  async kernelRoute(prefix: string): Promise<KernelRoute | undefined> {
    return (await this.kernelRoutes()).find((route) => route.dst === prefix);
  }

  /** Remembers every change of the node's kernel routes from now on. */
  async watchRoutes(): Promise<RouteWatch> {
    const watch = await RouteWatch.start(this.networkNamespace);
    this.#watches.push(watch);
    return watch;
  }

  stopWatching(): void {
    for (const watch of this.#watches) watch.stop();
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    return this.#lab.killNode(this.#view.name, signal);
  }

  start(): Promise<void> {
    return this.#lab.startNode(this.#view.name);
  }

  /** Host process id of the agent. */
  get pid(): number {
    const status = this.#lab.status().find(({ name }) => name === this.#view.name);
    if (status?.main.state !== "running") throw new Error(`the agent of ${this.#view.name} is not running`);
    return status.main.pid;
  }

  get isRunning(): boolean {
    return this.#lab.status().some(({ name, main }) => name === this.#view.name && main.state === "running");
  }

  /** All that the agent has logged. */
  get log(): string {
    return readFileSync(this.#view.log, "utf8");
  }

  get #lastWords(): string {
    return this.log.split("\n").slice(-20).join("\n");
  }

  #get(path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: join(this.#view.runDirectory, "status.sock"), path }, (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (text: string) => {
          body += text;
        });
        answer.once("error", reject);
        answer.once("end", () =>
          answer.statusCode === 200 ? resolve(JSON.parse(body)) : reject(new Error(`${path}: ${body}`)),
        );
      });
      asked.once("error", (error) =>
        reject(new Error(`${path}: ${error.message}; the agent said\n${this.#lastWords}`)),
      );
      asked.end();
    });
  }
}
