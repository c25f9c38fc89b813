import { type Interval, setElement } from "./intervals.ts";
import {
  addressType,
  imageOf,
  type NamedInTable,
  type NatChain,
  type NatTable,
  type NftCommand,
  ruleTag,
  type TableImage,
  tableName,
} from "./table.ts";

/**
 * The commands that turn the table that is there (undefined: none) into the one that is wanted; all of them belong into one
 * transaction. None if nothing differs. Sets get the elements that changed, chains whose rules differ are written anew, and
 * only a table whose sets or chains are other ones is replaced as a whole.
 */
export function diffTable(present: TableImage | undefined, wanted: NatTable): NftCommand[] {
  if (present === undefined) return wanted.needed ? newTable(wanted) : [];
  const image = imageOf(wanted);
  if (!sameList(present.definitions, image.definitions))
    return [{ delete: { table: { family: wanted.family, name: tableName } } }, ...newTable(wanted)];
  const sets = [...image.elements].map(([name, elements]) => ({
    name,
    present: present.elements.get(name) ?? new Map<string, Interval>(),
    elements,
  }));
  const chains = wanted.chains.filter(
    ({ name }) => !sameList(present.rules.get(name) ?? [], image.rules.get(name) ?? []),
  );
  return [
    ...sets.flatMap((set) => elementCommands("delete", wanted, set.name, without(set.present, set.elements))),
    ...sets.flatMap((set) => elementCommands("add", wanted, set.name, without(set.elements, set.present))),
    ...chains.flatMap((chain) => [{ flush: { chain: named(wanted, chain.name) } }, ...addRules(wanted, chain)]),
  ];
}

function newTable(table: NatTable): NftCommand[] {
  const { family, sets, chains } = table;
  const type = addressType(family);
  return [
    { add: { table: { family, name: tableName } } },
    ...sets.map(({ name }) => ({ add: { set: { ...named(table, name), type, flags: ["interval"] } } })),
    ...sets.flatMap(({ name, elements }) => elementCommands("add", table, name, [...elements.values()])),
    ...chains.flatMap((chain) => [
      {
        add: {
          chain: {
            ...named(table, chain.name),
            type: chain.type,
            hook: chain.hook,
            prio: chain.priority,
            policy: "accept" as const,
          },
        },
      },
      ...addRules(table, chain),
    ]),
  ];
}

function addRules({ family }: NatTable, chain: NatChain): NftCommand[] {
  return chain.rules.map((rule) => ({
    add: { rule: { family, table: tableName, chain: chain.name, comment: ruleTag(rule), expr: rule.statements } },
  }));
}

function elementCommands(
  verb: "add" | "delete",
  table: NatTable,
  name: string,
  intervals: readonly Interval[],
): NftCommand[] {
  if (intervals.length === 0) return [];
  const element = { ...named(table, name), elem: intervals.map(setElement) };
  return [verb === "add" ? { add: { element } } : { delete: { element } }];
}

function named({ family }: NatTable, name: string): NamedInTable {
  return { family, table: tableName, name };
}

function without(all: ReadonlyMap<string, Interval>, some: ReadonlyMap<string, Interval>): Interval[] {
  return [...all].filter(([key]) => !some.has(key)).map(([, interval]) => interval);
}

function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, index) => text === right[index]);
}
