import { type Command, Option } from "commander";

/** Where manifests come from. */
export interface FileOptions {
  readonly filename?: readonly string[];
  readonly recursive: boolean;
  readonly skipEmpty: boolean;
}

/** Which datastore, and which namespace. */
export interface ScopeOptions {
  readonly config?: string;
  readonly namespace?: string;
}

/** `-f`, `-R`, `--skip-empty`. */
export function withFileOptions(command: Command): Command {
  return command
    .option("-f, --filename <path...>", "files or folders of YAML or JSON; - reads standard input")
    .option("-R, --recursive", "also the folders in a folder", false)
    .option("--skip-empty", "a file or folder without resources is no failure", false);
}

/** `--dry-run`. */
export function withDryRunOption(command: Command): Command {
  return command.option("--dry-run", "print what would change, field by field, and change nothing", false);
}

/** `-c`, `-n`, and calicoctl's flags that change nothing here. */
export function withScopeOptions(command: Command): Command {
  return withConnectionOptions(command).option(
    "-n, --namespace <namespace>",
    "namespace of namespaced kinds (default: default)",
  );
}

/** `-c`, and calicoctl's flags that change nothing here. */
export function withConnectionOptions(command: Command): Command {
  return command
    .option("-c, --config <file>", "how to reach the datastore, as calicoctl's (default: /etc/calico/calicoctl.cfg)")
    .addOption(new Option("--allow-version-mismatch", "accepted: calictl refuses no version").hideHelp())
    .addOption(new Option("--context <name>", "accepted: there is one context").hideHelp())
    .addOption(new Option("-l, --log-level <level>", "accepted: calictl logs nothing").hideHelp());
}
