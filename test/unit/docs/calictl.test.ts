import { readFileSync } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { buildProgram } from "../../../src/calictl/program.ts";

const text =
  readFileSync(new URL("../../../docs/calictl.md", import.meta.url), "utf8").split("\n# calibird\n")[0] ?? "";
const sections = text.split(/^## /m);
const context = {
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  stdin: Readable.from([]),
  environment: {},
  colour: false,
  nowMs: () => 0,
};
const program = buildProgram(context, { setStatus: () => {}, setFailureStatus: () => {} });

/** The commands that do something, by what is typed for them. */
function commandsOf(command: Command, path: readonly string[]): [string, Command][] {
  const children = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== "help");
  const inner = children.flatMap((child) => commandsOf(child, [...path, child.name()]));
  const isGroup = children.length > 0 && command.registeredArguments.length === 0;
  return isGroup ? inner : [[path.join(" "), command], ...inner];
}
const commands = commandsOf(program, []);

/** The usage lines of a section: those of its blocks that begin with calictl, continued lines included. */
function usageOf(section: string): string {
  return [...section.matchAll(/^```\n([\s\S]*?)^```$/gm)]
    .map(([, block = ""]) => block)
    .filter((block) => /^(source <\()?calictl /.test(block))
    .join("\n");
}

/** The section that has a usage line of the command. */
function sectionOf(path: string): string | undefined {
  const words = path.split(" ");
  const [last = ""] = words.slice(-1);
  const start = words.slice(0, -1).join(" ");
  return sections.find((section) => {
    const usage = usageOf(section);
    const alone = new RegExp(`calictl +${words.join(" +")}(?![\\w-])`).test(usage);
    // `lock | unlock`, `summary`, …
    return alone || (start !== "" && new RegExp(`calictl ${start} [a-z]+ \\| ${last}\\b`).test(usage));
  });
}

const common = new Set(["--help", "--config", ...program.options.map(({ long }) => long ?? "")]);

describe("docs/calictl.md", () => {
  it("is about more than twenty commands", () => {
    expect(commands.length).toBeGreaterThan(20);
  });

  it.each(commands)("has a usage line of `calictl %s`, and every flag of it", (path, command) => {
    const section = sectionOf(path);
    expect(section, `no usage line of calictl ${path}`).toBeDefined();
    const flags = command
      .createHelp()
      .visibleOptions(command)
      .filter(({ long }) => !common.has(long ?? ""));
    const missing = flags.filter(({ long, short }) => {
      const forms = [long, short].filter((form) => form !== undefined);
      return !forms.some((form) => new RegExp(`(^|[^\\w-])${form}(?![\\w-])`, "m").test(section ?? ""));
    });
    expect(missing.map(({ flags: form }) => form)).toEqual([]);
  });

  it("names no flag in a usage line that no command of its section has", () => {
    const wrong = sections.flatMap((section) => {
      const known = new Set([...common, "-c"]);
      for (const [path, command] of commands)
        if (sectionOf(path) === section)
          for (const { long, short } of command.options) for (const form of [long, short]) known.add(form ?? "");
      const used = [...usageOf(section).matchAll(/(?<=[ [(|])--?[a-z][\w-]*/gi)].map(([flag]) => flag);
      return used.filter((flag) => !known.has(flag) && !["-o", "-y"].includes(flag));
    });
    expect(wrong).toEqual([]);
  });
});
