import type { ForwarderCommand } from "./messages.ts";
import type { TunnelRouteTable } from "./route-table.ts";

/**
 * Commands of the main thread, which tells of a route before the kernel gets it and takes it back after the kernel has
 * another one. Packets may be quicker to be noticed than a command on either side of that, so new routes count as soon as
 * they can be known, and what is taken back counts until the packets that met it in the kernel have been carried.
 */
export class CommandQueue {
  readonly #receive: () => ForwarderCommand | undefined;
  readonly #routes: TunnelRouteTable;
  readonly #waiting: ForwarderCommand[] = [];

  /** `receive` returns the next command that has been sent; undefined if there is none now. */
  constructor(receive: () => ForwarderCommand | undefined, routes: TunnelRouteTable) {
    this.#receive = receive;
    this.#routes = routes;
  }

  /** Takes in what has been sent so far. New routes count from now on, everything else when it is performed. */
  learn(): void {
    for (let next = this.#receive(); next !== undefined; next = this.#receive()) {
      this.#waiting.push(next);
      if (next.kind === "routes") this.#routes.apply(next.words, "additions");
    }
  }

  /**
   * Does what has been sent so far: learns, calls `drain`, which has to carry the packets that are waiting now, and then
   * performs everything in its order; returns what is for the caller to do. Between removing a route and adding it again
   * no packet is looked at.
   */
  perform(drain: () => void): Exclude<ForwarderCommand, { kind: "routes" }>[] {
    this.learn();
    const due = this.#waiting.length;
    drain();
    const others: Exclude<ForwarderCommand, { kind: "routes" }>[] = [];
    for (const command of this.#waiting.splice(0, due))
      if (command.kind === "routes") this.#routes.apply(command.words, "all");
      else others.push(command);
    // What the drain has learned may add again what has just been removed.
    for (const command of this.#waiting) if (command.kind === "routes") this.#routes.apply(command.words, "additions");
    return others;
  }
}
