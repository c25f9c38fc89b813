import { counterNames } from "./messages.ts";
import { type DropReason, dropReasons } from "./packet.ts";

const SENT = counterNames.indexOf("sent");
const RECEIVED = counterNames.indexOf("received");

/** Position of a reason's counter. */
const dropIndex = Object.fromEntries(
  dropReasons.map((reason, index) => [reason, counterNames.length + index]),
) as Record<DropReason, number>;

/** The forwarding thread's side of the counters, which the main thread reads. */
export class PacketCounters {
  readonly #counters: Float64Array;

  /** As in ForwarderSetup. */
  constructor(counters: Float64Array) {
    this.#counters = counters;
  }

  sent(packets: number): void {
    this.#add(SENT, packets);
  }

  received(packets: number): void {
    this.#add(RECEIVED, packets);
  }

  dropped(reason: DropReason, packets = 1): void {
    this.#add(dropIndex[reason], packets);
  }

  #add(counter: number, count: number): void {
    this.#counters[counter] = (this.#counters[counter] ?? 0) + count;
  }
}
