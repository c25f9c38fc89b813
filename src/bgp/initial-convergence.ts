import type { Clock, Timer } from "../core/clock.ts";
import type { Family } from "./packet/family.ts";
import type { NegotiatedSession, PeerConfig } from "./types.ts";

/**
 * How long after its session is there we wait for the End-of-RIB of a peer that RFC 4724 §4.1 does not have us wait for. FRR,
 * OpenBGPD and ExaBGP say that they restart in every OPEN, and have routes nevertheless that are only a moment away. Two
 * speakers that do restart wait for each other's End-of-RIB for so long and no longer.
 */
const courtesyMs = 5_000;

/** A configured peer as far as convergence goes. */
export interface ConvergingPeer {
  readonly config: PeerConfig;
  /** Undefined while there is no Established session. */
  readonly negotiated: NegotiatedSession | undefined;
  readonly endOfRibReceived: ReadonlySet<Family>;
}

/**
 * Finds the moment at which the peers have told us all that they know after our start, once. After a restart that is when
 * the deferral of RFC 4724 §4.1 ends; after a cold start it just says that the picture is complete.
 */
export class InitialConvergence {
  readonly #clock: Clock;
  readonly #restarting: boolean;
  readonly #onTimeout: () => void;
  readonly #timer: Timer;
  /** Of peers that are waited for only briefly. */
  readonly #courtesies = new Map<string, { readonly timer: Timer; over: boolean }>();
  /** Peers that were waited for when they were last looked at: as long as one of them is, there is no need to look at the others. */
  readonly #waiting = new Set<string>();
  #reached = false;

  /** `onTimeout` is called when a time is over and `evaluate` may have a new answer, or `reached` is true. */
  constructor(
    clock: Clock,
    options: { readonly restarting: boolean; readonly deferralSec: number },
    onTimeout: () => void,
  ) {
    this.#clock = clock;
    this.#restarting = options.restarting;
    this.#onTimeout = onTimeout;
    this.#timer = clock.setTimer(options.deferralSec * 1000, () => {
      this.#reached = true;
      onTimeout();
    });
  }

  get reached(): boolean {
    return this.#reached;
  }

  /** True if this ends the wait for the configured peers. */
  evaluate(peers: ReadonlyMap<string, ConvergingPeer>): boolean {
    if (this.#reached) return false;
    // After a restart all are looked at each time, since a courtesy begins when its peer is first seen.
    if (!this.#restarting && this.#waitsFor(peers)) return false;
    for (const [name, peer] of peers) if (!this.#isDone(peer)) this.#waiting.add(name);
    if (this.#waitsFor(peers)) return false;
    this.#reached = true;
    this.stop();
    return true;
  }

  /** True if one of `#waiting` is still waited for; those before it are not any more. */
  #waitsFor(peers: ReadonlyMap<string, ConvergingPeer>): boolean {
    for (const name of this.#waiting) {
      const peer = peers.get(name);
      if (peer !== undefined && !this.#isDone(peer)) return true;
      this.#waiting.delete(name);
    }
    return false;
  }

  stop(): void {
    this.#timer.cancel();
    for (const { timer } of this.#courtesies.values()) timer.cancel();
  }

  #isDone({ config, negotiated, endOfRibReceived }: ConvergingPeer): boolean {
    if (config.shutdown !== undefined) return true;
    // RFC 4724 §4.1: peers without the capability, and those that restart themselves, are not waited for to the end.
    if (this.#restarting && config.gracefulRestart === undefined) return true;
    if (negotiated === undefined) return false;
    const { gracefulRestart, families } = negotiated;
    if (families.every((family) => endOfRibReceived.has(family))) return true;
    return this.#restarting && gracefulRestart?.restarting !== false && this.#courtesyIsOver(config.name);
  }

  /** A peer has one, so that nobody who comes and goes is waited for again and again. */
  #courtesyIsOver(peer: string): boolean {
    const known = this.#courtesies.get(peer);
    if (known !== undefined) return known.over;
    const timer = this.#clock.setTimer(courtesyMs, () => {
      courtesy.over = true;
      this.#onTimeout();
    });
    const courtesy = { timer, over: false };
    this.#courtesies.set(peer, courtesy);
    return false;
  }
}
