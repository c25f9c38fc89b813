import { isAlias, isMap, isScalar, isSeq, LineCounter, Parser, parseDocument } from "yaml";
import { nearestName } from "../../core/nearest-name.ts";
import { isTooDeep, tooDeep } from "../../core/yaml-depth.ts";
import type { FieldTable } from "./fields.ts";
import type { TopologyRemark } from "./problem.ts";

/** A place in the document: a value together with where it stands. */
export interface Field {
  readonly path: string;
  /** Counts from 1. */
  readonly line: number;
  /** The yaml package's node; read it through `TopologyReader`. */
  readonly node: unknown;
}

/**
 * Reads a YAML document value by value and writes down every mistake instead of stopping at the first. The readers return
 * undefined for a value of the wrong form, after having noted it.
 */
export class TopologyReader {
  readonly problems: TopologyRemark[] = [];
  readonly notices: TopologyRemark[] = [];
  readonly root: Field;
  readonly #lines = new LineCounter();
  readonly #document;

  constructor(text: string) {
    const isReadable = !isTooDeep([...new Parser().parse(text)]);
    if (!isReadable) this.problems.push({ line: 1, path: "", message: tooDeep });
    this.#document = parseDocument(isReadable ? text : "", { lineCounter: this.#lines, prettyErrors: false });
    for (const error of this.#document.errors)
      this.problems.push({ line: this.#lines.linePos(error.pos[0]).line, path: "", message: error.message });
    this.root = { path: "", line: 1, node: this.#document.contents };
  }

  /** Notes a mistake at a place. */
  problem(field: Pick<Field, "line" | "path">, message: string): void {
    this.problems.push({ line: field.line, path: field.path, message });
  }

  /** Notes something that is accepted without effect. */
  notice(field: Pick<Field, "line" | "path">, message: string): void {
    this.notices.push({ line: field.line, path: field.path, message });
  }

  /** True for a key without a value (`n1:`), which containerlab takes as an empty mapping. */
  isEmpty(field: Field): boolean {
    const node = this.#resolve(field.node);
    return node === null || node === undefined || (isScalar(node) && node.value === null);
  }

  /** The entries of a mapping by key, in the document's order; an absent value counts as an empty mapping. */
  entries(field: Field): Map<string, Field> {
    const found = new Map<string, Field>();
    if (this.isEmpty(field)) return found;
    const node = this.#resolve(field.node);
    if (!isMap(node)) {
      this.problem(field, `${this.#show(node)} is not a mapping of names to values`);
      return found;
    }
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
      const line = this.#lineOf(pair.key) ?? field.line;
      if (key === "<<") {
        const merged = this.entries({ path: field.path, line, node: pair.value });
        for (const [name, value] of merged) if (!found.has(name)) found.set(name, value);
        continue;
      }
      found.set(key, { path: field.path === "" ? key : `${field.path}.${key}`, line, node: pair.value });
    }
    return found;
  }

  /** As `entries`, for a mapping whose keys are fixed: an unknown key is a mistake, one without effect here a notice. */
  fields(field: Field, table: FieldTable): Map<string, Field> {
    const found = this.entries(field);
    for (const [name, value] of found) {
      const use = table.get(name);
      if (use === "ignored") this.notice(value, "known to containerlab, has no effect in this lab");
      if (use !== undefined) continue;
      const nearest = nearestName(name, table.keys());
      const proposal = nearest === undefined ? `known are ${[...table.keys()].join(", ")}` : `did you mean ${nearest}?`;
      this.problem(value, `unknown field "${name}"; ${proposal}`);
    }
    return found;
  }

  /** The elements of a list; an absent value counts as an empty list. */
  items(field: Field): Field[] {
    if (this.isEmpty(field)) return [];
    const node = this.#resolve(field.node);
    if (!isSeq(node)) {
      this.problem(field, `${this.#show(node)} is not a list; write one "- …" line for each element`);
      return [];
    }
    return node.items.map((item, index) => ({
      path: `${field.path}[${index}]`,
      line: this.#lineOf(item) ?? field.line,
      node: item,
    }));
  }

  /** A text, which must not be empty. */
  string(field: Field): string | undefined {
    const value = this.#scalar(field);
    if (typeof value === "string" && value !== "") return value;
    this.problem(field, `${this.#show(this.#resolve(field.node))} is not a text`);
    return undefined;
  }

  /** A text, a number or a truth value, as the text that an environment variable or a label gets. */
  text(field: Field): string | undefined {
    const value = this.#scalar(field);
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
    this.problem(field, `${this.#show(this.#resolve(field.node))} is not a text or a number`);
    return undefined;
  }

  /** A whole number between the bounds, both included. */
  integer(field: Field, minimum: number, maximum: number): number | undefined {
    const value = this.#scalar(field);
    if (typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    this.problem(field, `${this.#show(this.#resolve(field.node))} is not a whole number from ${minimum} to ${maximum}`);
    return undefined;
  }

  /** True if the value is a mapping. */
  isMapping(field: Field): boolean {
    return isMap(this.#resolve(field.node));
  }

  #resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  #scalar(field: Field): unknown {
    const node = this.#resolve(field.node);
    return isScalar(node) ? node.value : undefined;
  }

  #lineOf(node: unknown): number | undefined {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : undefined;
    return range === undefined || range === null ? undefined : this.#lines.linePos(range[0]).line;
  }

  #show(node: unknown): string {
    if (node === null || node === undefined) return "nothing";
    if (isMap(node)) return "a mapping";
    if (isSeq(node)) return "a list";
    return isScalar(node) ? JSON.stringify(node.value ?? null) : String(node);
  }
}
