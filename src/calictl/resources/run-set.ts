import { CalibirdError } from "../../core/errors.ts";
import { ResourceError } from "../../resources/errors.ts";
import type { ResourceKind } from "../../resources/kinds.ts";
import type { ManifestEntry } from "../../resources/manifest.ts";
import { type CommandContext, writeLine } from "../output.ts";
import { locationOf } from "./manifest-files.ts";

type CommandFailureErrorCode = "NOTHING_DONE" | "PARTLY_DONE";

/** Some or all objects of a set could not be handled. The message is calicoctl's and stands for itself, without a prefix. */
export class CommandFailure extends CalibirdError<CommandFailureErrorCode> {}

/** What is done to each object of a set, in the words of the messages. */
export interface Verb {
  /** `create` */
  readonly name: string;
  /** `created` */
  readonly past: string;
  /** What became of those that were left out: `existed already`. */
  readonly leftOut?: string;
  /** Nothing is really done. */
  readonly isPlan?: boolean;
  /** There is something else to print than how many it were. */
  readonly quiet?: boolean;
}

/** One object of a set. */
export interface SetItem {
  readonly kind: ResourceKind;
  /** Where the object stands in a file. */
  readonly entry?: ManifestEntry;
}

/**
 * Does something to one object after the other, as they stand in the files, and says what came of it. One that is refused
 * does not keep the rest from being tried; a datastore that fails does. `act` resolves false for an object that it left out.
 * Throws a `CommandFailure` with every error.
 */
export async function runSet<Of extends SetItem>(
  context: CommandContext,
  verb: Verb,
  items: readonly Of[],
  act: (item: Of) => Promise<boolean>,
): Promise<void> {
  if (items.length === 0) {
    writeLine(context, "No resources specified");
    return;
  }
  const errors: string[] = [];
  let handled = 0;
  let leftOut = 0;
  let failedBefore = false;
  let inOrder = true;
  for (const item of items)
    try {
      if (await act(item)) handled++;
      else leftOut++;
      if (failedBefore) inOrder = false;
    } catch (error) {
      if (!(error instanceof CalibirdError)) throw error;
      failedBefore = true;
      errors.push(describeFailure(error, verb.name, item.entry));
      if (!(error instanceof ResourceError)) break;
    }
  const kinds = new Set(items.map(({ kind }) => kind));
  const [kind] = kinds;
  const only = kinds.size === 1 ? `'${kind}' ` : "";
  if (errors.length === 0) {
    if (verb.quiet === true) return;
    const success = verb.isPlan === true ? "Dry run: nothing was changed; would have" : "Successfully";
    writeLine(context, `${success} ${verb.past} ${handled} ${only}resource(s)`);
    if (leftOut > 0) writeLine(context, `${leftOut} ${verb.leftOut}`);
    return;
  }
  const list = `[${errors.join(", ")}]`;
  if (handled + leftOut === 0) {
    const what = only === "" ? "any resources" : `${only}resource`;
    throw new CommandFailure("NOTHING_DONE", `${failedTo(verb)} ${what}: ${list}`);
  }
  const progress = `${inOrder ? "the first " : ""}${handled + leftOut} out of ${items.length} ${only}resources`;
  throw new CommandFailure("PARTLY_DONE", `Partial success: ${verb.past} ${progress}:\nhit error: ${list}`);
}

function failedTo({ name }: Verb): string {
  return `${name === "delete" ? "Failed" : "failed"} to ${name}`;
}

/** An error in calicoctl's words, with what it does not say: where the object stands, and what to do. */
export function describeFailure(error: CalibirdError, operation: string, entry?: ManifestEntry): string {
  const where = entry === undefined ? "" : ` (${locationOf(entry)})`;
  if (!(error instanceof ResourceError)) return `${error.message}${where}`;
  if (error.code === "RESOURCE_EXISTS" || error.code === "RESOURCE_NOT_FOUND")
    return `${error.message} with error: <nil>${where}`;
  if (error.code === "UPDATE_CONFLICT")
    return `${error.message}${where}: it was changed after it was read. Get it again and redo the change, or leave resourceVersion out to overwrite what is there`;
  if (error.code === "UNSUPPORTED_OPERATION")
    return `operation ${operation} is not supported on ${error.details.kind}: ${error.message}${where}`;
  return `${error.message}${where}`;
}
