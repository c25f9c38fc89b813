/*
 * Texts of settings as values. Each throws an Error that says what would be right.
 */

/** An absolute path without a slash at its end. */
export function parsePath(text: string): string {
  if (!text.startsWith("/") || text.includes("\0")) throw new Error("must be an absolute path such as /run/calibird");
  return text.length > 1 ? text.replace(/\/+$/, "") : text;
}

/** 1 … 4294967295, plain or dotted (`1.10` is 65546) as Calico accepts it. */
export function parseAsNumber(text: string): number {
  const dotted = /^(\d{1,5})\.(\d{1,5})$/.exec(text);
  const value = dotted ? Number(dotted[1]) * 65536 + Number(dotted[2]) : /^\d{1,10}$/.test(text) ? Number(text) : 0;
  const halvesFit = !dotted || (Number(dotted[1]) < 65536 && Number(dotted[2]) < 65536);
  if (value < 1 || value > 4294967295 || value === 23456 || !halvesFit)
    throw new Error("must be an AS number from 1 to 4294967295 other than 23456 (AS_TRANS)");
  return value;
}

/** An integer within limits; `what` names it in the error. */
export function parseInteger(text: string, lowest: number, highest: number, what: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= lowest && value <= highest)) throw new Error(`must be ${what} from ${lowest} to ${highest}`);
  return value;
}

/** A DNS-1123 subdomain, as Calico wants node names. */
export function parseNodeName(text: string): string {
  if (text.length > 253 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(text))
    throw new Error("must be lower-case letters, digits, '-' and '.', as in worker-0");
  return text;
}

/** `true` or `false`; Calico's programs read 1, yes and the like as well, and so do we. */
export function parseBoolean(text: string): boolean {
  const value = text.toLowerCase();
  if (["true", "1", "yes", "y", "t"].includes(value)) return true;
  if (["false", "0", "no", "n", "f"].includes(value)) return false;
  throw new Error("must be true or false");
}
