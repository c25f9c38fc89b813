// The thread that carries the packets of a user-space tunl0. It blocks in poll(2), as the netlink thread does:
// pod --route--> tunl0 --read--> outer header --sendmmsg--> network, and back.
import { readSync } from "node:fs";
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { pollReadable } from "../../sys/libc.ts";
import type { ForwarderCommand, ForwarderReport, ForwarderSetup, TunnelEnd } from "./messages.ts";
import { PacketPump } from "./packet-pump.ts";
import { TunnelRouteTable } from "./route-table.ts";

/** How long a process that exits without closing us has to wait for this thread. */
const POLL_TIMEOUT_MS = 500;
/** A TUN device holds 500 packets unless somebody has changed that. */
const LONGEST_QUEUE_BATCHES = 16;

function run(port: MessagePort, { wakeFd, rawFd, counters }: ForwarderSetup): void {
  const report = (message: ForwarderReport): void => port.postMessage(message);
  const routes = new TunnelRouteTable();
  const pump = new PacketPump({ rawFd, routes, counters, onMiss: learnEarly });
  const counter = new Uint8Array(8);
  /** Commands that have been looked at before their time. */
  const backlog: ForwarderCommand[] = [];
  let device: TunnelEnd | undefined;

  report({ kind: "ready" });
  for (;;) {
    const watched = device === undefined ? [wakeFd] : [wakeFd, device.tunFd, rawFd];
    const [isWoken, hasOutgoing, hasIncoming] = pollReadable(watched, POLL_TIMEOUT_MS);
    if (isWoken === true) {
      readSync(wakeFd, counter);
      for (let command = nextCommand(); command !== undefined; command = nextCommand()) {
        if (command.kind === "close") return;
        perform(command);
      }
    }
    if (hasOutgoing === true) sendWaiting();
    if (hasIncoming === true && device !== undefined) pump.receive(device);
  }

  function nextCommand(): ForwarderCommand | undefined {
    return backlog.shift() ?? receiveMessageOnPort(port)?.message;
  }

  function sendWaiting(): "more" | "empty" {
    if (device === undefined) return "empty";
    const end = pump.send(device);
    if (end !== "gone") return end;
    report({ kind: "device-gone", tunFd: device.tunFd });
    device = undefined;
    return "empty";
  }

  function perform(command: Exclude<ForwarderCommand, { kind: "close" }>): void {
    if (command.kind === "routes") {
      // What the kernel put into the device under the routes of before goes out under them. There is an end to it, because
      // the device's queue is short.
      for (let batch = 0; batch < LONGEST_QUEUE_BATCHES && sendWaiting() === "more"; batch++);
      routes.apply(command.words, "all");
      return;
    }
    if (device !== undefined && device.tunFd !== command.end.tunFd) report({ kind: "released", tunFd: device.tunFd });
    device = command.end;
  }

  /**
   * A route is told to us before the kernel gets it, but a packet may be quicker to be noticed than the command: it is on its
   * way if a packet misses it. New routes count at once, and once more when their turn comes.
   */
  function learnEarly(): void {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      const command: ForwarderCommand = next.message;
      backlog.push(command);
      if (command.kind === "routes") routes.apply(command.words, "additions");
    }
  }
}

if (parentPort === null) throw new TypeError("this file is the entry point of a worker thread");
run(parentPort, workerData);
