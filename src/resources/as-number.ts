/**
 * An AS number from a number, decimal text, or dotted text (`1.10` is 65546, RFC 5396); undefined if it is none. A number
 * with a fraction is refused, because a dotted AS number that a file gives without quotes has already lost digits.
 */
export function parseAsNumber(value: unknown): number | undefined {
  if (typeof value === "number")
    return Number.isInteger(value) && value >= 0 && value <= 0xffffffff ? value : undefined;
  if (typeof value !== "string") return undefined;
  const match = /^(\d{1,10})(?:\.(\d{1,5}))?$/.exec(value);
  if (match === null) return undefined;
  const [high, low] = [Number(match[1]), match[2] === undefined ? undefined : Number(match[2])];
  if (low === undefined) return high <= 0xffffffff ? high : undefined;
  return high <= 0xffff && low <= 0xffff ? high * 0x10000 + low : undefined;
}
