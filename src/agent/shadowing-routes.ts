import type { Logger } from "../core/logger.ts";
import type { Fib } from "../fib/fib.ts";
import { describeProtocol } from "../fib/ownership.ts";
import type { Prefix } from "../net/prefix.ts";
import type { KernelRoute } from "../netlink/types.ts";
import type { RoutingPool } from "./routing/sources.ts";

interface Finding {
  readonly pool: string;
  readonly cidr: Prefix;
  readonly routes: readonly KernelRoute[];
}

/**
 * Finds routes of other programs inside the pools, such as a bridge's own subnet: the kernel prefers them to ours where they
 * are more specific, and nothing else would tell. Looks at the whole table, so when pools change and not when routes do.
 */
export class ShadowingRoutes {
  readonly #fib: Pick<Fib, "foreignWithin" | "foreignAt">;
  readonly #logger: Logger;
  #findings: readonly Finding[] = [];

  constructor(fib: Pick<Fib, "foreignWithin" | "foreignAt">, logger: Logger) {
    this.#fib = fib;
    this.#logger = logger;
  }

  look(pools: readonly Pick<RoutingPool, "name" | "cidr">[]): void {
    this.#findings = pools
      .map(({ name, cidr }) => ({ pool: name, cidr, routes: this.#fib.foreignWithin(cidr) }))
      .filter(({ routes }) => routes.length > 0);
    for (const text of this.problems) this.#logger.warn({}, text);
  }

  /** What of it is still there, one sentence for each pool. */
  get problems(): string[] {
    return this.#findings.flatMap(({ pool, cidr, routes }) => {
      const left = routes.filter(({ destination }) => this.#fib.foreignAt(destination).length > 0);
      const [first] = left;
      if (first === undefined) return [];
      const count = left.length === 1 ? "1 route" : `${left.length} routes`;
      return [
        `inside IPPool ${pool} (${cidr}) other programs have ${count}, which win where they are more specific: first ` +
          `${first.destination}, ${describeProtocol(first.protocol)}`,
      ];
    });
  }
}
