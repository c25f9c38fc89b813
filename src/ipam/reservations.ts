import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";

/** Ranges (of IPReservations) that no address is assigned from unless it is asked for by itself. Immutable. */
export class Reservations {
  static readonly none = new Reservations([]);
  /** None lies within another. */
  readonly #ranges: readonly Prefix[];

  constructor(ranges: readonly Prefix[]) {
    const kept: Prefix[] = [];
    for (const range of [...ranges].sort((left, right) => left.compare(right)))
      if (kept.at(-1)?.contains(range) !== true) kept.push(range);
    this.#ranges = kept;
  }

  holds(address: IpAddress): boolean {
    return this.#ranges.some((range) => range.containsAddress(address));
  }

  /** How many addresses of a prefix are reserved. */
  countIn(prefix: Prefix): number {
    let count = 0;
    for (const range of this.#ranges)
      if (range.contains(prefix)) return prefix.size;
      else if (prefix.contains(range)) count += range.size;
    return count;
  }

  /** True if no address of the prefix is left. */
  covers(prefix: Prefix): boolean {
    return this.countIn(prefix) === prefix.size;
  }
}
