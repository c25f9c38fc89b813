/** A shorter list of octets that still fails: takes pieces out, halving their length, until none can go. */
export function shrink(octets: Uint8Array, fails: (candidate: Uint8Array) => boolean): Uint8Array {
  let smallest = octets;
  for (let length = smallest.length >> 1; length > 0; length >>= 1)
    for (let at = 0; at + length <= smallest.length; ) {
      const candidate = Uint8Array.from([...smallest.subarray(0, at), ...smallest.subarray(at + length)]);
      const fixed = withLength(candidate);
      if (fails(fixed)) smallest = fixed;
      else if (fails(candidate)) smallest = candidate;
      else at += length;
    }
  return smallest;
}

/** The same with a header that says how long it is. */
function withLength(octets: Uint8Array): Uint8Array {
  if (octets.length < 19) return octets;
  const fixed = octets.slice();
  fixed[16] = fixed.length >> 8;
  fixed[17] = fixed.length & 255;
  return fixed;
}
