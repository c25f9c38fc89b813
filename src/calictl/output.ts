import type { Writable } from "node:stream";
import { CalibirdError } from "../core/errors.ts";

type UsageErrorCode = "USAGE";

/** The command line itself is wrong: exit status 2. */
export class UsageError extends CalibirdError<UsageErrorCode> {
  constructor(message: string) {
    super("USAGE", message);
  }
}

/** What every command needs from its surroundings; tests pass their own. */
export interface CommandContext {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly stdin: NodeJS.ReadableStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Colour wanted: a terminal, no `--no-color`, no NO_COLOR. */
  readonly colour: boolean;
  readonly nowMs: () => number;
  /** Ends commands that would go on for ever; without it the end of the process does. */
  readonly signal?: AbortSignal;
}

export type OutputFormat = "table" | "wide" | "json" | "yaml";

/** Reads `-o`; throws a `UsageError` that lists what this command knows. */
export function parseOutputFormat(text: string | undefined, known: readonly OutputFormat[]): OutputFormat {
  const format = known.find((name) => name === (text ?? "table"));
  if (format !== undefined) return format;
  const names = known.filter((name) => name !== "table").join(", ");
  throw new UsageError(`-o ${text}: this command prints ${names}, or a table without -o`);
}

/** Writes a value as JSON (two spaces) or YAML, with a newline at the end. */
export async function writeStructured(context: CommandContext, value: unknown, format: "json" | "yaml"): Promise<void> {
  if (format === "json") {
    context.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    return;
  }
  const { stringify } = await import("yaml");
  context.stdout.write(stringify(value, { lineWidth: 0 }));
}

export function writeLine(context: CommandContext, text: string): void {
  context.stdout.write(`${text}\n`);
}
