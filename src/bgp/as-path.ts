import type { AsPath } from "./packet/attributes.ts";

/** RFC 4271 §4.3: a segment's length is one octet. */
const longestSegment = 255;

/** Length as the decision process counts it: an AS_SET is one hop (RFC 4271 §9.1.2.2), confederation segments are none (RFC 5065 §5.3). */
export function asPathLength(path: AsPath): number {
  let length = 0;
  for (const segment of path) {
    if (segment.type === "sequence") length += segment.asNumbers.length;
    else if (segment.type === "set") length += 1;
  }
  return length;
}

/** The AS that the route came from, whose MEDs compare with each other; 0 if the path is empty or starts with a set. */
export function neighborAs(path: AsPath): number {
  for (const segment of path) {
    if (segment.type === "sequence") return segment.asNumbers[0] ?? 0;
    if (segment.type === "set") return 0;
  }
  return 0;
}

/** How often `asNumber` stands in the path, sets and confederation segments included. */
export function countAs(path: AsPath, asNumber: number): number {
  let count = 0;
  for (const segment of path) for (const member of segment.asNumbers) if (member === asNumber) count++;
  return count;
}

/** `asNumbers` put in front, in that order; full segments are left alone and a new one is begun (RFC 4271 §5.1.2). */
export function prependAs(path: AsPath, asNumbers: readonly number[]): AsPath {
  if (asNumbers.length === 0) return path;
  const [first, ...rest] = path;
  const joined = first?.type === "sequence" ? [...asNumbers, ...first.asNumbers] : [...asNumbers];
  const segments: { type: "sequence"; asNumbers: readonly number[] }[] = [];
  // Filled from the back, so that only the frontmost segment is short and takes the next prepending.
  for (let end = joined.length; end > 0; end -= longestSegment)
    segments.unshift({ type: "sequence", asNumbers: joined.slice(Math.max(0, end - longestSegment), end) });
  return first?.type === "sequence" ? [...segments, ...rest] : [...segments, ...path];
}

/** The path without confederation segments, which never leave a confederation (RFC 5065 §5.3). */
export function withoutConfederation(path: AsPath): AsPath {
  const isPlain = (type: string) => type === "sequence" || type === "set";
  return path.every((segment) => isPlain(segment.type)) ? path : path.filter((segment) => isPlain(segment.type));
}

/** True if both paths are the same segments of the same AS numbers in the same order. */
export function asPathsEqual(left: AsPath, right: AsPath): boolean {
  if (left === right) return true;
  return (
    left.length === right.length &&
    left.every((segment, index) => {
      const other = right[index];
      return (
        other !== undefined &&
        segment.type === other.type &&
        segment.asNumbers.length === other.asNumbers.length &&
        segment.asNumbers.every((asNumber, position) => asNumber === other.asNumbers[position])
      );
    })
  );
}
