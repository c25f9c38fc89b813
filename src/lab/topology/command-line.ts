/** A command of the topology file: what was written, and the words it stands for. */
export interface CommandLine {
  readonly text: string;
  /** At least one word. */
  readonly argv: readonly string[];
}

/** The words of a command line, or why it has none. */
export type CommandLineResult =
  | { readonly ok: true; readonly value: CommandLine }
  | { readonly ok: false; readonly message: string };

/**
 * Splits a command as containerlab does: no shell is involved, so there are no variables, no globs and no pipes, only words,
 * quotes and backslashes. Whoever wants a shell writes `sh -c '…'`.
 */
export function parseCommandLine(text: string): CommandLineResult {
  const argv: string[] = [];
  let word: string | undefined;
  let quote: "'" | '"' | undefined;
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (quote === "'") {
      if (character === "'") quote = undefined;
      else word = `${word ?? ""}${character}`;
    } else if (character === "\\") {
      const next = text.charAt(index + 1);
      if (next === "") return { ok: false, message: `${JSON.stringify(text)} ends in a lone backslash` };
      // Inside double quotes a backslash protects only what would otherwise be special there (POSIX shell, 2.2.3).
      const literal = quote === '"' && !'"\\$`'.includes(next);
      word = `${word ?? ""}${literal ? "\\" : ""}${next}`;
      index++;
    } else if (character === quote) {
      quote = undefined;
    } else if (quote === undefined && (character === "'" || character === '"')) {
      quote = character;
      word ??= "";
    } else if (quote === undefined && /\s/.test(character)) {
      if (word !== undefined) argv.push(word);
      word = undefined;
    } else {
      word = `${word ?? ""}${character}`;
    }
  }
  if (quote !== undefined)
    return { ok: false, message: `${JSON.stringify(text)} has a quote ${quote} without its end` };
  if (word !== undefined) argv.push(word);
  if (argv.length === 0) return { ok: false, message: "is empty; write a program and its arguments" };
  return { ok: true, value: { text, argv } };
}
