import type { Document, LineCounter } from "yaml";
import { errorMessage } from "../core/errors.ts";
import { isTooDeep, tooDeep } from "../core/yaml-depth.ts";
import { ResourceError } from "./errors.ts";
import { type FieldPath, type FieldProblem, formatProblem } from "./field-problem.ts";
import { isResourceKind, kinds } from "./kinds.ts";
import { isObject } from "./read-fields.ts";
import { type AnyResource, readResource } from "./resource.ts";

/** One mistake in a file with resources. */
export interface ManifestProblem {
  readonly file: string;
  /** Number of the document in the file, from 1. */
  readonly document: number;
  /** Line in the file, from 1. */
  readonly line: number;
  readonly message: string;
}

/** A resource and where it came from, so that a later error about it can say so, too. */
export interface ManifestEntry {
  readonly resource: AnyResource;
  readonly file: string;
  readonly document: number;
  readonly line: number;
}

export interface ManifestOptions {
  /** Name of the file in messages. */
  readonly file: string;
  /** For objects of namespaced kinds that name none. */
  readonly defaultNamespace: string;
  /** A text without any resource is no mistake. */
  readonly mayBeEmpty?: boolean;
}

/**
 * Reads YAML or JSON with any number of documents, each an object, a list of objects, or a `List`/`<Kind>List` with
 * `items`. Throws `INVALID_MANIFEST` with every mistake of every document, so that nothing of a bad file is applied.
 */
export async function parseManifest(text: string, options: ManifestOptions): Promise<readonly ManifestEntry[]> {
  const { Composer, LineCounter, Parser } = await import("yaml");
  const lines = new LineCounter();
  const reader = new ManifestReader(options, lines);
  try {
    const tokens = [...new Parser(lines.addNewLine).parse(text)];
    if (isTooDeep(tokens)) reader.report(1, 0, tooDeep);
    else {
      const documents = new Composer({ lineCounter: lines, prettyErrors: false, intAsBigInt: true }).compose(tokens);
      for (const [index, document] of [...documents].entries()) reader.readDocument(document, index + 1);
    }
  } catch (error) {
    reader.report(1, 0, `it can't be read as YAML: ${errorMessage(error)}`);
  }
  const isEmpty = reader.entries.length === 0 && reader.problems.length === 0;
  if (isEmpty && options.mayBeEmpty !== true) reader.report(1, 0, "there is no resource in it");
  if (reader.problems.length > 0) {
    const problems = reader.problems.sort((a, b) => a.line - b.line);
    throw new ResourceError("INVALID_MANIFEST", problems.map(formatManifestProblem).join("\n"), { problems });
  }
  return reader.entries;
}

function formatManifestProblem({ file, document, line, message }: ManifestProblem): string {
  return `${file}: document ${document}, line ${line}: ${message}`;
}

class ManifestReader {
  readonly entries: ManifestEntry[] = [];
  readonly problems: ManifestProblem[] = [];
  readonly #options: ManifestOptions;
  readonly #lines: LineCounter;

  constructor(options: ManifestOptions, lines: LineCounter) {
    this.#options = options;
    this.#lines = lines;
  }

  readDocument(document: Document.Parsed, number: number): void {
    for (const error of document.errors) this.report(number, error.pos[0], error.message);
    if (document.errors.length > 0) return;
    let value: unknown;
    try {
      value = withPlainNumbers(document.toJS());
    } catch (error) {
      this.report(number, document.range[0], errorMessage(error));
      return;
    }
    if (value !== null && value !== undefined) this.#readValue(value, [], document, number);
  }

  /** One object, or each of a list. */
  #readValue(value: unknown, path: FieldPath, document: Document.Parsed, number: number): void {
    const items = listItems(value);
    if (items === undefined) this.#readObject(value, path, document, number);
    else
      for (const [index, item] of items.list.entries())
        this.#readValue(item, [...path, ...items.path, index], document, number);
  }

  #readObject(value: unknown, path: FieldPath, document: Document.Parsed, number: number): void {
    const result = readResource(this.#withNamespace(value), { unknownFields: "report", rules: true });
    if ("resource" in result) {
      const { resource } = result;
      const line = this.#lineAt(offsetOf(document, path));
      this.entries.push({ resource, file: this.#options.file, document: number, line });
      return;
    }
    for (const problem of result.problems)
      this.report(number, offsetOf(document, [...path, ...problem.path]), describeProblem(value, problem));
  }

  #withNamespace(value: unknown): unknown {
    if (!isObject(value) || typeof value.kind !== "string" || !isResourceKind(value.kind)) return value;
    if (!kinds[value.kind].namespaced || !isObject(value.metadata)) return value;
    return { ...value, metadata: { namespace: this.#options.defaultNamespace, ...value.metadata } };
  }

  report(document: number, offset: number, message: string): void {
    this.problems.push({ file: this.#options.file, document, line: this.#lineAt(offset), message });
  }

  #lineAt(offset: number): number {
    return Math.max(1, this.#lines.linePos(offset).line);
  }
}

/**
 * Makes numbers of the integers that a double holds, in place; the larger ones stay bigints and lose no digit. Throws if an
 * alias points at what contains it, because nothing further on expects a cycle.
 */
function withPlainNumbers(value: unknown, above: readonly object[] = []): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if (above.includes(value)) throw new ResourceError("INVALID_MANIFEST", "an alias points at what it is part of");
  const path = [...above, value];
  for (const [key, field] of Object.entries(value)) {
    const plain = withPlainNumbers(field, path);
    if (plain !== field) Object.defineProperty(value, key, { value: plain });
  }
  return value;
}

function listItems(value: unknown): { list: readonly unknown[]; path: FieldPath } | undefined {
  if (Array.isArray(value)) return { list: value, path: [] };
  if (!isObject(value) || typeof value.kind !== "string" || !value.kind.endsWith("List")) return undefined;
  return Array.isArray(value.items) ? { list: value.items, path: ["items"] } : undefined;
}

function describeProblem(value: unknown, problem: FieldProblem): string {
  const kind = isObject(value) && typeof value.kind === "string" ? value.kind : "resource";
  return `error with field ${formatProblem(kind, problem)}`;
}

/** Where a field is in the text; of a field that is missing, where the object begins that it is missing from. */
function offsetOf(document: Document.Parsed, path: FieldPath): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isObject(node) && Array.isArray(node.range)) return Number(node.range[0]);
  }
  return document.contents?.range[0] ?? document.range[0];
}
