import { isDeepStrictEqual } from "node:util";
import { didYouMean } from "../../../core/nearest-name.ts";
import { isObject } from "../../../resources/read-fields.ts";
import { PatchError } from "./errors.ts";

const operations = ["add", "remove", "replace", "move", "copy", "test"] as const;
type OperationName = (typeof operations)[number];

interface PatchOperation {
  readonly op: OperationName;
  readonly path: readonly string[];
  /** Of `move` and `copy`. */
  readonly from: readonly string[];
  /** Of `add`, `replace` and `test`. */
  readonly value: unknown;
  /** `operation 2: replace /spec/cidr` */
  readonly where: string;
}

/** JSON patch (RFC 6902): all of its operations, or none. Throws a `PatchError` that names the operation. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new PatchError("a JSON patch must be a list of operations");
  return patch.map(readOperation).reduce(perform, target);
}

function readOperation(json: unknown, index: number): PatchOperation {
  const where = `operation ${index + 1}`;
  if (!isObject(json)) throw new PatchError(`${where} must be an object with op and path`);
  const { op, path, from, value } = json;
  const known = operations.find((name) => name === op);
  if (known === undefined) {
    const hint = typeof op === "string" ? didYouMean(op, operations) : "";
    throw new PatchError(`${where}: op "${op}" must be one of ${operations.join(", ")}${hint}`);
  }
  const needsFrom = known === "move" || known === "copy";
  if (!needsFrom && known !== "remove" && value === undefined) throw new PatchError(`${where}: ${known} needs a value`);
  return {
    op: known,
    path: readPointer(path, `${where}: path`),
    from: needsFrom ? readPointer(from, `${where}: from`) : [],
    value,
    where: `${where}: ${known} ${path}`,
  };
}

/** RFC 6901. */
function readPointer(text: unknown, field: string): readonly string[] {
  if (typeof text !== "string" || (text !== "" && !text.startsWith("/")))
    throw new PatchError(`${field} "${text}" must begin with a slash, such as /spec/natOutgoing`);
  return text
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function perform(target: unknown, { op, path, from, value, where }: PatchOperation): unknown {
  switch (op) {
    case "add":
      return change(target, path, where, { insert: value });
    case "remove":
      return change(target, path, where, "remove");
    case "replace":
      valueAt(target, path, where);
      return path.length === 0 ? value : change(target, path, where, { put: value });
    case "copy":
      return change(target, path, where, { insert: valueAt(target, from, where) });
    case "move": {
      if (from.length < path.length && from.every((step, index) => step === path[index]))
        throw new PatchError(`${where}: a value cannot be moved into itself`);
      const moved = valueAt(target, from, where);
      return change(change(target, from, where, "remove"), path, where, { insert: moved });
    }
    case "test": {
      const found = valueAt(target, path, where);
      if (!isDeepStrictEqual(found, value))
        throw new PatchError(`${where}: it is ${JSON.stringify(found)}, not ${JSON.stringify(value)}`);
      return target;
    }
  }
}

function valueAt(target: unknown, path: readonly string[], where: string): unknown {
  return path.reduce((value, step) => {
    if (Array.isArray(value)) return value[indexOf(step, value.length - 1, where)];
    if (isObject(value) && Object.hasOwn(value, step)) return value[step];
    throw missing(where, step);
  }, target);
}

type Change = "remove" | { readonly insert: unknown } | { readonly put: unknown };

/** A copy of `target` with the change at the path; whatever it does not touch is the same. */
function change(target: unknown, path: readonly string[], where: string, what: Change): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return what === "remove" ? undefined : "insert" in what ? what.insert : what.put;
  if (Array.isArray(target)) return changeList(target, step, rest, where, what);
  if (!isObject(target)) throw missing(where, step);
  const exists = Object.hasOwn(target, step);
  if (rest.length > 0 || what === "remove") {
    if (!exists) throw missing(where, step);
    const { [step]: before, ...others } = target;
    return rest.length === 0 ? others : { ...target, [step]: change(before, rest, where, what) };
  }
  return { ...target, [step]: "insert" in what ? what.insert : what.put };
}

function changeList(
  list: readonly unknown[],
  step: string,
  rest: readonly string[],
  where: string,
  what: Change,
): unknown[] {
  const inserts = rest.length === 0 && what !== "remove" && "insert" in what;
  const index = inserts && step === "-" ? list.length : indexOf(step, inserts ? list.length : list.length - 1, where);
  if (inserts) return list.toSpliced(index, 0, what.insert);
  if (rest.length === 0 && what === "remove") return list.toSpliced(index, 1);
  return list.toSpliced(index, 1, change(list[index], rest, where, what));
}

function indexOf(step: string, largest: number, where: string): number {
  if (/^(0|[1-9]\d*)$/.test(step) && Number(step) <= largest) return Number(step);
  const range = largest < 0 ? "; the list is empty" : `; it must be from 0 to ${largest}`;
  throw new PatchError(`${where}: there is no item ${step} in the list${range}`);
}

function missing(where: string, step: string): PatchError {
  return new PatchError(`${where}: there is no "${step}"`);
}
