import { formatExactJson } from "../../../core/exact-json.ts";
import { UsageError } from "../../output.ts";
import { evaluateJsonPath, type JsonPath, parseJsonPath } from "./json-path.ts";

type Part =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "path"; readonly path: JsonPath }
  | { readonly type: "range"; readonly path: JsonPath; readonly parts: readonly Part[] };

/**
 * Reads a template of `-o jsonpath=`, as kubectl has it: text with `{PATH}`, `{"text\n"}` and `{range PATH}…{end}`. Returns what
 * fills it. Throws a `UsageError`.
 */
export function parseJsonPathTemplate(template: string): (value: unknown) => string {
  const tokens = tokenize(template);
  const parts = readParts(tokens, false);
  return (value) => render(parts, value, value);
}

type Token = { readonly type: "text" | "action"; readonly text: string };

function tokenize(template: string): Token[] {
  const pattern = /\{((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^{}"'])*)\}|([^{]+)/gy;
  const tokens: Token[] = [];
  while (pattern.lastIndex < template.length) {
    const at = pattern.lastIndex;
    const found = pattern.exec(template);
    if (found === null) throw new UsageError(`-o jsonpath: "${template.slice(at)}" is an expression that never ends`);
    const [, action, text = ""] = found;
    tokens.push(action === undefined ? { type: "text", text } : { type: "action", text: action.trim() });
  }
  return tokens;
}

/** Up to the end, or up to `{end}`, which it takes away. */
function readParts(tokens: Token[], inRange: boolean): Part[] {
  const parts: Part[] = [];
  for (let token = tokens.shift(); token !== undefined; token = tokens.shift()) {
    const { type, text } = token;
    if (type === "text") parts.push({ type: "text", text });
    else if (text === "end") {
      if (!inRange) throw new UsageError("-o jsonpath: {end} without {range}");
      return parts;
    } else if (/^range\s/.test(text))
      parts.push({ type: "range", path: parseJsonPath(text.slice("range".length)), parts: readParts(tokens, true) });
    else if (/^["']/.test(text)) parts.push({ type: "text", text: unquote(text) });
    else parts.push({ type: "path", path: parseJsonPath(text) });
  }
  if (inRange) throw new UsageError("-o jsonpath: {range} without {end}");
  return parts;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_all, character: string) => escapes[character] ?? character);
}

function render(parts: readonly Part[], root: unknown, current: unknown): string {
  return parts
    .map((part) => {
      switch (part.type) {
        case "text":
          return part.text;
        case "path":
          return evaluateJsonPath(part.path, root, current).map(formatValue).join(" ");
        case "range":
          return evaluateJsonPath(part.path, root, current)
            .map((value) => render(part.parts, root, value))
            .join("");
      }
      return "";
    })
    .join("");
}

/** A text as it is, everything else as JSON. */
export function formatValue(value: unknown): string {
  return typeof value === "string" ? value : formatExactJson(value, 0);
}
