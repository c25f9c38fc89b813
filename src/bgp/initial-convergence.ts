import type { Clock, Timer } from "../core/clock.ts";
import type { Family } from "./packet/family.ts";
import type { NegotiatedSession, PeerConfig } from "./types.ts";

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
  readonly #restarting: boolean;
  readonly #timer: Timer;
  #reached = false;

  /** `onTimeout` is called when the time for it is over; then `reached` is true. */
  constructor(
    clock: Clock,
    options: { readonly restarting: boolean; readonly deferralSec: number },
    onTimeout: () => void,
  ) {
    this.#restarting = options.restarting;
    this.#timer = clock.setTimer(options.deferralSec * 1000, () => {
      this.#reached = true;
      onTimeout();
    });
  }

  get reached(): boolean {
    return this.#reached;
  }

  /** Looks at all configured peers; true if this ends the wait. */
  evaluate(peers: Iterable<ConvergingPeer>): boolean {
    if (this.#reached) return false;
    for (const peer of peers) if (!this.#isDone(peer)) return false;
    this.#reached = true;
    this.stop();
    return true;
  }

  stop(): void {
    this.#timer.cancel();
  }

  #isDone({ config, negotiated, endOfRibReceived }: ConvergingPeer): boolean {
    if (config.shutdown !== undefined) return true;
    // RFC 4724 §4.1: peers without the capability, and those that restart themselves, are not waited for.
    if (this.#restarting && config.gracefulRestart === undefined) return true;
    if (negotiated === undefined) return false;
    const { gracefulRestart, families } = negotiated;
    if (this.#restarting && (gracefulRestart === undefined || gracefulRestart.restarting)) return true;
    return families.every((family) => endOfRibReceived.has(family));
  }
}
