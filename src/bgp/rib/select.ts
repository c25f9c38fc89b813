import type { Path, RouteSelection } from "../paths.ts";

/** The wanted ones of `paths`, and no more of them looked at than is needed. */
export function* select<Item extends Path>(
  paths: Iterable<Item>,
  { overlapping, limit = Number.POSITIVE_INFINITY }: RouteSelection,
): IterableIterator<Item> {
  if (limit <= 0) return;
  let count = 0;
  for (const path of paths) {
    if (overlapping !== undefined && !path.prefix.overlaps(overlapping)) continue;
    yield path;
    count++;
    if (count >= limit) return;
  }
}
