import type { Command, Option } from "commander";

/** A command line that is being typed, as far as it says what may come next. */
export interface TypedLine {
  readonly command: Command;
  /** `get`, `pool set-mode` */
  readonly path: string;
  /** The arguments of the command that are complete. */
  readonly args: readonly string[];
  /** The values of the options so far, by long name without dashes. */
  readonly options: ReadonlyMap<string, string>;
  /** The option whose value is being typed. */
  readonly option?: Option;
  /** What has been typed of the last word. */
  readonly current: string;
}

/** Reads the words after the program's name; the last one is being typed. */
export function readTypedLine(program: Command, words: readonly string[]): TypedLine {
  const [typed, current] = splitWords(words);
  let command = program;
  const path: string[] = [];
  const args: string[] = [];
  const options = new Map<string, string>();
  let pending: Option | undefined;
  for (const word of typed) {
    if (pending !== undefined) {
      options.set(nameOf(pending), word);
      pending = undefined;
      continue;
    }
    if (word.startsWith("-") && word !== "-") {
      const option = findOption(program, command, word);
      if (option?.required === true) pending = option;
      continue;
    }
    const next = args.length === 0 ? command.commands.find((child) => child.name() === word) : undefined;
    if (next === undefined) args.push(word);
    else {
      command = next;
      path.push(word);
    }
  }
  return { command, path: path.join(" "), args, options, ...(pending !== undefined && { option: pending }), current };
}

/** The complete words and the one that is being typed. `--flag=value` counts as two, also where the shell splits it into three. */
function splitWords(words: readonly string[]): [string[], string] {
  const split = words.flatMap((word, index) => {
    const flag = /^(--[\w-]+)=(.*)$/s.exec(word);
    if (flag !== null) return [flag[1] ?? "", flag[2] ?? ""];
    const isSeparator = word === "=" && words[index - 1]?.startsWith("--") === true;
    if (!isSeparator) return [word];
    return index === words.length - 1 ? [""] : [];
  });
  return [split.slice(0, -1), split.at(-1) ?? ""];
}

/** The options that a command takes: its own and those of the program. */
export function optionsOf(program: Command, command: Command): readonly Option[] {
  return [...new Set([...command.options, ...program.options])].filter(({ hidden }) => !hidden);
}

function findOption(program: Command, command: Command, word: string): Option | undefined {
  return [...command.options, ...program.options].find(({ long, short }) => word === long || word === short);
}

export function nameOf(option: Option): string {
  return (option.long ?? option.short ?? "").replace(/^-+/, "");
}
