import { NatError } from "../../src/nat/errors.ts";
import type { NftCommand } from "../../src/nat/table.ts";
import { IpAddress } from "../../src/net/address.ts";
import { parseCidr } from "../../src/net/prefix.ts";

interface ModelSet {
  readonly type: string;
  readonly flags: readonly string[];
  /** First and last address of each element. */
  elements: { readonly json: unknown; readonly first: bigint; readonly last: bigint }[];
}

interface ModelChain {
  readonly definition: object;
  rules: { readonly comment: string; readonly expr: readonly unknown[] }[];
}

interface ModelTable {
  readonly sets: Map<string, ModelSet>;
  readonly chains: Map<string, ModelChain>;
}

/**
 * The tables of a kernel as nft changes them: all commands of a transaction or none, and strict as the kernel is about what
 * is deleted without being there and about elements that overlap.
 */
export class NftModel {
  /** By family and name, as `ip calibird`. */
  tables = new Map<string, ModelTable>();
  /** Every transaction that was asked for. */
  readonly runs: (readonly NftCommand[])[] = [];

  /** A NftRunner. */
  readonly run = async (commands: readonly NftCommand[]): Promise<string> => {
    this.runs.push(commands);
    const before = copy(this.tables);
    try {
      return commands.map((command) => this.#execute(command)).join("");
    } catch (error) {
      this.tables = before;
      throw error;
    }
  };

  /** The transactions that change something. */
  get writes(): (readonly NftCommand[])[] {
    return this.runs.filter((commands) => !commands.some((command) => "list" in command));
  }

  flushRuleset(): void {
    this.tables.clear();
  }

  #execute(command: NftCommand): string {
    if ("list" in command) return this.#list(command.list);
    if ("flush" in command) {
      const { family, table, name } = command.flush.chain;
      this.#chain(`${family} ${table}`, name).rules = [];
    } else if ("delete" in command) {
      if ("table" in command.delete) this.#deleteTable(command.delete.table);
      else {
        const { family, table, name, elem } = command.delete.element;
        const set = this.#set(`${family} ${table}`, name);
        for (const json of elem) {
          const [first, last] = span(json);
          const at = set.elements.findIndex((element) => element.first === first && element.last === last);
          if (at < 0) throw refused(`element ${JSON.stringify(json)} of ${name} does not exist`);
          set.elements.splice(at, 1);
        }
      }
    } else this.#add(command.add);
    return "";
  }

  #add(object: Extract<NftCommand, { add: unknown }>["add"]): void {
    if ("table" in object) {
      const key = `${object.table.family} ${object.table.name}`;
      if (!this.tables.has(key)) this.tables.set(key, { sets: new Map(), chains: new Map() });
    } else if ("set" in object) {
      const { family, table, name, type, flags } = object.set;
      this.#table(`${family} ${table}`).sets.set(name, { type, flags, elements: [] });
    } else if ("chain" in object) {
      const { family, table, name, ...definition } = object.chain;
      this.#table(`${family} ${table}`).chains.set(name, { definition, rules: [] });
    } else if ("rule" in object) {
      const { family, table, chain, comment, expr } = object.rule;
      this.#chain(`${family} ${table}`, chain).rules.push({ comment, expr });
    } else {
      const { family, table, name, elem } = object.element;
      const set = this.#set(`${family} ${table}`, name);
      for (const json of elem) {
        const [first, last] = span(json);
        if (set.elements.some((element) => first <= element.last && element.first <= last))
          throw refused(`interval overlaps with an existing one: ${JSON.stringify(json)} of ${name}`);
        set.elements.push({ json, first, last });
      }
    }
  }

  #list(what: Extract<NftCommand, { list: unknown }>["list"]): string {
    const keys = [...this.tables.keys()].map((key) => key.split(" "));
    const tables = keys.map(([family, name]) => ({ table: { family, name, handle: 1 } }));
    const metainfo = { metainfo: { version: "1.0.6", json_schema_version: 1 } };
    if ("tables" in what) return JSON.stringify({ nftables: [metainfo, ...tables] });
    const { family, name: table } = what.table;
    const { sets, chains } = this.#table(`${family} ${table}`);
    const objects = [
      ...[...sets].map(([name, { type, flags, elements }]) => ({
        set: {
          family,
          table,
          name,
          type,
          flags,
          ...(elements.length > 0 && { elem: elements.map(({ json }) => json) }),
        },
      })),
      ...[...chains].map(([name, { definition }]) => ({ chain: { family, table, name, ...definition } })),
      ...[...chains].flatMap(([chain, { rules }]) =>
        rules.map((rule) => ({ rule: { family, table, chain, ...rule } })),
      ),
    ];
    return JSON.stringify({ nftables: [metainfo, { table: { family, name: table, handle: 1 } }, ...objects] });
  }

  #deleteTable({ family, name }: { readonly family: string; readonly name: string }): void {
    this.#table(`${family} ${name}`);
    this.tables.delete(`${family} ${name}`);
  }

  #table(key: string): ModelTable {
    return found(this.tables.get(key), `table ${key}`);
  }

  #set(key: string, name: string): ModelSet {
    return found(this.#table(key).sets.get(name), `set ${name}`);
  }

  #chain(key: string, name: string): ModelChain {
    return found(this.#table(key).chains.get(name), `chain ${name}`);
  }
}

function found<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw refused(`${what} does not exist`);
  return value;
}

function refused(reason: string): NatError {
  return new NatError("NFT_REFUSED", `nft refused: ${reason}`);
}

function copy(tables: ReadonlyMap<string, ModelTable>): Map<string, ModelTable> {
  return new Map(
    [...tables].map(([key, { sets, chains }]) => [
      key,
      {
        sets: new Map([...sets].map(([name, set]) => [name, { ...set, elements: [...set.elements] }])),
        chains: new Map([...chains].map(([name, chain]) => [name, { ...chain, rules: [...chain.rules] }])),
      },
    ]),
  );
}

/** First and last address of an element as numbers, worked out without the code under test. */
export function span(element: unknown): [bigint, bigint] {
  const number = (text: string): bigint => IpAddress.parse(text).toBigInt();
  if (typeof element === "string") return [number(element), number(element)];
  const { prefix, range } = element as { prefix?: { addr: string; len: number }; range?: [string, string] };
  if (range !== undefined) return [number(range[0]), number(range[1])];
  const { address, length } = parseCidr(`${prefix?.addr}/${prefix?.len}`);
  return [address.toBigInt(), address.toBigInt() + (1n << BigInt(address.bits - length)) - 1n];
}
