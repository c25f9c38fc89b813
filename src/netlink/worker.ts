// The thread that owns the request and the monitor socket of one network namespace. It blocks in poll(2) rather than in
// node's event loop: main thread --command--> port, eventfd --> poll --> kernel --> report --> main thread.
import { readSync } from "node:fs";
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { pollReadable } from "../sys/libc.ts";
import { MonitorChannel } from "./monitor-channel.ts";
import { RequestChannel } from "./request-channel.ts";
import type { WorkerCommand, WorkerReport, WorkerSetup } from "./worker-messages.ts";

/** How long a process that exits without closing us has to wait for this thread. */
const POLL_TIMEOUT_MS = 500;

function run(port: MessagePort, setup: WorkerSetup): void {
  const report = (message: WorkerReport, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  const requests = new RequestChannel(setup.requestFd);
  const monitor = new MonitorChannel(setup.monitorFd, report);
  const counter = new Uint8Array(8);

  report({ kind: "ready" });
  for (;;) {
    const watched = monitor.isPaused ? [setup.wakeFd] : [setup.wakeFd, setup.monitorFd];
    const [isWoken] = pollReadable(watched, POLL_TIMEOUT_MS);
    if (isWoken === true) {
      readSync(setup.wakeFd, counter);
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
        const command: WorkerCommand = next.message;
        if (command.kind === "close") return;
        perform(command);
        // A long row of commands must not make the monitor's buffer run over with their own echoes.
        monitor.drain();
      }
    }
    monitor.drain();
  }

  function perform(command: Exclude<WorkerCommand, { kind: "close" }>): void {
    switch (command.kind) {
      case "batch": {
        const outcome = requests.exchange(command.bytes, command.lastSequence);
        // What others did before this batch is told before its answer; what is told later happened after it.
        monitor.drain();
        report({ kind: "batch", id: command.id, outcome });
        break;
      }
      case "query": {
        const outcome = requests.query(command.bytes, command.sequence, () => monitor.drain());
        const chunks = outcome.kind === "answered" ? outcome.chunks.map(({ buffer }) => buffer) : [];
        report({ kind: "query", id: command.id, outcome }, chunks);
        break;
      }
      case "membership":
        monitor.setMembership(command.groups, command.isMember);
        report({ kind: "membership", id: command.id });
        break;
      case "events-consumed":
        monitor.consumed(command.reports);
        break;
    }
  }
}

if (parentPort === null) throw new TypeError("this file is the entry point of a worker thread");
run(parentPort, workerData);
