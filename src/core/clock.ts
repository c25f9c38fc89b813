/** A running timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as our components see it. Injected everywhere so that tests move it by hand.
 * `monotonicMs` never jumps and is only good for differences; `wallMs` is Unix time in milliseconds.
 */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
  /** Calls `fire` once after `delayMs`. The timer never keeps the process alive by itself. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};
