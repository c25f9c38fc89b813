// The thread of the BFD sessions. It blocks in poll(2) and does nothing else, so that no load on the main thread looks like the
// death of a neighbour: 50 ms × 3 hold while a full table is being loaded.
import { closeSync, readSync } from "node:fs";
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { systemClock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import { IpAddress } from "../../net/address.ts";
import { pollReadable, SyscallError, sendBytes } from "../../sys/libc.ts";
import { openUdpListener, openUdpSender, UdpReceiver } from "../../sys/udp-socket.ts";
import { BfdEngine, type BfdSender } from "./engine.ts";
import type { BfdCommand, BfdPeer, BfdReport } from "./types.ts";

/** What the thread gets when it starts. */
export interface BfdWorkerSetup {
  /** eventfd that the main thread adds to after posting a command. */
  readonly wakeFd: number;
}

/** RFC 5881 §4 and RFC 5883 §5. */
const ports = { singleHop: 3784, multihop: 4784 } as const;
/** RFC 5881 §4: where the source port is from. */
const firstSourcePort = 49_152;
/** Class selector 6, as routers send BFD. */
const trafficClass = 48 << 2;
const sourcePortTries = 16;
/** How long a process that exits without closing us has to wait for this thread. */
const longestPollMs = 500;
/** More than a control packet can have. */
const largestPayload = 256;

interface Listener {
  readonly fd: number;
  readonly multihop: boolean;
}

function run(port: MessagePort, { wakeFd }: BfdWorkerSetup): void {
  const report = (message: BfdReport): void => port.postMessage(message);
  const engine = new BfdEngine({ clock: systemClock, random: Math.random, open: openSender, report });
  const receiver = new UdpReceiver(largestPayload);
  const counter = new Uint8Array(8);
  const listeners = openListeners(report);
  const watched = [wakeFd, ...listeners.map(({ fd }) => fd)];

  report({ kind: "ready" });
  for (;;) {
    const waitMs = Math.max(0, Math.min(longestPollMs, Math.ceil(engine.deadlineMs - systemClock.monotonicMs())));
    const [isWoken, ...areReadable] = pollReadable(watched, waitMs);
    if (isWoken === true) {
      readSync(wakeFd, counter);
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
        const command: BfdCommand = next.message;
        if (command.kind === "close") {
          engine.shutDown();
          for (const { fd } of listeners) closeSync(fd);
          return;
        }
        engine.setPeers(command.peers);
      }
    }
    for (const [index, listener] of listeners.entries()) if (areReadable[index] === true) receiveAll(listener);
    // Packets first: one that lay in the socket while we slept is no silence.
    engine.advance();
  }

  function receiveAll({ fd, multihop }: Listener): void {
    for (let datagram = receiver.receive(fd); datagram !== undefined; datagram = receiver.receive(fd)) {
      const { length, source, interfaceIndex, ttl } = datagram;
      engine.receive({
        multihop,
        octets: receiver.bytes.subarray(0, length),
        source: source.toString(),
        interfaceIndex,
        ttl,
      });
    }
  }
}

function openListeners(report: (message: BfdReport) => void): readonly Listener[] {
  const listeners: Listener[] = [];
  for (const [port, multihop] of [
    [ports.singleHop, false],
    [ports.multihop, true],
  ] as const)
    for (const family of [4, 6] as const) {
      try {
        listeners.push({ fd: openUdpListener(family, port), multihop });
      } catch (error) {
        report({ kind: "problem", text: `BFD cannot listen on IPv${family} port ${port}: ${errorMessage(error)}` });
      }
    }
  return listeners;
}

/** A socket with a source port of its own, which stays the session's (RFC 5881 §4). */
function openSender({ localAddress, remoteAddress, scopeId, multihop }: BfdPeer): BfdSender {
  const options = {
    local: IpAddress.parse(localAddress),
    remote: IpAddress.parse(remoteAddress),
    remotePort: multihop ? ports.multihop : ports.singleHop,
    ttl: 255,
    trafficClass,
    scopeId,
  };
  for (let tries = 1; ; tries++) {
    const localPort = firstSourcePort + Math.floor(Math.random() * (2 ** 16 - firstSourcePort));
    try {
      const fd = openUdpSender({ ...options, localPort });
      return { send: (octets) => sendQuietly(fd, octets), close: () => closeSync(fd) };
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "EADDRINUSE" || tries === sourcePortTries) throw error;
    }
  }
}

/** The peer's host says that nobody listens there, or the device's queue is full: the same as a lost packet. */
const losses: ReadonlySet<string> = new Set(["ECONNREFUSED", "EAGAIN", "ENOBUFS"]);

function sendQuietly(fd: number, octets: Uint8Array): void {
  try {
    sendBytes(fd, octets);
  } catch (error) {
    if (!(error instanceof SyscallError) || !losses.has(error.code)) throw error;
  }
}

if (parentPort === null) throw new TypeError("this file is the entry point of a worker thread");
run(parentPort, workerData);
