import { UsageError } from "../../output.ts";

/** A value in an expression. */
export type GoOperand =
  | { readonly type: "literal"; readonly value: unknown }
  /** `.A.B` of the dot, or of a variable (`$x.A`). */
  | { readonly type: "path"; readonly variable?: string; readonly fields: readonly string[] }
  | { readonly type: "call"; readonly name: string }
  | { readonly type: "group"; readonly pipeline: GoPipeline; readonly fields: readonly string[] };

/** Commands of operands; the value of each is the last argument of the next. */
export interface GoPipeline {
  /** `$x :=` or `$i, $x :=` */
  readonly variables: readonly string[];
  readonly commands: readonly (readonly GoOperand[])[];
}

export type GoNode =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "output"; readonly pipeline: GoPipeline }
  | {
      readonly type: "if" | "range" | "with";
      readonly pipeline: GoPipeline;
      readonly body: readonly GoNode[];
      readonly otherwise: readonly GoNode[];
    };

/** Reads a template in the syntax of Go's text/template, without `define`, `template` and `block`. Throws a `UsageError`. */
export function parseGoTemplate(template: string): readonly GoNode[] {
  const tokens = tokenize(template);
  const { nodes, end } = readNodes(tokens);
  if (end !== undefined) throw fail(`{{${end}}} without a beginning`);
  return nodes;
}

type Token = { readonly type: "text" | "action"; readonly text: string };

function tokenize(template: string): Token[] {
  const tokens: Token[] = [];
  const action = /\{\{(-\s)?\s*((?:\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\])*"|`[^`]*`|(?!-?\}\})[\s\S])*?)\s*(-)?\}\}/g;
  let at = 0;
  let trimNext = false;
  for (const found of template.matchAll(action)) {
    const [all, trimLeft, body = "", trimRight] = found;
    let text = template.slice(at, found.index);
    if (trimNext) text = text.trimStart();
    tokens.push({ type: "text", text: trimLeft === undefined ? text : text.trimEnd() });
    if (!body.startsWith("/*")) tokens.push({ type: "action", text: body.trim() });
    trimNext = trimRight !== undefined;
    at = found.index + all.length;
  }
  const rest = template.slice(at);
  if (rest.includes("{{")) throw fail(`"${rest}" is an action that never ends`);
  tokens.push({ type: "text", text: trimNext ? rest.trimStart() : rest });
  return tokens.filter(({ type, text }) => type === "action" || text !== "");
}

/** Nodes up to `{{end}}` or `{{else …}}`, which is returned, or up to the end. */
function readNodes(tokens: Token[]): { nodes: GoNode[]; end: string | undefined } {
  const nodes: GoNode[] = [];
  for (let token = tokens.shift(); token !== undefined; token = tokens.shift()) {
    if (token.type === "text") {
      nodes.push({ type: "text", text: token.text });
      continue;
    }
    const [keyword = ""] = /^\S*/.exec(token.text) ?? [];
    if (keyword === "end" || keyword === "else") return { nodes, end: token.text };
    if (keyword === "if" || keyword === "range" || keyword === "with")
      nodes.push(readBlock(tokens, keyword, token.text.slice(keyword.length)));
    else if (["define", "template", "block", "break", "continue"].includes(keyword))
      throw fail(`{{${keyword}}} is not known here`);
    else nodes.push({ type: "output", pipeline: readPipeline(token.text) });
  }
  return { nodes, end: undefined };
}

function readBlock(tokens: Token[], type: "if" | "range" | "with", condition: string): GoNode {
  const pipeline = readPipeline(condition);
  const { nodes: body, end } = readNodes(tokens);
  if (end === undefined) throw fail(`{{${type}}} without {{end}}`);
  if (end === "end") return { type, pipeline, body, otherwise: [] };
  const chained = /^else\s+(if|with)\b([\s\S]*)$/.exec(end);
  if (chained !== null)
    return {
      type,
      pipeline,
      body,
      otherwise: [readBlock(tokens, chained[1] === "with" ? "with" : "if", chained[2] ?? "")],
    };
  const { nodes: otherwise, end: last } = readNodes(tokens);
  if (last !== "end") throw fail(`{{else}} of {{${type}}} without {{end}}`);
  return { type, pipeline, body, otherwise };
}

const lexeme =
  /\s*(?:("(?:\\.|[^"\\])*"|`[^`]*`)|(-?\d+(?:\.\d+)?)|(\$\w*(?:\.\w+)*)|((?:\.\w+)+|\.)|(\w+)|(:=|[(),|]))/y;

function readPipeline(text: string): GoPipeline {
  const words: string[] = [];
  lexeme.lastIndex = 0;
  while (lexeme.lastIndex < text.trimEnd().length) {
    const at = lexeme.lastIndex;
    const found = lexeme.exec(text);
    if (found === null) throw fail(`"${text.slice(at)}" is not understood`);
    words.push(found[0].trim());
  }
  const pipeline = readWords(words);
  if (words.length > 0) throw fail(`"${text.trim()}": ")" without "("`);
  return pipeline;
}

/** Takes words away up to the end or an unmatched `)`. */
function readWords(words: string[]): GoPipeline {
  const variables: string[] = [];
  const assignment = words.indexOf(":=");
  if (assignment >= 0 && words.slice(0, assignment).every((word) => /^(\$\w+|,)$/.test(word)))
    variables.push(...words.splice(0, assignment + 1).filter((word) => word.startsWith("$")));
  const commands: GoOperand[][] = [[]];
  while (words.length > 0 && words[0] !== ")") {
    const word = words.shift() ?? "";
    if (word === "|") commands.push([]);
    else commands.at(-1)?.push(readOperand(word, words));
  }
  if (commands.some((command) => command.length === 0)) throw fail("a value is missing in an action");
  return { variables, commands };
}

function readOperand(word: string, words: string[]): GoOperand {
  if (word === "(") {
    const pipeline = readWords(words);
    if (words.shift() !== ")") throw fail('"(" without ")"');
    const follows = /^\.\w/.test(words[0] ?? "") ? (words.shift() ?? "") : "";
    return { type: "group", pipeline, fields: follows.split(".").slice(1) };
  }
  if (word.startsWith('"')) return { type: "literal", value: JSON.parse(word) as unknown };
  if (word.startsWith("`")) return { type: "literal", value: word.slice(1, -1) };
  if (/^-?\d/.test(word)) return { type: "literal", value: Number(word) };
  if (word === "true" || word === "false") return { type: "literal", value: word === "true" };
  if (word === "nil") return { type: "literal", value: undefined };
  if (word.startsWith("$")) {
    const [variable = "$", ...fields] = word.split(".");
    return { type: "path", variable, fields };
  }
  if (word.startsWith(".")) return { type: "path", fields: word === "." ? [] : word.split(".").slice(1) };
  if (/^\w+$/.test(word)) return { type: "call", name: word };
  throw fail(`"${word}" is not understood`);
}

function fail(reason: string): UsageError {
  return new UsageError(`-o go-template: ${reason}`);
}
