/** What columns of numbers are made of. */
type Column = Int32Array | Uint32Array | Uint16Array | Uint8Array;

/** `target` with what `source` has at its beginning. */
export function copiedInto<Target extends Column>(target: Target, source: Target): Target {
  target.set(source);
  return target;
}

/** How many rows a table takes next that has no room for `row`. */
export function grownCapacity(capacity: number, row: number): number {
  return Math.max(row + 1, capacity * 2, 16);
}
