/** The kernel forgets by itself what routers have told it; so often we ask it again. */
const KNOWN_FOR_MS = 5_000;

/**
 * How large packets to some nodes may be, in octets: those to which something was too large. What counts is what the kernel
 * has learned from routers, which it forgets after ten minutes.
 */
export class PathMtus {
  readonly #ask: (node: number) => number | undefined;
  readonly #nowMs: () => number;
  readonly #known = new Map<number, { readonly mtu: number; readonly untilMs: number }>();

  constructor(options: { ask: (node: number) => number | undefined; nowMs: () => number }) {
    this.#ask = options.ask;
    this.#nowMs = options.nowMs;
  }

  /** Infinity if nothing is known to be too large. */
  limit(node: number): number {
    if (this.#known.size === 0) return Number.POSITIVE_INFINITY;
    const known = this.#known.get(node);
    if (known === undefined) return Number.POSITIVE_INFINITY;
    if (this.#nowMs() < known.untilMs) return known.mtu;
    const mtu = this.learn(node);
    // It grows when the kernel has forgotten: the next packet that is too large says so again.
    if (mtu <= known.mtu) return mtu;
    this.#known.delete(node);
    return Number.POSITIVE_INFINITY;
  }

  /** Something to this node was too large: asks the kernel for the limit, and returns it. */
  learn(node: number): number {
    const mtu = this.#ask(node);
    if (mtu === undefined) return Number.POSITIVE_INFINITY;
    this.#known.set(node, { mtu, untilMs: this.#nowMs() + KNOWN_FOR_MS });
    return mtu;
  }
}
