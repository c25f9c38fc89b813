// The thread that carries the packets of a user-space tunnel. It blocks in poll(2), as the netlink thread does:
// pod --route--> TUN device --read--> outer header or UDP --sendmmsg--> network, and back.
import { readSync } from "node:fs";
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { pathMtu } from "../sys/ip-sockets.ts";
import { pollReadable } from "../sys/libc.ts";
import { CommandQueue } from "./command-queue.ts";
import { PacketCounters } from "./counters.ts";
import { Incoming } from "./incoming.ts";
import type { ForwarderReport, ForwarderSetup, TunnelEnd } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";
import { PathMtus } from "./path-mtus.ts";
import { TunnelRouteTable } from "./route-table.ts";

/** How long a process that exits without closing us has to wait for this thread. */
const POLL_TIMEOUT_MS = 500;
/** A TUN device holds 500 packets unless somebody has changed that. */
const LONGEST_QUEUE_BATCHES = 16;

function run(port: MessagePort, setup: ForwarderSetup): void {
  const { wakeFd, socketFd } = setup;
  const report = (message: ForwarderReport): void => port.postMessage(message);
  const routes = new TunnelRouteTable();
  const commands = new CommandQueue(() => receiveMessageOnPort(port)?.message, routes);
  let peers: ReadonlySet<number> = new Set();
  const isPeer = (address: number): boolean => peers.has(address);
  const counters = new PacketCounters(setup.counters);
  const pathMtus = new PathMtus({ ask: (node) => pathMtu(setup.probeFd, node), nowMs: () => performance.now() });
  const outgoing = new Outgoing({ ...setup, counters, routes, pathMtus, onMiss: () => commands.learn() });
  const incoming = new Incoming({ ...setup, counters, routes, isPeer });
  const counter = new Uint8Array(8);
  let device: TunnelEnd | undefined;

  report({ kind: "ready" });
  for (;;) {
    const watched = device === undefined ? [wakeFd] : [wakeFd, device.tunFd, socketFd];
    const [isWoken, hasOutgoing, hasIncoming] = pollReadable(watched, POLL_TIMEOUT_MS);
    if (isWoken === true) {
      readSync(wakeFd, counter);
      for (const command of commands.perform(sendAll)) {
        if (command.kind === "close") return;
        if (command.kind === "peers") peers = new Set(command.addresses);
        else use(command.end);
      }
    }
    if (hasOutgoing === true) sendWaiting();
    if (hasIncoming === true && device !== undefined) incoming.receive(device);
  }

  /** There is an end to it, because the device's queue is short. */
  function sendAll(): void {
    for (let batch = 0; batch < LONGEST_QUEUE_BATCHES && sendWaiting() === "more"; batch++);
  }

  function sendWaiting(): "more" | "empty" {
    if (device === undefined) return "empty";
    const end = outgoing.send(device);
    if (end !== "gone") return end;
    report({ kind: "device-gone", tunFd: device.tunFd });
    device = undefined;
    return "empty";
  }

  function use(end: TunnelEnd): void {
    if (device !== undefined && device.tunFd !== end.tunFd) report({ kind: "released", tunFd: device.tunFd });
    device = end;
  }
}

if (parentPort === null) throw new TypeError("this file is the entry point of a worker thread");
run(parentPort, workerData);
