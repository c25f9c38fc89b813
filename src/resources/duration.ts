const nanosecondsPer: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ns: 1n,
};

/** Milliseconds of a duration such as `120s`, `2m0s`, `1.5h` or `250ms`; undefined if the text is none. */
export function parseDuration(text: string): number | undefined {
  const nanoseconds = parseNanoseconds(text);
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
}

/** The form in which Calico stores a duration: `120s` becomes `2m0s`. Undefined if the text is none. */
export function canonicalDuration(text: string): string | undefined {
  const nanoseconds = parseNanoseconds(text);
  if (nanoseconds === undefined) return undefined;
  if (nanoseconds === 0n) return "0s";
  const sign = nanoseconds < 0n ? "-" : "";
  const rest = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  for (const [limit, unit, per] of [
    [1_000n, "ns", 1n],
    [1_000_000n, "µs", 1_000n],
    [1_000_000_000n, "ms", 1_000_000n],
  ] as const)
    if (rest < limit) return `${sign}${formatFraction(rest, per)}${unit}`;
  const hours = rest / 3_600_000_000_000n;
  const minutes = (rest / 60_000_000_000n) % 60n;
  const seconds = `${formatFraction(rest % 60_000_000_000n, 1_000_000_000n)}s`;
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`;
}

/** `value / per` in decimal without trailing zeros; `per` is a power of ten. */
function formatFraction(value: bigint, per: bigint): string {
  const fraction = per === 1n ? "" : (value % per).toString().padStart(per.toString().length - 1, "0");
  return `${value / per}.${fraction}`.replace(/\.?0*$/, "");
}

/** Go's grammar: an optional sign, then numbers with units; a bare 0 needs no unit. Bounded by 2^63 ns (292 years). */
function parseNanoseconds(text: string): bigint | undefined {
  const signed = /^([+-]?)(.+)$/.exec(text);
  const body = signed?.[2];
  if (body === undefined) return undefined;
  if (body === "0") return 0n;
  if (!/^(?:(?:\d{1,19}(?:\.\d{0,19})?|\.\d{1,19})(?:h|ms|m|s|us|µs|μs|ns))+$/.test(body)) return undefined;
  let total = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of body.matchAll(/(\d*)(?:\.(\d*))?(h|ms|m|s|us|µs|μs|ns)/g)) {
    const per = nanosecondsPer[unit] ?? 0n;
    total += BigInt(whole || "0") * per + (BigInt(fraction || "0") * per) / 10n ** BigInt(fraction.length);
  }
  if (total >= 1n << 63n) return undefined;
  return signed?.[1] === "-" ? -total : total;
}
