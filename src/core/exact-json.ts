/** A JSON value whose integers are exact: those of 16 digits and more are bigints. */
export type ExactJson = null | boolean | number | bigint | string | readonly ExactJson[] | ExactJsonObject;
export type ExactJsonObject = { readonly [key: string]: ExactJson };

/** A string, to be passed over, or an integer that a double may not hold. */
const TOKEN = /"(?:[^"\\]|\\.)*"|(?<![\w.+-])-?\d{16,}(?![\w.])/g;
/** NUL never stands for itself in JSON, only as an escape, which makes it a safe mark. */
const MARK = "\0";
const ESCAPED_MARK = "\\u0000";

/**
 * Parses JSON like JSON.parse, without losing the low digits of large integers: block sequence numbers count nanoseconds
 * and are above 2^53. Throws SyntaxError.
 */
export function parseExactJson(text: string): ExactJson {
  // Long integers become strings with a mark, and strings that have the mark already get a second one.
  const pieces: string[] = [];
  let copied = 0;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const isText = token.startsWith('"');
    const end = index + token.length;
    if (isText && (!token.startsWith(ESCAPED_MARK, 1) || /^\s*:/.test(text.slice(end)))) continue;
    pieces.push(text.slice(copied, index), `"${ESCAPED_MARK}`, isText ? token.slice(1) : `${token}"`);
    copied = end;
  }
  return unmarked(JSON.parse(pieces.join("") + text.slice(copied)));
}

/** Turns what is marked into what it stands for, in place: a reviver of JSON.parse would take several times as long. */
function unmarked(value: unknown): ExactJson {
  if (typeof value === "string" && value.startsWith(MARK))
    return value.startsWith(MARK + MARK) ? value.slice(1) : BigInt(value.slice(1));
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++)
      if (typeof value[index] !== "number") value[index] = unmarked(value[index]);
  } else if (typeof value === "object" && value !== null) {
    const fields = value as Record<string, unknown>;
    for (const key in fields) {
      const field = fields[key];
      if (typeof field === "string" || typeof field === "object") fields[key] = unmarked(field);
    }
  }
  return value as ExactJson;
}

/** Prints as Go's encoding/json does: compact, with `<`, `>`, `&` and the two line separators escaped. */
export function printExactJson(value: ExactJson): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return printScalar(value);
  if (isExactList(value)) return `[${value.map(printExactJson).join(",")}]`;
  const fields: string[] = [];
  for (const [key, field] of Object.entries(value) as [string, ExactJson | undefined][])
    if (field !== undefined) fields.push(`${printScalar(key)}:${printExactJson(field)}`);
  return `{${fields.join(",")}}`;
}

/** As `JSON.stringify`, for people, with bigints as the numbers that they are. */
export function formatExactJson(value: unknown, indent = 2): string {
  const text = JSON.stringify(
    value,
    (_, field: unknown) => {
      if (typeof field === "bigint") return `${MARK}${field}`;
      return typeof field === "string" && field.startsWith(MARK) ? `${MARK}${field}` : field;
    },
    indent,
  );
  return text.replace(/(?<!\\)"\\u0000(?:\\u0000|(-?\d+)")/g, (_, digits?: string) => digits ?? `"${ESCAPED_MARK}`);
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
