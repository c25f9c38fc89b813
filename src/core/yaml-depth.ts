import type { CST } from "yaml";

/** The parser keeps its own stack, but all that follows it recurses, and a full stack can end the whole program. */
const MAX_DEPTH = 100;

/** What is wrong with a text for which `isTooDeep` is true. */
export const tooDeep = `it is nested more than ${MAX_DEPTH} levels deep`;

/** Whether anything in the syntax tree lies below more than 100 collections. Not recursive. */
export function isTooDeep(tokens: readonly CST.Token[]): boolean {
  const stack = tokens.map((token) => ({ token, depth: 0 }));
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    const { token, depth } = entry;
    if (depth > MAX_DEPTH) return true;
    if (token.type === "document" && token.value !== undefined) stack.push({ token: token.value, depth });
    if (!("items" in token)) continue;
    for (const item of token.items)
      for (const child of [item.key, item.value])
        if (child !== null && child !== undefined) stack.push({ token: child, depth: depth + 1 });
  }
  return false;
}
