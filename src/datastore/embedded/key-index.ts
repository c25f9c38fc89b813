/**
 * Order of two keys by their UTF-8 bytes, as etcd sorts them. UTF-16 code units sort the same way but for surrogates,
 * which stand for characters above U+FFFF and must come after U+E000 … U+FFFF.
 */
function compareKeys(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  for (let index = 0; index < shorter; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return surrogatesLast(a) - surrogatesLast(b);
  }
  return left.length - right.length;
}

function surrogatesLast(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** More changes than this are put in order all at once. */
const FEW = 32;

/**
 * The keys of the store in order, so that a prefix is found without walking all of them. Changes are put in order when
 * somebody looks: a journal is replayed without a look, and each of its keys on its own would move half of the others.
 */
export class KeyIndex {
  /** In order, without what was added and with what was removed since the last look. */
  #keys: string[];
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();

  /** `keys` need not be sorted, but must be distinct. */
  constructor(keys: Iterable<string>) {
    this.#keys = [...keys].sort(compareKeys);
  }

  /** Adds a key that is not there. */
  add(key: string): void {
    if (!this.#removed.delete(key)) this.#added.add(key);
  }

  /** Removes a key that is there. */
  remove(key: string): void {
    if (!this.#added.delete(key)) this.#removed.add(key);
  }

  /** All keys that start with `prefix`, ascending. */
  withPrefix(prefix: string): string[] {
    this.#settle();
    const from = this.#lowerBound(prefix);
    let to = from;
    while (this.#keys[to]?.startsWith(prefix)) to++;
    return this.#keys.slice(from, to);
  }

  #settle(): void {
    if (this.#added.size + this.#removed.size <= FEW) {
      for (const key of this.#removed) this.#keys.splice(this.#lowerBound(key), 1);
      for (const key of this.#added) this.#keys.splice(this.#lowerBound(key), 0, key);
    } else this.#keys = this.#merged();
    this.#added.clear();
    this.#removed.clear();
  }

  #merged(): string[] {
    const added = [...this.#added].sort(compareKeys);
    const merged: string[] = [];
    let next = 0;
    for (const key of this.#keys) {
      for (let first = added[next]; first !== undefined && compareKeys(first, key) < 0; first = added[++next])
        merged.push(first);
      if (!this.#removed.has(key)) merged.push(key);
    }
    for (; next < added.length; next++) merged.push(added[next] ?? "");
    return merged;
  }

  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] ?? "", key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
