/** At most this many digits that count; more become a power of ten. */
const DIGITS = 5;

/** A count of addresses as calicoctl prints it: 65536, but 1.0486e+06. */
export function formatCount(count: number): string {
  if (count !== 0 && Math.floor(Math.log10(count)) >= DIGITS) {
    const [mantissa = "", exponent = ""] = count.toExponential(DIGITS - 1).split("e+");
    return `${mantissa.replace(/\.?0+$/, "")}e+${exponent.padStart(2, "0")}`;
  }
  return String(Number(count.toPrecision(DIGITS)));
}

/** `9 (14%)`: a part of a whole, rounded to the even number where two are as near. */
export function formatShare(part: number, whole: number): string {
  return `${formatCount(part)} (${roundToEven(whole === 0 ? 0 : (100 * part) / whole)}%)`;
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
