import type { PathSource } from "../paths.ts";
import { AdjRibIn, type ImportSide } from "./adj-rib-in.ts";
import { largestTable } from "./path-rows.ts";

/** The sources of routes by the numbers that stand in the rows of their paths. A number is given to another after `remove`. */
export class SourceTable {
  readonly #tables: (AdjRibIn | undefined)[] = [];

  create(source: PathSource, side: ImportSide): AdjRibIn {
    let id = this.#tables.indexOf(undefined);
    if (id < 0) id = this.#tables.length;
    if (id > largestTable) throw new RangeError(`more than ${largestTable} sources of routes`);
    const table = new AdjRibIn(id, source, side);
    this.#tables[id] = table;
    return table;
  }

  get(id: number): AdjRibIn {
    const table = this.#tables[id];
    if (table === undefined) throw new RangeError(`there is no source ${id}`);
    return table;
  }

  remove(id: number): void {
    this.#tables[id] = undefined;
  }
}
