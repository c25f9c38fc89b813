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

/** The keys of the store in order, so that a prefix is found without walking all of them. */
export class KeyIndex {
  #keys: string[];

  /** `keys` need not be sorted, but must be distinct. */
  constructor(keys: Iterable<string>) {
    this.#keys = [...keys].sort(compareKeys);
  }

  add(key: string): void {
    this.#keys.splice(this.#lowerBound(key), 0, key);
  }

  remove(key: string): void {
    const at = this.#lowerBound(key);
    if (this.#keys[at] === key) this.#keys.splice(at, 1);
  }

  /** All keys that start with `prefix`, ascending. */
  withPrefix(prefix: string): string[] {
    const from = this.#lowerBound(prefix);
    let to = from;
    while (this.#keys[to]?.startsWith(prefix)) to++;
    return this.#keys.slice(from, to);
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
