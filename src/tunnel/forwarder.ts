import { closeSync, constants, existsSync, openSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { errorMessage } from "../core/errors.ts";
import { TunnelError } from "../fib/device/errors.ts";
import { withNamespaceSync } from "../netlink/namespace.ts";
import {
  allowUdpBatches,
  openPathProbe,
  openRawIpSocket,
  openUdpSocket,
  setPathMtuDiscovery,
} from "../sys/ip-sockets.ts";
import { attachTun, createEventFd, SyscallError } from "../sys/libc.ts";
import {
  type Carrier,
  counterNames,
  type ForwarderCommand,
  type ForwarderReport,
  type ForwarderSetup,
  type TunnelCounters,
  type TunnelEnd,
  type TunnelUse,
} from "./messages.ts";
import { type DropReason, dropReasons } from "./packet.ts";

const TUN_FILE = "/dev/net/tun";
const IPPROTO_IPIP = 4;
/** A socket of this protocol receives nothing. */
const IPPROTO_RAW = 255;
const REPLY_BUFFER_BYTES = 65_536;
/** What the kernel may hold of packets for us, and of ours, in octets: some milliseconds at 10 Gbit/s. */
const SOCKET_BUFFER_BYTES = 8 * 2 ** 20;
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

export interface ForwarderOptions {
  readonly carrier: Carrier;
  /** Default: the namespace that the calling thread is in. */
  readonly namespace?: { readonly path: string };
  /** The device has been deleted, or the thread has ended by itself (then with an error). */
  readonly onLoss: (error: TunnelError | undefined) => void;
}

/** The main thread's end of the forwarding thread. Owns the thread and all descriptors that it works with. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #setup: ForwarderSetup;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  /** Of the device, and what else the thread has not yet given back. */
  readonly #tunFds = new Set<number>();
  #end: TunnelEnd | undefined;
  #closed = false;
  #ready: () => void = () => {};
  #failed: (error: TunnelError) => void;

  private constructor(options: ForwarderOptions, setup: ForwarderSetup, entryPoint: URL) {
    this.#options = options;
    this.#setup = setup;
    this.#failed = options.onLoss;
    // Without execArgv a loader of the main thread would have to work in the worker too.
    this.#worker = new Worker(entryPoint, { name: options.carrier.kind, workerData: setup, execArgv: [] });
    this.#worker.on("message", (report: ForwarderReport) => this.#receive(report));
    let cause: unknown;
    this.#worker.on("error", (error) => {
      cause = error;
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once("exit", (code) => {
        for (const fd of [setup.wakeFd, setup.socketFd, setup.replyFd, setup.probeFd, ...this.#tunFds]) closeSync(fd);
        this.#tunFds.clear();
        this.#end = undefined;
        resolve();
        if (this.#closed) return;
        this.#closed = true;
        const reason = cause === undefined ? `it exited with code ${code}` : errorMessage(cause);
        const text = `the thread that carries the packets of the tunnel has ended: ${reason}`;
        this.#failed(new TunnelError("FORWARDER_FAILED", text, {}, cause));
      });
    });
  }

  /** Resolves when the thread waits for commands. Throws TunnelError `FORWARDER_FAILED`, or SyscallError. */
  static async start(options: ForwarderOptions): Promise<Forwarder> {
    const entryPoint = findWorker();
    const forwarder = new Forwarder(
      options,
      inside(options, () => openDescriptors(options.carrier)),
      entryPoint,
    );
    await new Promise<void>((resolve, reject) => {
      forwarder.#ready = resolve;
      forwarder.#failed = reject;
    });
    forwarder.#failed = options.onLoss;
    return forwarder;
  }

  /** The device as it is used now; undefined if it is not. */
  get use(): TunnelUse | undefined {
    return this.#end;
  }

  /** Takes over the device of this name, or makes it. Throws SyscallError, or TunnelError `KERNEL_REFUSED`. */
  attach(device: string, use: TunnelUse): void {
    this.#configure(use);
    this.#end = { ...use, tunFd: this.#open(device) };
    this.#post({ kind: "device", end: this.#end }, []);
  }

  /** Changes how the device is used; without one nothing happens. */
  setUse(use: TunnelUse): void {
    if (this.#end === undefined) return;
    this.#configure(use);
    this.#end = { ...use, tunFd: this.#end.tunFd };
    this.#post({ kind: "device", end: this.#end }, []);
  }

  /** In the words of the command of this name. */
  setRoutes(words: Uint32Array<ArrayBuffer>): void {
    this.#post({ kind: "routes", words }, [words.buffer]);
  }

  /** Nodes that packets may come from, as unsigned 32-bit numbers. */
  setPeers(addresses: Uint32Array<ArrayBuffer>): void {
    this.#post({ kind: "peers", addresses }, [addresses.buffer]);
  }

  counters(): TunnelCounters {
    const { counters } = this.#setup;
    const [sent = 0, received = 0] = counters;
    const dropped = Object.fromEntries(
      dropReasons.map((reason, index) => [reason, counters[counterNames.length + index] ?? 0]),
    ) as Record<DropReason, number>;
    return { sent, received, dropped };
  }

  /** Resolves when the thread is gone. The device stays, but nobody carries its packets. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#post({ kind: "close" }, []);
    }
    await this.#exited;
  }

  /** IPIP's packets each have their header, where it stands. */
  #configure({ pmtuDiscovery }: TunnelUse): void {
    if (this.#setup.wire.kind === "udp") setPathMtuDiscovery(this.#setup.socketFd, pmtuDiscovery);
  }

  #open(device: string): number {
    const fd = inside(this.#options, openTunFile);
    try {
      attachTun(fd, device);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#tunFds.add(fd);
    return fd;
  }

  #post(command: ForwarderCommand, transfer: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(command, transfer);
    writeSync(this.#setup.wakeFd, ONE);
  }

  #receive(report: ForwarderReport): void {
    if (report.kind === "ready") {
      this.#ready();
      return;
    }
    if (this.#tunFds.delete(report.tunFd)) closeSync(report.tunFd);
    if (report.kind === "released" || this.#end?.tunFd !== report.tunFd) return;
    this.#end = undefined;
    this.#options.onLoss(undefined);
  }
}

/** Sockets and open TUN devices stay in the namespace that they were made in. */
function inside<Opened>({ namespace }: Pick<ForwarderOptions, "namespace">, open: () => Opened): Opened {
  return namespace === undefined ? open() : withNamespaceSync(namespace.path, open);
}

function openTunFile(): number {
  try {
    return openSync(TUN_FILE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const text = `${errorMessage(error)}: load the module tun or ipip (modprobe) on the host, and give the agent ${TUN_FILE}`;
    throw new TunnelError("KERNEL_REFUSED", text, { path: TUN_FILE }, error);
  }
}

function openDescriptors(carrier: Carrier): ForwarderSetup {
  const counters = new Float64Array(new SharedArrayBuffer((counterNames.length + dropReasons.length) * 8));
  const opened: number[] = [];
  const keep = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  try {
    const socketFd = keep(openSocket(carrier));
    const { kind } = carrier;
    const wire = kind === "ipip" ? { kind } : { kind, port: carrier.port, segments: allowUdpBatches(socketFd) };
    const replyFd = keep(openRawIpSocket(IPPROTO_RAW, REPLY_BUFFER_BYTES));
    return { wire, socketFd, replyFd, probeFd: keep(openPathProbe()), wakeFd: keep(createEventFd()), counters };
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}

function openSocket(carrier: Carrier): number {
  if (carrier.kind === "ipip") return openRawIpSocket(IPPROTO_IPIP, SOCKET_BUFFER_BYTES);
  const { localAddress, port } = carrier;
  try {
    return openUdpSocket(localAddress.w0, port, SOCKET_BUFFER_BYTES);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EADDRINUSE") throw error;
    const text = `UDP port ${port} of ${localAddress} belongs to another program: end it, or give all nodes another port`;
    throw new TunnelError("KERNEL_REFUSED", text, { port, errno: error.errno }, error);
  }
}

/** A worker cannot start from a .ts file on node 20, so running from source needs the build's output. */
function findWorker(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  const url = new URL(isSource ? "../../dist/tunnel/worker.js" : "./worker.js", import.meta.url);
  if (!existsSync(url)) {
    const path = fileURLToPath(url);
    throw new TunnelError("FORWARDER_FAILED", `${path} does not exist: run "npm run build" first`, { path });
  }
  return url;
}
