const EMPTY = 0;
const FIRST_CAPACITY = 64;

/**
 * Which nodes packets for an IPv4 destination go to, by longest match. Addresses are unsigned 32-bit numbers. One hash table
 * over (prefix, length): a look-up probes it once per length that occurs, and in a cluster those are few.
 */
export class TunnelRouteTable {
  #addresses = new Uint32Array(FIRST_CAPACITY);
  /** Prefix length plus one; 0: the place is free. */
  #lengths = new Uint8Array(FIRST_CAPACITY);
  #nodes: (Uint32Array | undefined)[] = [];
  /** How many prefixes lead to each node. */
  readonly #uses = new Map<number, number>();
  #size = 0;
  /** How many prefixes there are of each length. */
  readonly #counts = new Uint32Array(33);
  /** The lengths that occur, longest first. */
  #occurring: readonly number[] = [];

  get size(): number {
    return this.#size;
  }

  /** `nodes` are the outer destinations, among which flows are spread; none removes the prefix. */
  set(address: number, length: number, nodes: Uint32Array): void {
    const at = this.#find(address, length);
    if (nodes.length === 0) {
      if (this.#lengths[at] !== EMPTY) this.#removeAt(at);
      return;
    }
    this.#use(this.#nodes[at], -1);
    this.#nodes[at] = nodes;
    this.#use(nodes, 1);
    if (this.#lengths[at] !== EMPTY) return;
    this.#addresses[at] = address;
    this.#lengths[at] = length + 1;
    this.#size++;
    this.#count(length, 1);
    if (this.#size * 2 > this.#lengths.length) this.#grow();
  }

  /** Changes in the words of the command `routes`; those without nodes are removals. */
  apply(words: Uint32Array, which: "all" | "additions"): void {
    for (let at = 0; at < words.length; ) {
      const [address = 0, length = 0, count = 0] = words.subarray(at, at + 3);
      if (count > 0 || which === "all") this.set(address, length, words.slice(at + 3, at + 3 + count));
      at += 3 + count;
    }
  }

  /** The nodes of the longest prefix that the address is in. */
  lookup(address: number): Uint32Array | undefined {
    for (const length of this.#occurring) {
      const at = this.#find((address & maskOf(length)) >>> 0, length);
      if (this.#lengths[at] !== EMPTY) return this.#nodes[at];
    }
    return undefined;
  }

  /** Whether some prefix leads to this node. */
  leadsTo(node: number): boolean {
    return this.#uses.has(node);
  }

  #use(nodes: Uint32Array | undefined, change: 1 | -1): void {
    for (const node of nodes ?? []) {
      const uses = (this.#uses.get(node) ?? 0) + change;
      if (uses === 0) this.#uses.delete(node);
      else this.#uses.set(node, uses);
    }
  }

  /** The place of a prefix, or the free one where it belongs. */
  #find(address: number, length: number): number {
    const mask = this.#lengths.length - 1;
    let at = hash(address, length) & mask;
    while (this.#lengths[at] !== EMPTY && (this.#addresses[at] !== address || this.#lengths[at] !== length + 1))
      at = (at + 1) & mask;
    return at;
  }

  /** Closes the gap, so that no later entry of the same run is cut off. */
  #removeAt(gap: number): void {
    const mask = this.#lengths.length - 1;
    this.#size--;
    this.#use(this.#nodes[gap], -1);
    this.#count((this.#lengths[gap] ?? 1) - 1, -1);
    let free = gap;
    for (let at = (gap + 1) & mask; this.#lengths[at] !== EMPTY; at = (at + 1) & mask) {
      const home = hash(this.#addresses[at] ?? 0, (this.#lengths[at] ?? 1) - 1) & mask;
      if (((at - home) & mask) < ((at - free) & mask)) continue;
      this.#addresses[free] = this.#addresses[at] ?? 0;
      this.#lengths[free] = this.#lengths[at] ?? EMPTY;
      this.#nodes[free] = this.#nodes[at];
      free = at;
    }
    this.#lengths[free] = EMPTY;
    this.#nodes[free] = undefined;
  }

  #grow(): void {
    const [addresses, lengths, nodes] = [this.#addresses, this.#lengths, this.#nodes];
    this.#addresses = new Uint32Array(addresses.length * 2);
    this.#lengths = new Uint8Array(addresses.length * 2);
    this.#nodes = [];
    for (const [old, length] of lengths.entries()) {
      if (length === EMPTY) continue;
      const address = addresses[old] ?? 0;
      const at = this.#find(address, length - 1);
      this.#addresses[at] = address;
      this.#lengths[at] = length;
      this.#nodes[at] = nodes[old];
    }
  }

  #count(length: number, change: 1 | -1): void {
    const count = (this.#counts[length] ?? 0) + change;
    this.#counts[length] = count;
    if (count !== 0 && count !== change) return;
    this.#occurring = [...this.#counts.keys()].filter((each) => (this.#counts[each] ?? 0) > 0).reverse();
  }
}

function maskOf(length: number): number {
  return length === 0 ? 0 : -1 << (32 - length);
}

function hash(address: number, length: number): number {
  const mixed = Math.imul(address ^ Math.imul(length, 0x9e3779b1), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
