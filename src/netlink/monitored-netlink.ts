import type { Logger } from "../core/logger.ts";
import type { NetlinkError } from "./errors.ts";
import { KernelNetlink } from "./kernel-netlink.ts";
import { multicastGroupNumbers, type Subscriptions } from "./subscriptions.ts";
import type { Netlink, NetlinkEvent, NetlinkEventGroup } from "./types.ts";
import type { WorkerLink } from "./worker-link.ts";

/** The network state of a real kernel with its changes, by way of a worker that owns the sockets. */
export class MonitoredNetlink extends KernelNetlink implements Netlink {
  readonly #link: WorkerLink;
  readonly #subscriptions: Subscriptions;
  readonly #logger: Logger;

  constructor(link: WorkerLink, subscriptions: Subscriptions, logger: Logger) {
    super(link);
    this.#link = link;
    this.#subscriptions = subscriptions;
    this.#logger = logger;
  }

  async subscribe(
    groups: readonly NetlinkEventGroup[],
    listener: (events: readonly NetlinkEvent[]) => void,
  ): Promise<() => void> {
    const subscription = this.#subscriptions.add(groups, listener);
    try {
      await this.#link.setMembership(multicastGroupNumbers(groups), true);
    } catch (error) {
      this.#subscriptions.remove(subscription);
      throw error;
    }
    return () => {
      const unwanted = this.#subscriptions.remove(subscription);
      if (unwanted.length === 0) return;
      this.#link.setMembership(unwanted, false).catch((error: NetlinkError) => {
        this.#logger.debug({ code: error.code }, "multicast groups were not left, since the worker is gone");
      });
    };
  }
}
