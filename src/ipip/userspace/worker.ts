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
  const pump = new PacketPump(rawFd, routes, counters);
  const counter = new Uint8Array(8);
  let device: TunnelEnd | undefined;

  report({ kind: "ready" });
  for (;;) {
    const watched = device === undefined ? [wakeFd] : [wakeFd, device.tunFd, rawFd];
    const [isWoken, hasOutgoing, hasIncoming] = pollReadable(watched, POLL_TIMEOUT_MS);
    if (hasOutgoing === true) sendWaiting();
    if (hasIncoming === true && device !== undefined) pump.receive(device);
    if (isWoken !== true) continue;
    readSync(wakeFd, counter);
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      const command: ForwarderCommand = next.message;
      if (command.kind === "close") return;
      perform(command);
    }
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
      setRoutes(command.words);
      return;
    }
    if (device !== undefined && device.tunFd !== command.end.tunFd) report({ kind: "released", tunFd: device.tunFd });
    device = command.end;
  }

  function setRoutes(words: Uint32Array): void {
    for (let at = 0; at < words.length; ) {
      const [address = 0, length = 0, count = 0] = words.subarray(at, at + 3);
      routes.set(address, length, words.slice(at + 3, at + 3 + count));
      at += 3 + count;
    }
  }
}

if (parentPort === null) throw new TypeError("this file is the entry point of a worker thread");
run(parentPort, workerData);
