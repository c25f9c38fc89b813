import { setImmediate } from "node:timers/promises";

/** Items dealt with between two turns of the event loop; a few milliseconds' worth. */
const sliceSize = 1024;

/**
 * Does something with many items without keeping the event loop from others. The iterable may change meanwhile if its
 * own rules allow that (those of our prefix maps do).
 */
export async function inSlices<Item>(items: Iterable<Item>, each: (item: Item) => void): Promise<void> {
  let count = 0;
  for (const item of items) {
    each(item);
    if (++count % sliceSize === 0) await setImmediate();
  }
}
