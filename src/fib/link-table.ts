import type { Link } from "../netlink/types.ts";

/** The links of the namespace by index and name, kept current from a dump and events. */
export class LinkTable {
  readonly #byIndex = new Map<number, Link>();
  readonly #byName = new Map<string, Link>();
  /** Links that events told about since `beginDump`; the dump knows nothing newer about them. */
  #touched: Set<number> | undefined;

  byIndex(index: number): Link | undefined {
    return this.#byIndex.get(index);
  }

  byName(name: string): Link | undefined {
    return this.#byName.get(name);
  }

  /** Takes a link as it is now; returns what it was. */
  set(link: Link): Link | undefined {
    this.#touched?.add(link.index);
    const before = this.#byIndex.get(link.index);
    if (before !== undefined) this.#forgetName(before);
    this.#byIndex.set(link.index, link);
    this.#byName.set(link.name, link);
    return before;
  }

  /** Returns what it was. */
  delete(index: number): Link | undefined {
    this.#touched?.add(index);
    const before = this.#byIndex.get(index);
    this.#byIndex.delete(index);
    if (before !== undefined) this.#forgetName(before);
    return before;
  }

  /** To be called before a dump is asked for: events that come from now on outweigh it. */
  beginDump(): void {
    this.#touched = new Set();
  }

  /** The changes that make this table equal to a dump. They are not yet applied, so that the caller treats them as events. */
  endDump(links: readonly Link[]): { readonly present: readonly Link[]; readonly gone: readonly Link[] } {
    const touched = this.#touched;
    this.#touched = undefined;
    const seen = new Set(links.map((link) => link.index));
    return {
      present: links.filter((link) => !touched?.has(link.index)),
      gone: [...this.#byIndex.values()].filter((link) => !seen.has(link.index) && !touched?.has(link.index)),
    };
  }

  #forgetName(link: Link): void {
    // A name may have gone on to another link already.
    if (this.#byName.get(link.name)?.index === link.index) this.#byName.delete(link.name);
  }
}
