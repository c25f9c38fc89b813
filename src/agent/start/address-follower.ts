import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { AddressFamily } from "../../net/address.ts";
import type { InterfaceAddress, Netlink } from "../../netlink/types.ts";
import type { NodeAddress } from "./detect-address.ts";
import { addressText, type OwnAddresses } from "./own-addresses.ts";

/** Whoever replaces an address takes one away and adds another; what is between them is of no interest. */
const settleMs = 1_000;

export interface AddressFollowerOptions {
  readonly netlink: Pick<Netlink, "subscribe" | "addresses">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the agent works with now. */
  readonly current: OwnAddresses;
  /** The families whose address is to be detected; those of the others stay whatever happens. */
  readonly families: readonly AddressFamily[];
  /** As at the agent's start; rejects if there is no address that fits. */
  readonly detect: (family: AddressFamily) => Promise<NodeAddress | undefined>;
  /** Called at most once, with the addresses of all families. */
  readonly onMove: (addresses: OwnAddresses) => void;
}

/**
 * Finds out when this node's address is another one. An address stays the node's for as long as an interface has it, also
 * when a better one comes; only when it is gone the detection decides again.
 */
export class AddressFollower {
  readonly #options: AddressFollowerOptions;
  readonly #missed = new Set<AddressFamily>();
  #unsubscribe: (() => void) | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: AddressFollowerOptions) {
    this.#options = options;
  }

  /** Does nothing if no family is to be detected. */
  async start(): Promise<void> {
    const { netlink, families } = this.#options;
    if (families.length === 0) return;
    this.#unsubscribe = await netlink.subscribe(["address", "link"], () => this.#lookSoon());
    // The address may have gone between its detection and the subscription.
    this.#lookSoon();
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe?.();
    this.#timer?.cancel();
  }

  #lookSoon(): void {
    if (this.#stopped) return;
    this.#timer ??= this.#options.clock.setTimer(settleMs, () => {
      this.#timer = undefined;
      this.#look().catch((error: unknown) => {
        if (!this.#stopped)
          this.#options.logger.warn(
            { error: errorMessage(error) },
            "cannot see whether this node still has its address",
          );
      });
    });
  }

  async #look(): Promise<void> {
    const { netlink, current, families, onMove, logger } = this.#options;
    const present = await netlink.addresses();
    const found: Partial<Record<AddressFamily, NodeAddress>> = {};
    for (const family of families) {
      const own = current[family];
      if (own !== undefined && present.some((candidate) => isSame(candidate, own))) this.#missed.delete(family);
      else Object.assign(found, await this.#detect(family, own));
    }
    if (this.#stopped || Object.keys(found).length === 0) return;
    this.stop();
    const moved = { ...current, ...found };
    logger.warn(
      { from: Object.values(current).map(addressText), to: Object.values(moved).map(addressText) },
      "this node's address has changed",
    );
    onMove(moved);
  }

  /** Nothing if there is none; that is said once until the address is back. */
  async #detect(family: AddressFamily, own: NodeAddress | undefined): Promise<OwnAddresses> {
    try {
      const address = await this.#options.detect(family);
      return address === undefined ? {} : { [family]: address };
    } catch (error) {
      if (this.#stopped || this.#missed.has(family)) return {};
      this.#missed.add(family);
      this.#options.logger.warn(
        { address: own && addressText(own), error: errorMessage(error) },
        "no interface has this node's address any more, and there is no other; the agent goes on with it",
      );
      return {};
    }
  }
}

function isSame({ address, prefixLength, duplicate }: InterfaceAddress, own: NodeAddress): boolean {
  return address.equals(own.address) && prefixLength === own.prefixLength && duplicate !== true;
}
