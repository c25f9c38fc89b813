import { closeSync, writeSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { errorMessage } from "../core/errors.ts";
import { NetlinkError } from "./errors.ts";
import type { BatchOutcome, QueryOutcome, WorkerCommand, WorkerReport, WorkerSetup } from "./worker-messages.ts";

/** What the worker says unasked. */
export interface WorkerListener {
  events(bytes: Uint8Array): void;
  overrun(): void;
  /** The thread has ended by itself; every pending and later call is rejected with this error. */
  failed(error: NetlinkError): void;
}

interface PendingCall {
  settle(report: WorkerReport): void;
  fail(error: NetlinkError): void;
}

/** Far fewer than the worker sends without hearing that they have been dealt with. */
const REPORTS_PER_CREDIT = 8;

/** Added to an eventfd it makes it readable. */
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

/** The main thread's end of the worker: commands become promises of their reports. Owns the worker and its descriptors. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #setup: WorkerSetup;
  readonly #listener: WorkerListener;
  readonly #pending = new Map<number, PendingCall>();
  readonly #exited: Promise<void>;
  #nextId = 1;
  /** Reports of events that the worker does not know yet to have been dealt with. */
  #consumed = 0;
  #end: NetlinkError | undefined;

  private constructor(worker: Worker, setup: WorkerSetup, listener: WorkerListener) {
    this.#worker = worker;
    this.#setup = setup;
    this.#listener = listener;
    this.#exited = new Promise((resolve) => {
      worker.once("exit", (code) => {
        this.#finish(`it exited with code ${code}`);
        for (const fd of [setup.wakeFd, setup.requestFd, setup.monitorFd]) closeSync(fd);
        resolve();
      });
    });
    worker.on("message", (report: WorkerReport) => this.#receive(report));
    worker.on("error", (error) => this.#finish(errorMessage(error), error));
  }

  /** Resolves when the worker waits for commands; rejects with `WORKER_FAILED`. The descriptors are its own from now on. */
  static async start(worker: Worker, setup: WorkerSetup, listener: WorkerListener): Promise<WorkerLink> {
    const link = new WorkerLink(worker, setup, listener);
    await new Promise<void>((resolve, reject) => {
      link.#pending.set(READY, { settle: () => resolve(), fail: reject });
    });
    return link;
  }

  async exchange(bytes: Uint8Array<ArrayBuffer>, lastSequence: number): Promise<BatchOutcome> {
    const report = await this.#call("batch", (id) => ({ kind: "batch", id, bytes, lastSequence }), [bytes.buffer]);
    return report.outcome;
  }

  async query(bytes: Uint8Array<ArrayBuffer>, sequence: number): Promise<QueryOutcome> {
    const report = await this.#call("query", (id) => ({ kind: "query", id, bytes, sequence }), [bytes.buffer]);
    return report.outcome;
  }

  async setMembership(groups: readonly number[], isMember: boolean): Promise<void> {
    await this.#call("membership", (id) => ({ kind: "membership", id, groups, isMember }), []);
  }

  /** One report of events has been dealt with. The worker hears of several at once, since each message wakes it. */
  eventsConsumed(): void {
    if (++this.#consumed < REPORTS_PER_CREDIT || this.#end !== undefined) return;
    this.#post({ kind: "events-consumed", reports: this.#consumed }, []);
    this.#consumed = 0;
  }

  /** Lets the worker finish what it was given, and resolves when it is gone. Later calls are rejected with `CLOSED`. */
  async close(): Promise<void> {
    if (this.#end === undefined) {
      this.#post({ kind: "close" }, []);
      this.#end = new NetlinkError("CLOSED", "this netlink has been closed");
    }
    await this.#exited;
  }

  #call<Kind extends WorkerReport["kind"]>(
    kind: Kind,
    command: (id: number) => WorkerCommand,
    transfer: readonly ArrayBuffer[],
  ): Promise<Extract<WorkerReport, { kind: Kind }>> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      const id = this.#nextId++;
      const settle = (report: WorkerReport): void => {
        if (isOfKind(report, kind)) resolve(report);
      };
      this.#pending.set(id, { settle, fail: reject });
      this.#post(command(id), transfer);
    });
  }

  #post(command: WorkerCommand, transfer: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(command, transfer);
    writeSync(this.#setup.wakeFd, ONE);
  }

  #receive(report: WorkerReport): void {
    if (report.kind === "events") this.#listener.events(report.bytes);
    else if (report.kind === "overrun") this.#listener.overrun();
    else {
      const id = report.kind === "ready" ? READY : report.id;
      this.#pending.get(id)?.settle(report);
      this.#pending.delete(id);
    }
  }

  /** The thread is gone, or as good as gone: nobody shall wait for it any more. */
  #finish(reason: string, cause?: unknown): void {
    const wasClosed = this.#end !== undefined;
    const error = this.#end ?? new NetlinkError("WORKER_FAILED", `the netlink worker has ended: ${reason}`, {}, cause);
    this.#end = error;
    for (const call of this.#pending.values()) call.fail(error);
    this.#pending.clear();
    if (!wasClosed) this.#listener.failed(error);
  }
}

/** Stands for the first report, which answers no command. */
const READY = 0;

function isOfKind<Kind extends WorkerReport["kind"]>(
  report: WorkerReport,
  kind: Kind,
): report is Extract<WorkerReport, { kind: Kind }> {
  return report.kind === kind;
}
