/**
 * Calls to a listener, in order, and never from inside a call that the listener makes: what happens during `inside` waits
 * for the microtask after it; anything else is delivered by `flush`.
 */
export class Delivery {
  readonly #waiting: (() => void)[] = [];
  #depth = 0;
  #isFlushing = false;

  /** Runs a call of the owner. */
  inside<Result>(call: () => Result): Result {
    this.#depth++;
    try {
      return call();
    } finally {
      this.#depth--;
      if (this.#waiting.length > 0 && !this.#isFlushing) queueMicrotask(() => this.flush());
    }
  }

  /** True if a call could be made right now, without waiting for any other. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && !this.#isFlushing && this.#depth === 0;
  }

  add(call: () => void): void {
    this.#waiting.push(call);
  }

  /** Delivers what waits, unless a call of the owner is on the stack or a delivery already runs. */
  flush(): void {
    if (this.#isFlushing || this.#depth > 0) return;
    this.#isFlushing = true;
    try {
      for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift()) call();
    } finally {
      this.#isFlushing = false;
    }
  }
}
