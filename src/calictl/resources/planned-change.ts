import { formatExactJson } from "../../core/exact-json.ts";
import { type AnyResource, describeResource } from "../../resources/resource.ts";
import { paint, type Style } from "../table.ts";
import { type FieldDifference, fieldDifferences } from "./field-differences.ts";

/** What a command would do to one object. */
export interface PlannedChange {
  readonly object: string;
  readonly change: "created" | "changed" | "deleted" | "unchanged";
  readonly fields: readonly FieldDifference[];
}

/** Compares an object with what it would be. What the datastore itself keeps (uid, times, revision) does not count. */
export function planChange(before: AnyResource | undefined, after: AnyResource | undefined): PlannedChange | undefined {
  const either = after ?? before;
  if (either === undefined) return undefined;
  const object = describeResource(either);
  if (after === undefined) return { object, change: "deleted", fields: [] };
  const fields = fieldDifferences(before && comparable(before), comparable(after));
  if (before === undefined) return { object, change: "created", fields };
  return { object, change: fields.length === 0 ? "unchanged" : "changed", fields };
}

function comparable({ metadata, spec, status }: AnyResource): unknown {
  const { labels, annotations, finalizers, ownerReferences } = metadata;
  const kept = Object.entries({ labels, annotations, finalizers, ownerReferences }).filter(([, value]) => value);
  return { ...(kept.length > 0 && { metadata: Object.fromEntries(kept) }), spec, status };
}

const signs: Record<FieldDifference["type"], { sign: string; style: Style }> = {
  added: { sign: "+", style: "green" },
  removed: { sign: "-", style: "red" },
  changed: { sign: "~", style: "yellow" },
};

/** A line for the object and one for each field. */
export function formatChange({ object, change, fields }: PlannedChange, colour: boolean): string {
  const lines = fields.map((field) => {
    const { sign, style } = signs[field.type];
    const line = `  ${sign} ${field.path}: ${describeValues(field)}`;
    return colour ? paint(style, line) : line;
  });
  return [`${object} ${change}`, ...lines].join("\n");
}

function describeValues(field: FieldDifference): string {
  switch (field.type) {
    case "added":
      return formatExactJson(field.after, 0);
    case "removed":
      return formatExactJson(field.before, 0);
    case "changed":
      return `${formatExactJson(field.before, 0)} -> ${formatExactJson(field.after, 0)}`;
  }
}
