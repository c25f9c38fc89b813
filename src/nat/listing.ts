import { type Interval, mergeIntervals, readSetElement } from "./intervals.ts";
import { chainDefinition, setDefinition, type TableFamily, type TableImage, tableName } from "./table.ts";

/** The objects of an answer of nft, each `{"table": {…}}` or `{"rule": {…}}` and so on. Throws SyntaxError. */
function readObjects(output: string): [string, Readonly<Record<string, unknown>>][] {
  const answer: unknown = JSON.parse(output);
  if (typeof answer !== "object" || answer === null || !("nftables" in answer) || !Array.isArray(answer.nftables))
    throw new SyntaxError('there is no list "nftables"');
  return answer.nftables.flatMap((object: object) => Object.entries(object));
}

/** Which of our tables an answer to `list tables` names. Throws SyntaxError. */
export function readTables(output: string): TableFamily[] {
  const own = readObjects(output).filter(([kind, { name }]) => kind === "table" && name === tableName);
  return own.map(([, { family }]) => family).filter((family) => family === "ip" || family === "ip6");
}

/** Reads the answer to `list table`. Throws SyntaxError. */
export function readTable(output: string): TableImage {
  const definitions: string[] = [];
  const elements = new Map<string, ReadonlyMap<string, Interval>>();
  const rules = new Map<string, string[]>();
  for (const [kind, object] of readObjects(output)) {
    const name = String(object.name);
    if (kind === "set") {
      const { type, flags, elem } = object;
      const extra = ["timeout", "gc-interval", "size", "stmt"].filter((property) => property in object);
      definitions.push(setDefinition(name, type, [...listOf(flags), ...extra]));
      const intervals = listOf(elem).map(readSetElement);
      const known = intervals.filter((interval) => interval !== undefined);
      if (known.length < intervals.length) definitions.push(`elements of ${name} that are no addresses`);
      elements.set(name, mergeIntervals(known));
    } else if (kind === "chain") {
      definitions.push(chainDefinition(name, object.type, object.hook, object.prio, object.policy));
      rules.set(name, []);
    } else if (kind === "rule") rules.get(String(object.chain))?.push(String(object.comment ?? ""));
    else if (kind !== "metainfo" && kind !== "table") definitions.push(`${kind} ${name}`);
  }
  return { definitions: definitions.sort(), elements, rules };
}

/** nft writes a list of one as the member alone in some places. */
function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
