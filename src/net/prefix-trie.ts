import type { AddressFamily, IpAddress } from "./address.ts";
import { Prefix } from "./prefix.ts";
import { PrefixMap } from "./prefix-map.ts";

interface Node<Value> {
  readonly prefix: Prefix;
  /** A node without an entry is a fork: it has two children and only says where they part. */
  entry: { value: Value } | undefined;
  child0: Node<Value> | undefined;
  child1: Node<Value> | undefined;
}

/**
 * Longest-prefix match over both families: a path-compressed binary trie, so that every operation costs at most one step
 * per distinct prefix length on the path and the tree has fewer than two nodes per entry. What asks for exactly one prefix
 * goes by a hash table of the entries instead, which spares it the way down.
 *
 * Entries may be deleted and overwritten while iterating; one that is added meanwhile may or may not be visited.
 */
export class PrefixTrie<Value> {
  #root4: Node<Value> | undefined;
  #root6: Node<Value> | undefined;
  /** The nodes that have an entry. */
  readonly #exact = new PrefixMap<Node<Value>>();

  constructor(entries: Iterable<readonly [Prefix, Value]> = []) {
    for (const [prefix, value] of entries) this.set(prefix, value);
  }

  get size(): number {
    return this.#exact.size;
  }

  clear(): void {
    this.#root4 = undefined;
    this.#root6 = undefined;
    this.#exact.clear();
  }

  /** The value of exactly this prefix. */
  get(prefix: Prefix): Value | undefined {
    return this.#exact.get(prefix)?.entry?.value;
  }

  has(prefix: Prefix): boolean {
    return this.#exact.has(prefix);
  }

  set(prefix: Prefix, value: Value): this {
    const known = this.#exact.get(prefix);
    if (known !== undefined) {
      known.entry = { value };
      return this;
    }
    let parent: Node<Value> | undefined;
    let node = this.#root(prefix.family);
    while (node?.prefix.contains(prefix) && node.prefix.length < prefix.length) {
      parent = node;
      node = childToward(node, prefix.address);
    }
    if (node?.prefix.equals(prefix)) {
      node.entry = { value };
      this.#exact.set(prefix, node);
      return this;
    }
    const added: Node<Value> = { prefix, entry: { value }, child0: undefined, child1: undefined };
    this.#exact.set(prefix, added);
    if (node !== undefined) {
      const shared = Math.min(prefix.length, node.prefix.length, prefix.address.commonBits(node.prefix.address));
      if (shared < prefix.length) {
        const fork: Node<Value> = {
          prefix: Prefix.of(prefix.address, shared),
          entry: undefined,
          child0: undefined,
          child1: undefined,
        };
        attach(fork, node);
        attach(fork, added);
        this.#link(parent, fork);
        return this;
      }
      attach(added, node);
    }
    this.#link(parent, added);
    return this;
  }

  /** True if the prefix was there. */
  delete(prefix: Prefix): boolean {
    if (!this.#exact.delete(prefix)) return false;
    let grandparent: Node<Value> | undefined;
    let parent: Node<Value> | undefined;
    let node = this.#root(prefix.family);
    while (node !== undefined && node.prefix.length < prefix.length && node.prefix.contains(prefix)) {
      grandparent = parent;
      parent = node;
      node = childToward(node, prefix.address);
    }
    if (node?.entry === undefined || !node.prefix.equals(prefix)) return false;
    node.entry = undefined;
    if (node.child0 !== undefined && node.child1 !== undefined) return true;
    const orphan = node.child0 ?? node.child1;
    if (orphan !== undefined || parent === undefined) {
      this.#replace(parent, node, orphan);
      return true;
    }
    this.#replace(parent, node, undefined);
    if (parent.entry === undefined) this.#replace(grandparent, parent, parent.child0 ?? parent.child1);
    return true;
  }

  /** The most specific entry that contains the address. */
  longestMatch(address: IpAddress): [Prefix, Value] | undefined {
    let best: [Prefix, Value] | undefined;
    let node = this.#root(address.family);
    while (node?.prefix.containsAddress(address)) {
      if (node.entry !== undefined) best = [node.prefix, node.entry.value];
      node = childToward(node, address);
    }
    return best;
  }

  /** The most specific entry that contains the whole prefix; the prefix itself counts. */
  longestMatchPrefix(prefix: Prefix): [Prefix, Value] | undefined {
    let best: [Prefix, Value] | undefined;
    for (const entry of this.covering(prefix)) best = entry;
    return best;
  }

  /** Every entry that contains the prefix, from the least to the most specific; the prefix itself counts. */
  *covering(prefix: Prefix): IterableIterator<[Prefix, Value]> {
    let node = this.#root(prefix.family);
    while (node?.prefix.contains(prefix)) {
      if (node.entry !== undefined) yield [node.prefix, node.entry.value];
      node = childToward(node, prefix.address);
    }
  }

  /** Every entry that lies inside the prefix, in ascending order; the prefix itself counts. */
  *covered(prefix: Prefix): IterableIterator<[Prefix, Value]> {
    let node = this.#root(prefix.family);
    while (node !== undefined && node.prefix.length < prefix.length && node.prefix.contains(prefix))
      node = childToward(node, prefix.address);
    if (node !== undefined && prefix.contains(node.prefix)) yield* walk(node);
  }

  /** All entries: IPv4 first, ascending. */
  *entries(): IterableIterator<[Prefix, Value]> {
    if (this.#root4 !== undefined) yield* walk(this.#root4);
    if (this.#root6 !== undefined) yield* walk(this.#root6);
  }

  [Symbol.iterator](): IterableIterator<[Prefix, Value]> {
    return this.entries();
  }

  #root(family: AddressFamily): Node<Value> | undefined {
    return family === 4 ? this.#root4 : this.#root6;
  }

  #link(parent: Node<Value> | undefined, node: Node<Value>): void {
    if (parent !== undefined) attach(parent, node);
    else if (node.prefix.family === 4) this.#root4 = node;
    else this.#root6 = node;
  }

  /** Puts `next` where `node` was. `node` keeps its own children, so that a walk standing on it goes on. */
  #replace(parent: Node<Value> | undefined, node: Node<Value>, next: Node<Value> | undefined): void {
    if (parent === undefined) {
      if (node.prefix.family === 4) this.#root4 = next;
      else this.#root6 = next;
    } else if (parent.child0 === node) parent.child0 = next;
    else parent.child1 = next;
  }
}

function childToward<Value>(node: Node<Value>, address: IpAddress): Node<Value> | undefined {
  return address.bitAt(node.prefix.length) === 0 ? node.child0 : node.child1;
}

function attach<Value>(parent: Node<Value>, child: Node<Value>): void {
  if (child.prefix.address.bitAt(parent.prefix.length) === 0) parent.child0 = child;
  else parent.child1 = child;
}

/** Pre-order, which is ascending order of the prefixes. */
function* walk<Value>(top: Node<Value>): IterableIterator<[Prefix, Value]> {
  const stack = [top];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.entry !== undefined) yield [node.prefix, node.entry.value];
    if (node.child1 !== undefined) stack.push(node.child1);
    if (node.child0 !== undefined) stack.push(node.child0);
  }
}
