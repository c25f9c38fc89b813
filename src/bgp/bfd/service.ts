import { closeSync, existsSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { createEventFd } from "../../sys/libc.ts";
import { BfdError } from "./errors.ts";
import type { BfdState } from "./packet.ts";
import type { BfdCommand, BfdPeer, BfdReport, BfdStatus } from "./types.ts";
import type { BfdWorkerSetup } from "./worker.ts";

interface BfdServiceOptions {
  readonly logger: Logger;
  /** A session's status changed; `was` is the state that it had. Not for a session that is taken away. */
  readonly onStatus: (status: BfdStatus, was: BfdState) => void;
  /** Called once if the thread ends by itself: there are no sessions any more. */
  readonly onFailure: (error: BfdError) => void;
}

const one = new Uint8Array(BigUint64Array.of(1n).buffer);

/**
 * Bidirectional forwarding detection (RFC 5880, 5881, 5883) in a thread of its own: tells within some hundred milliseconds
 * that a neighbour, or the way to it, is dead. Listens in the network namespace of the calling thread.
 */
export class BfdService {
  readonly #options: BfdServiceOptions;
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #exited: Promise<void>;
  readonly #statuses = new Map<string, BfdStatus>();
  readonly #problems: string[] = [];
  #wanted: ReadonlySet<string> = new Set();
  #isClosed = false;
  #ready: () => void = () => {};
  #failed: (error: BfdError) => void;

  private constructor(options: BfdServiceOptions, entryPoint: URL) {
    this.#options = options;
    this.#failed = options.onFailure;
    this.#wakeFd = createEventFd();
    const setup: BfdWorkerSetup = { wakeFd: this.#wakeFd };
    this.#worker = new Worker(entryPoint, {
      name: "bfd",
      workerData: setup,
      // Else a loader of the main thread would have to work in the worker too.
      execArgv: [],
      // It opens its sockets without node's knowledge.
      trackUnmanagedFds: false,
    });
    this.#worker.on("message", (report: BfdReport) => this.#receive(report));
    let cause: unknown;
    this.#worker.on("error", (error) => {
      cause = error;
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once("exit", (code) => {
        closeSync(this.#wakeFd);
        resolve();
        if (this.#isClosed) return;
        this.#isClosed = true;
        const reason = cause === undefined ? `it exited with code ${code}` : errorMessage(cause);
        this.#failed(new BfdError("BFD_FAILED", `the thread of the BFD sessions has ended: ${reason}`, {}, cause));
      });
    });
  }

  /** Resolves when the thread listens. Throws BfdError `BFD_FAILED`, or SyscallError. */
  static async start(options: BfdServiceOptions): Promise<BfdService> {
    const service = new BfdService(options, findWorker());
    await new Promise<void>((resolve, reject) => {
      service.#ready = resolve;
      service.#failed = reject;
    });
    service.#failed = options.onFailure;
    return service;
  }

  /** All neighbours that shall be watched, with names that differ. Sessions of those that stay the same go on. */
  setPeers(peers: readonly BfdPeer[]): void {
    this.#wanted = new Set(peers.map(({ name }) => name));
    for (const name of this.#statuses.keys()) if (!this.#wanted.has(name)) this.#statuses.delete(name);
    this.#post({ kind: "peers", peers });
  }

  status(name: string): BfdStatus | undefined {
    return this.#statuses.get(name);
  }

  /** What keeps sessions from working, one sentence each. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Tells all neighbours that the sessions end on purpose, so that nobody takes it for a failure. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#post({ kind: "close" });
    }
    await this.#exited;
  }

  #post(command: BfdCommand): void {
    this.#worker.postMessage(command);
    writeSync(this.#wakeFd, one);
  }

  #receive(report: BfdReport): void {
    switch (report.kind) {
      case "ready":
        this.#ready();
        return;
      case "problem":
        this.#problems.push(report.text);
        this.#options.logger.error({}, report.text);
        return;
      case "status": {
        const { status, was } = report;
        // What the thread said of a session that has been taken away meanwhile.
        if (!this.#wanted.has(status.name)) return;
        this.#statuses.set(status.name, status);
        this.#options.onStatus(status, was);
      }
    }
  }
}

/** A worker cannot start from a .ts file on node 20, so running from source needs the build's output. */
function findWorker(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  const url = new URL(isSource ? "../../../dist/bgp/bfd/worker.js" : "./worker.js", import.meta.url);
  if (!existsSync(url)) {
    const path = fileURLToPath(url);
    throw new BfdError("BFD_FAILED", `${path} does not exist: run "npm run build" first`, { path });
  }
  return url;
}
