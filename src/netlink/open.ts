import { closeSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type Logger, silentLogger } from "../core/logger.ts";
import { createEventFd } from "../sys/libc.ts";
import {
  enableNetlinkOption,
  hideRouteChanges,
  netlinkOption,
  openRouteSocket,
  portIdOf,
} from "../sys/netlink-socket.ts";
import { DirectLink } from "./direct-link.ts";
import { NetlinkError } from "./errors.ts";
import { KernelNetlink } from "./kernel-netlink.ts";
import { MonitoredNetlink } from "./monitored-netlink.ts";
import { withNamespaceSync } from "./namespace.ts";
import type { RouteWriter } from "./route-batch.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { ForwardingDatabase, Netlink, NetlinkAccess } from "./types.ts";
import { WorkerLink } from "./worker-link.ts";
import type { WorkerSetup } from "./worker-messages.ts";

export interface DirectNetlinkOptions {
  /** Default: the namespace that the calling thread is in. */
  readonly namespace?: { readonly path: string };
  /** What the kernel may hold for us on each socket, in octets. Default: 16 MiB. */
  readonly receiveBufferBytes?: number;
}

export interface NetlinkOptions extends DirectNetlinkOptions {
  /**
   * Tell of no route changes that were asked for through this Netlink: whoever asked gets answers, and at a node with a
   * full table these events cost as much as the writes. Default: tell of all.
   */
  readonly hidesOwnRouteChanges?: boolean;
  readonly logger?: Logger;
  /** Called once if the worker ends by itself: this Netlink is of no use any more, and its events have stopped. */
  readonly onFailure?: (error: NetlinkError) => void;
}

const DEFAULT_RECEIVE_BUFFER_BYTES = 16 * 2 ** 20;

/**
 * Opens the kernel's network state in one network namespace and starts the thread that talks to it. The result must be
 * closed. Throws SyscallError, or NetlinkError with `WORKER_MISSING`, `WORKER_FAILED`, `NAMESPACE_NOT_FOUND` or
 * `NAMESPACE_FAILED`.
 */
export async function openNetlink(options: NetlinkOptions = {}): Promise<Netlink & RouteWriter & ForwardingDatabase> {
  const { namespace, logger = silentLogger } = options;
  const entryPoint = findWorker();
  const setup = openInside(options, openDescriptors);
  if (options.hidesOwnRouteChanges === true) hideRouteChanges(setup.monitorFd, portIdOf(setup.requestFd));
  const subscriptions = new Subscriptions(logger);
  // Without execArgv a loader of the main thread would have to work in the worker too.
  const worker = new Worker(entryPoint, { name: "netlink", workerData: setup, execArgv: [] });
  const link: WorkerLink = await WorkerLink.start(worker, setup, {
    events(bytes) {
      try {
        subscriptions.deliver(bytes);
      } finally {
        link.eventsConsumed();
      }
    },
    overrun: () => subscriptions.overrun(),
    failed(error) {
      logger.error({ code: error.code, ...namespace }, error.message);
      options.onFailure?.(error);
    },
  });
  return new MonitoredNetlink(link, subscriptions, logger);
}

/**
 * Opens the same without a thread, which takes 50 ms or more to start: for a few requests in a pod's namespace. Each
 * call blocks the calling thread while the kernel works (10 µs for a request, 100 ms for a dump of 100,000 routes). The
 * result must be closed. Throws SyscallError, or NetlinkError with `NAMESPACE_NOT_FOUND` or `NAMESPACE_FAILED`.
 */
export function openDirectNetlink(options: DirectNetlinkOptions = {}): NetlinkAccess & ForwardingDatabase {
  return new KernelNetlink(new DirectLink(openInside(options, openRequestSocket)));
}

/** Sockets stay in the namespace that they were made in, so nothing else has to be done inside. */
function openInside<Opened>(options: DirectNetlinkOptions, open: (receiveBufferBytes: number) => Opened): Opened {
  const { namespace, receiveBufferBytes = DEFAULT_RECEIVE_BUFFER_BYTES } = options;
  return namespace === undefined
    ? open(receiveBufferBytes)
    : withNamespaceSync(namespace.path, () => open(receiveBufferBytes));
}

function openRequestSocket(receiveBufferBytes: number): number {
  const fd = openRouteSocket(receiveBufferBytes);
  for (const option of Object.values(netlinkOption)) enableNetlinkOption(fd, option);
  return fd;
}

function openDescriptors(receiveBufferBytes: number): WorkerSetup {
  const opened: number[] = [];
  const keep = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  try {
    return {
      requestFd: keep(openRequestSocket(receiveBufferBytes)),
      monitorFd: keep(openRouteSocket(receiveBufferBytes)),
      wakeFd: keep(createEventFd()),
    };
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}

/** A worker cannot start from a .ts file on node 20, so running from source needs the build's output. */
function findWorker(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  const url = new URL(isSource ? "../../dist/netlink/worker.js" : "./worker.js", import.meta.url);
  if (!existsSync(url))
    throw new NetlinkError("WORKER_MISSING", `${fileURLToPath(url)} does not exist: run "npm run build" first`, {
      path: fileURLToPath(url),
    });
  return url;
}
