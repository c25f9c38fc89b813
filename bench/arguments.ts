import { daemons } from "./contenders/index.ts";
import { scenarios } from "./scenarios.ts";

/** What the command line asks for. */
export interface BenchOptions {
  readonly help: boolean;
  /** Names of the wanted scenarios. */
  readonly scenarios: readonly string[];
  /** Names of the wanted daemons; undefined: those that are installed. */
  readonly peers: readonly string[] | undefined;
  readonly rounds: number;
  /** Instead of the sizes of the scenarios. */
  readonly sizes: readonly number[] | undefined;
  /** How long the churn lasts. */
  readonly seconds: number;
  /** File for the results, `-` for standard output. */
  readonly json: string | undefined;
  /** Folder for CPU profiles of calibird. */
  readonly profile: string | undefined;
}

/** A command line that makes no sense; the message says what would. */
export class ArgumentError extends Error {}

const defaults: BenchOptions = {
  help: false,
  scenarios: scenarios.map(({ name }) => name),
  peers: undefined,
  rounds: 3,
  sizes: undefined,
  seconds: 60,
  json: undefined,
  profile: undefined,
};

/** Reads what follows `npm run bench --`. Throws `ArgumentError`. */
export function parseArguments(argv: readonly string[]): BenchOptions {
  const names: string[] = [];
  let options: BenchOptions = defaults;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--help" || word === "-h") options = { ...options, help: true };
    else if (word.startsWith("--")) options = { ...options, ...readOption(word, argv[++index]) };
    else names.push(known("scenario", word, scenarios));
  }
  return names.length === 0 ? options : { ...options, scenarios: names };
}

function readOption(name: string, value: string | undefined): Partial<BenchOptions> {
  if (value === undefined) throw new ArgumentError(`${name} needs a value`);
  switch (name) {
    case "--peers":
      return { peers: value === "none" ? [] : value.split(",").map((peer) => known("daemon", peer, daemons)) };
    case "--rounds":
      return { rounds: positive(name, value) };
    case "--size":
      return { sizes: value.split(",").map((size) => positive(name, size)) };
    case "--seconds":
      return { seconds: positive(name, value) };
    case "--json":
      return { json: value };
    case "--profile":
      return { profile: value };
    default:
      throw new ArgumentError(
        `unknown option ${name}; there are --peers, --rounds, --size, --seconds, --json, --profile, --help`,
      );
  }
}

function known(what: string, name: string, all: readonly { readonly name: string }[]): string {
  if (all.some((one) => one.name === name)) return name;
  throw new ArgumentError(`unknown ${what} ${name}; there are: ${all.map((one) => one.name).join(", ")}`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ArgumentError(`${name} must be a number above 0, not ${text}`);
}

/** The text of `--help`. */
export function helpText(): string {
  const list = scenarios.map(
    ({ name, about, sizes, sizeName }) => `  ${name.padEnd(18)} ${about} (${sizes.join(", ")} ${sizeName})`,
  );
  return `npm run bench [-- SCENARIO... [options]]   needs root, gcc, iproute2

Measures calibird and the BGP daemons of this machine, in turn, in network namespaces of their own.

Scenarios (all, if none is named):
${list.join("\n")}

Options:
  --peers LIST     daemons to compare with: ${daemons.map(({ name }) => name).join(",")}, or none
                   (default: those that are installed; a named one is installed if it is missing)
  --rounds N       how often everything runs; medians are shown (default: ${defaults.rounds})
  --size N[,N]     other sizes than those above, all of them for every named scenario
  --seconds N      how long the churn lasts (default: ${defaults.seconds})
  --json FILE      write all results to a file, or with - to standard output
  --profile DIR    write CPU profiles of calibird (for Chrome's developer tools); they cost some time
`;
}
