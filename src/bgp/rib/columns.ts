/** What columns of numbers are made of. */
type Column = Int32Array | Uint32Array | Uint16Array | Uint8Array;

/** `target` with what `source` has at its beginning. */
export function copiedInto<Target extends Column>(target: Target, source: Target): Target {
  target.set(source);
  return target;
}

/** From so many rows on pages that nobody has touched cost less than copying columns again and again. */
const largeCapacity = 4096;

/** How many rows a table takes next that has no room for `row`; their columns must not be filled in advance. */
export function grownCapacity(capacity: number, row: number): number {
  return Math.max(row + 1, capacity * (capacity < largeCapacity ? 2 : 8), 16);
}
