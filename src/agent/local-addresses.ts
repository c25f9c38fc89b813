import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { PrefixSet } from "../net/prefix-map.ts";
import type { InterfaceAddress, Netlink } from "../netlink/types.ts";

/** The addresses of this node's interfaces, kept up to date by the kernel's events. */
export class LocalAddresses {
  readonly #netlink: Pick<Netlink, "subscribe" | "addresses">;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #present = new PrefixSet();
  readonly #waiters = new Set<() => void>();
  /** How many events there were; what was read before one of them is out of date. */
  #events = 0;
  #unsubscribe: (() => void) | undefined;

  constructor(netlink: Pick<Netlink, "subscribe" | "addresses">, clock: Clock, logger: Logger) {
    this.#netlink = netlink;
    this.#clock = clock;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#unsubscribe = await this.#netlink.subscribe(["address"], (events) => {
      this.#events += events.length;
      for (const event of events)
        if (event.type === "address" && event.action === "new") this.#add(event.address);
        // Another interface may still have a deleted address.
        else this.#reloadLater();
    });
    await this.#reload();
  }

  stop(): void {
    this.#unsubscribe?.();
  }

  has(address: IpAddress): boolean {
    return this.#present.has(Prefix.host(address));
  }

  /** Resolves true as soon as an interface has the address, false after `timeoutMs`. */
  async appears(address: IpAddress, timeoutMs: number): Promise<boolean> {
    if (this.has(address)) return true;
    return new Promise((resolve) => {
      const finish = (found: boolean) => {
        this.#waiters.delete(check);
        timer.cancel();
        resolve(found);
      };
      const check = () => {
        if (this.has(address)) finish(true);
      };
      const timer = this.#clock.setTimer(timeoutMs, () => finish(false));
      this.#waiters.add(check);
    });
  }

  #reloadLater(): void {
    this.#reload().catch((error: unknown) => {
      this.#logger.warn({ error: errorMessage(error) }, "cannot read this node's addresses");
    });
  }

  async #reload(): Promise<void> {
    let eventsBefore: number;
    let addresses: readonly InterfaceAddress[];
    do {
      eventsBefore = this.#events;
      addresses = await this.#netlink.addresses();
    } while (eventsBefore !== this.#events);
    this.#present.clear();
    for (const address of addresses) this.#add(address);
  }

  #add({ address }: InterfaceAddress): void {
    this.#present.add(Prefix.host(address));
    for (const check of this.#waiters) check();
  }
}
