import type { Clock, Timer } from "../../core/clock.ts";
import type { VxlanPeer } from "../../vxlan/peers.ts";

/**
 * Remembers for a while the VTEPs that nodes no longer tell. A node takes its own back as soon as it has heard of a pool's
 * new mode; one that hears of that first, and of the pool later, still sends through the tunnel in between.
 */
export class LingeringPeers {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #onExpiry: () => void;
  #current: readonly VxlanPeer[] = [];
  #gone: readonly { readonly peer: VxlanPeer; readonly untilMs: number }[] = [];
  #timer: Timer | undefined;

  /** `graceMs`: how long they are remembered. `onExpiry`: `update` will leave out another one now. */
  constructor(options: { clock: Clock; graceMs: number; onExpiry: () => void }) {
    this.#clock = options.clock;
    this.#graceMs = options.graceMs;
    this.#onExpiry = options.onExpiry;
  }

  /** These and those that were given before and are not too old, unless one of these has taken the place of theirs. */
  update(peers: readonly VxlanPeer[]): VxlanPeer[] {
    const nowMs = this.#clock.monotonicMs();
    const left = this.#current.map((peer) => ({ peer, untilMs: nowMs + this.#graceMs }));
    this.#gone = [...this.#gone, ...left].filter(
      ({ peer, untilMs }) => untilMs > nowMs && !peers.some((other) => sharesPlace(peer, other)),
    );
    this.#current = peers;
    this.#schedule(nowMs);
    return [...peers, ...this.#gone.map(({ peer }) => peer)];
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #schedule(nowMs: number): void {
    this.#timer?.cancel();
    const [oldest] = this.#gone;
    this.#timer = oldest && this.#clock.setTimer(oldest.untilMs - nowMs, () => this.#onExpiry());
  }
}

function sharesPlace(left: VxlanPeer, right: VxlanPeer): boolean {
  return left.vtep.equals(right.vtep) || left.macAddress.toLowerCase() === right.macAddress.toLowerCase();
}
