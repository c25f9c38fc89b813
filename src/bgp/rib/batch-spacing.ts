import type { Clock, Timer } from "../../core/clock.ts";
import type { Lane } from "./lane.ts";

/**
 * So many changes go out at once; fewer wait for others while the last ones have only just been sent. To many peers there have to be
 * more, since writing to each socket costs the same for few octets as for many.
 */
const worthSending = 256;
const worthSendingPerPeer = 8;
const surelyWorthSending = 4096;

/** How far apart batches are for each peer that gets them, so that writing to sockets never takes more than about a quarter of the time. */
const spacingPerPeerMs = 0.04;
const shortestSpacingMs = 1;

interface SpacingEnvironment {
  readonly clock: Clock;
  /** The longest time between batches; 0 for none at all. */
  readonly spacingMs: number;
  readonly wake: () => void;
}

/**
 * Keeps small batches of changes apart: writing to a socket costs more than all else about a change, so those that come one by one share
 * it. What comes after a rest, and what is much, goes at once.
 */
export class BatchSpacing {
  readonly #environment: SpacingEnvironment;
  /** Runs while a lane waits for more. */
  #timer: Timer | undefined;

  constructor(environment: SpacingEnvironment) {
    this.#environment = environment;
  }

  /** True if the lane is to wait; then somebody is woken when it need not any more. */
  holds({ members, pending, walk, sentMs }: Lane): boolean {
    const { clock, spacingMs, wake } = this.#environment;
    if (spacingMs === 0 || walk !== undefined || pending.size === 0) return false;
    const enough = Math.min(surelyWorthSending, Math.max(worthSending, members.size * worthSendingPerPeer));
    if (pending.size >= enough) return false;
    const wantedMs = Math.max(shortestSpacingMs, members.size * spacingPerPeerMs);
    const restMs = sentMs + Math.min(spacingMs, wantedMs) - clock.monotonicMs();
    if (restMs <= 0) return false;
    this.#timer ??= clock.setTimer(restMs, () => {
      this.#timer = undefined;
      wake();
    });
    return true;
  }

  noteSent(lane: Lane): void {
    lane.sentMs = this.#environment.clock.monotonicMs();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
