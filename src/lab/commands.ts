import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { errorMessage } from "../core/errors.ts";
import { LabError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { Lab } from "./lab.ts";
import { formatStatus } from "./status-table.ts";
import { isLabName, readLabName } from "./topology/topology.ts";

interface NameOption {
  readonly name?: string;
}

/**
 * Adds `calibird lab up|down|status|exec|demo`. The actions print their errors themselves and set the exit status: 0 done,
 * 1 failed, 2 the command line is wrong; `exec` ends with the status of the program that it has run.
 */
export function registerLabCommands(program: Command): void {
  const lab = program
    .command("lab")
    .description("multi-node labs on this machine from a containerlab topology file, in network namespaces");
  const named = (name: string, description: string) =>
    lab
      .command(name)
      .description(description)
      .argument("<file>", "containerlab topology file (FILE.clab.yml)")
      .option("--name <name>", "name of the lab instead of the file's, for several labs of one file");

  named("up", "bring the lab up; it stays when this command ends")
    .option("--reconfigure", "remove a lab of the same name first", false)
    .action((file: string, options: NameOption & { reconfigure: boolean }) => act(() => up(file, options)));

  named("down", "remove the lab, whatever state it is in; no failure if there is none").action(
    (file: string, options: NameOption) =>
      act(async () => {
        const name = labName(file, options);
        print((await Lab.remove(name)) ? `lab ${name} is removed` : `no lab named ${name} is up`);
        return 0;
      }),
  );

  named("status", "the nodes of the lab and their main processes").action((file: string, options: NameOption) =>
    act(async () => {
      const status = Lab.attach(labName(file, options)).status();
      print(formatStatus(status));
      return status.every(({ main }) => main.state === "running" || main.state === "none") ? 0 : 1;
    }),
  );

  const exec = named("exec", "run a program inside a node: calibird lab exec FILE NODE -- ip route")
    .argument("<node>", "name of the node")
    .argument("<command...>", "the program and its arguments, after --");
  exec.action((file: string, node: string, command: string[], options: NameOption) =>
    act(async () => {
      const lab = Lab.attach(labName(file, options));
      if (!lab.nodes.some((candidate) => candidate.name === node))
        exec.error(`error: there is no node ${node}; nodes are ${lab.nodes.map(({ name }) => name).join(", ")}`, {
          exitCode: 2,
        });
      return lab.execInteractively(node, command);
    }),
  );

  lab
    .command("demo")
    .description(
      "three nodes, six pods and a BIRD router: waits for BGP, pings every pod from every other, shows routes",
    )
    .option("--once", "remove the lab at the end and exit 0 only if everything answered", false)
    .option("--name <name>", "name of the lab", "three-nodes")
    .action((options: { once: boolean; name: string }) =>
      act(async () => {
        checkName(options.name);
        const { runThreeNodeDemo } = await import("./demo.ts");
        return runThreeNodeDemo({ ...options, print, signal: interruptSignal({ ignoresReader: false }) });
      }),
    );
}

async function up(file: string, options: NameOption & { reconfigure: boolean }): Promise<number> {
  if (options.name !== undefined) checkName(options.name);
  const signal = interruptSignal({ ignoresReader: true });
  const lab = await Lab.up({ ...options, file, report: print, signal });
  const failed = lab.execReports.filter((report) => report.code !== 0);
  const dead = lab.status().filter(({ main }) => main.state === "exited" || main.state === "lost");
  for (const { name, log } of dead) print(`the main process of ${name} has ended; its output is in ${log}`);
  print(formatStatus(lab.status()));
  if (failed.length === 0 && dead.length === 0) return 0;
  print(`lab ${lab.name} is up, but ${failed.length} commands failed and ${dead.length} main processes have ended`);
  return 1;
}

/** Runs an action; the errors that it throws on purpose become their message on stderr. */
async function act(action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** `--name`, or what the file says; the rest of the file does not matter here. */
function labName(file: string, options: NameOption): string {
  if (options.name !== undefined) return checkName(options.name);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new LabError(
      "LAB_NOT_UP",
      `the topology file cannot be read: ${errorMessage(error)}; --name NAME does without`,
      {
        file,
      },
    );
  }
  return readLabName(text, file);
}

function checkName(name: string): string {
  if (isLabName(name)) return name;
  throw new LabError("LAB_NOT_UP", `--name ${name}: must be up to 32 letters, digits, dots, dashes and underscores`, {
    name,
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
