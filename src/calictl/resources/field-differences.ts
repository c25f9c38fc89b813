import { formatExactJson } from "../../core/exact-json.ts";
import { isObject, type JsonObject } from "../../resources/read-fields.ts";

/** One field that differs between two values. */
export type FieldDifference =
  | { readonly type: "added"; readonly path: string; readonly after: unknown }
  | { readonly type: "removed"; readonly path: string; readonly before: unknown }
  | { readonly type: "changed"; readonly path: string; readonly before: unknown; readonly after: unknown };

/**
 * What has to be done to `before` to get `after`, field by field, in the order of the fields. Of lists the items that are equal
 * are left where they are, so that an insertion is one difference and not a change of all that follows. Undefined is nothing.
 */
export function fieldDifferences(before: unknown, after: unknown, path = ""): FieldDifference[] {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => fieldDifferences(own(before, name), own(after, name), joinPath(path, name)));
  }
  if (Array.isArray(before) && Array.isArray(after)) return listDifferences(before, after, path);
  if (before === undefined)
    return leaves(after, path).map(([leaf, value]) => ({ type: "added", path: leaf, after: value }));
  if (after === undefined)
    return leaves(before, path).map(([leaf, value]) => ({ type: "removed", path: leaf, before: value }));
  return sameJson(before, after) ? [] : [{ type: "changed", path, before, after }];
}

function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** `spec.filters[0]`, `metadata.labels["a/b"]` */
function joinPath(path: string, step: string | number): string {
  if (typeof step === "number") return `${path}[${step}]`;
  if (!/^[A-Za-z0-9_-]+$/.test(step)) return `${path}[${JSON.stringify(step)}]`;
  return path === "" ? step : `${path}.${step}`;
}

/** The single values below a value, which is one itself if it is empty. */
function leaves(value: unknown, path: string): [string, unknown][] {
  const children: [string | number, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : isObject(value)
      ? Object.entries(value)
      : [];
  const defined = children.filter(([, child]) => child !== undefined);
  if (defined.length === 0) return value === undefined ? [] : [[path, value]];
  return defined.flatMap(([step, child]) => leaves(child, joinPath(path, step)));
}

function listDifferences(before: readonly unknown[], after: readonly unknown[], path: string): FieldDifference[] {
  const differences: FieldDifference[] = [];
  let [left, right] = [0, 0];
  for (const [keptLeft, keptRight] of [...commonItems(before, after), [before.length, after.length] as const]) {
    while (left < keptLeft || right < keptRight) {
      const index = right < keptRight ? right : left;
      const old = left < keptLeft ? before[left++] : undefined;
      const next = right < keptRight ? after[right++] : undefined;
      differences.push(...fieldDifferences(old, next, joinPath(path, index)));
    }
    left++;
    right++;
  }
  return differences;
}

/** Places of the longest sequence of equal items that both lists have. */
function commonItems(before: readonly unknown[], after: readonly unknown[]): (readonly [number, number])[] {
  const [a, b] = [before.map(text), after.map(text)];
  const lengths = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (row: number, column: number) => lengths[row]?.[column] ?? 0;
  for (let row = a.length - 1; row >= 0; row--)
    for (let column = b.length - 1; column >= 0; column--) {
      const length =
        a[row] === b[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
      (lengths[row] ?? [])[column] = length;
    }
  const pairs: (readonly [number, number])[] = [];
  for (let row = 0, column = 0; row < a.length && column < b.length; )
    if (a[row] === b[column]) pairs.push([row++, column++]);
    else if (at(row + 1, column) >= at(row, column + 1)) row++;
    else column++;
  return pairs;
}

function text(value: unknown): string {
  return value === undefined ? "" : formatExactJson(value, 0);
}

function sameJson(a: unknown, b: unknown): boolean {
  return text(a) === text(b);
}
