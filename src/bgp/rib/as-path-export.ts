import { prependAs, withoutConfederation } from "../as-path.ts";
import type { AsPath } from "../packet/attributes.ts";

/** What happens to the AS_PATH of a route that goes to an eBGP peer. */
export interface AsPathExport {
  /** Put in front, in this order: our AS number, with local-as perhaps two. */
  readonly prepend: readonly number[];
  /** The peer's AS number is replaced by this one. */
  readonly override?: { readonly peer: number; readonly by: number };
  /** Private AS numbers other than the peer's are left out, or replaced by `by`. */
  readonly private?: { readonly peer: number; readonly by: number | undefined };
}

/** RFC 4271 §5.1.2: our own number in front, and whatever else was asked for. */
export function exportAsPath(path: AsPath, { prepend, override, private: hidden }: AsPathExport): AsPath {
  let edited = withoutConfederation(path);
  if (hidden !== undefined)
    edited = mapNumbers(edited, (asNumber) =>
      isPrivateAs(asNumber) && asNumber !== hidden.peer ? hidden.by : asNumber,
    );
  if (override !== undefined)
    edited = mapNumbers(edited, (asNumber) => (asNumber === override.peer ? override.by : asNumber));
  return prependAs(edited, prepend);
}

/** Empty segments, which no valid AS_PATH has, go with their last number. */
function mapNumbers(path: AsPath, change: (asNumber: number) => number | undefined): AsPath {
  return path.flatMap((segment) => {
    const asNumbers = segment.asNumbers.flatMap((asNumber) => change(asNumber) ?? []);
    return asNumbers.length === 0 ? [] : [{ ...segment, asNumbers }];
  });
}

/** RFC 6996. */
function isPrivateAs(asNumber: number): boolean {
  return (asNumber >= 64512 && asNumber <= 65534) || (asNumber >= 4200000000 && asNumber <= 4294967294);
}
