import type { AddressFamily } from "../net/address.ts";
import { putAt } from "../net/prefix-index.ts";
import { RowLists } from "../net/row-lists.ts";
import { type Held, isList, shapesIn } from "./shapes.ts";

const nothing: ReadonlySet<number> = new Set();

/** Which IPv4 rows have a route through a device; IPv6 routes never go without an event. */
export class DeviceRows {
  /** Rows with a single route by a single leg: list by device, and device by row. */
  readonly #lists = new RowLists();
  readonly #listOf = new Map<number, number>();
  readonly #deviceOf: (number | undefined)[] = [];
  /** All other rows, and their devices. */
  readonly #others = new Map<number, Set<number>>();
  readonly #devicesOf = new Map<number, ReadonlySet<number>>();

  /** A row holds this now. */
  set(family: AddressFamily, row: number, held: Held): void {
    if (family === 6) return;
    const device = onlyDevice(held);
    if (device === this.#deviceOf[row] && (device !== undefined || held === undefined) && !this.#devicesOf.has(row))
      return;
    this.#clear(row);
    if (held === undefined) return;
    if (device !== undefined) {
      putAt(this.#deviceOf, row, device, undefined);
      this.#lists.add(this.#list(device), row);
      return;
    }
    const devices = new Set(
      shapesIn(held).flatMap(({ nextHops }) =>
        nextHops.flatMap(({ interfaceIndex }) => (interfaceIndex === undefined ? [] : [interfaceIndex])),
      ),
    );
    if (devices.size === 0) return;
    this.#devicesOf.set(row, devices);
    for (const each of devices) this.#others.set(each, (this.#others.get(each) ?? new Set()).add(row));
  }

  has(device: number, row: number): boolean {
    return this.#deviceOf[row] === device || this.#others.get(device)?.has(row) === true;
  }

  /** The rows of a device, which has none from now on. */
  take(device: number): number[] {
    const list = this.#listOf.get(device);
    const rows = list === undefined ? [] : this.#lists.rows(list);
    for (const row of rows) this.#clear(row);
    const others = [...(this.#others.get(device) ?? nothing)];
    for (const row of others) {
      this.#others.get(device)?.delete(row);
      this.#devicesOf.set(row, new Set([...(this.#devicesOf.get(row) ?? nothing)].filter((each) => each !== device)));
    }
    this.#others.delete(device);
    return [...rows, ...others];
  }

  #list(device: number): number {
    const known = this.#listOf.get(device);
    if (known !== undefined) return known;
    const list = this.#lists.open();
    this.#listOf.set(device, list);
    return list;
  }

  #clear(row: number): void {
    const device = this.#deviceOf[row];
    if (device !== undefined) {
      this.#deviceOf[row] = undefined;
      this.#lists.remove(row);
      const list = this.#listOf.get(device);
      if (list !== undefined && this.#lists.count(list) === 0) {
        this.#lists.close(list);
        this.#listOf.delete(device);
      }
    }
    for (const other of this.#devicesOf.get(row) ?? nothing) {
      const rows = this.#others.get(other);
      rows?.delete(row);
      if (rows?.size === 0) this.#others.delete(other);
    }
    this.#devicesOf.delete(row);
  }
}

/** The device of a single route by a single leg. */
function onlyDevice(held: Held): number | undefined {
  return held === undefined || isList(held) || held.nextHops.length !== 1
    ? undefined
    : held.nextHops[0]?.interfaceIndex;
}
