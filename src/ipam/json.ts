/** A JSON value whose integers are exact: those of 16 digits and more are bigints. */
export type ExactJson = null | boolean | number | bigint | string | readonly ExactJson[] | ExactJsonObject;
export type ExactJsonObject = { readonly [key: string]: ExactJson };

/**
 * A key, a string or a number of a JSON text. NUL never stands for itself in JSON, only as an escape, which makes it a safe
 * mark.
 */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MARK = "\0";
const ESCAPED_MARK = "\\u0000";

/**
 * Parses JSON like JSON.parse, without losing the low digits of large integers: block sequence numbers count nanoseconds
 * and are above 2^53. Throws SyntaxError.
 */
export function parseExactJson(text: string): ExactJson {
  const marked = text.replace(TOKEN, (token: string, string?: string, colon?: string) => {
    if (string === undefined) return /^-?\d{16,}$/.test(token) ? `"${ESCAPED_MARK}${token}"` : token;
    const looksMarked = colon === undefined && string.startsWith(`"${ESCAPED_MARK}`);
    return looksMarked ? `"${ESCAPED_MARK}${string.slice(1)}` : token;
  });
  return JSON.parse(marked, (_, value: unknown) => {
    if (typeof value !== "string" || !value.startsWith(MARK)) return value;
    return value.startsWith(MARK + MARK) ? value.slice(1) : BigInt(value.slice(1));
  });
}

/** Prints as Go's encoding/json does: compact, with `<`, `>`, `&` and the two line separators escaped. */
export function printExactJson(value: ExactJson): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return printScalar(value);
  if (isExactList(value)) return `[${value.map(printExactJson).join(",")}]`;
  const fields = Object.entries(value).map(([key, field]) => `${printScalar(key)}:${printExactJson(field)}`);
  return `{${fields.join(",")}}`;
}

export function isExactObject(value: ExactJson | undefined): value is ExactJsonObject {
  return typeof value === "object" && value !== null && !isExactList(value);
}

export function isExactList(value: ExactJson | undefined): value is readonly ExactJson[] {
  return Array.isArray(value);
}

function printScalar(value: string | number | boolean | null): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
