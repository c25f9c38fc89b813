import type { Datastore } from "../datastore/datastore.ts";
import type { ResourceClient } from "../datastore/resource-client.ts";
import type { AgentClient } from "./agent-client.ts";
import type { CommandContext, OutputFormat } from "./output.ts";

/** What the commands of calictl are built from. Everything that depends on the command line is read when a command runs. */
export interface CommandTools {
  readonly context: CommandContext;
  /** The agent of this node. */
  readonly agent: () => AgentClient;
  /** The run directory of the agent. */
  readonly runDir: () => string;
  /** Reads `-o`; throws a `UsageError` that lists what is known. */
  readonly format: (known: readonly OutputFormat[]) => OutputFormat;
  /** `-o` as it was given. */
  readonly output: () => string | undefined;
  /** The exit status for a command that ends without an error. */
  readonly setStatus: (status: number) => void;
  /** The exit status for a command that fails, if it is not 1. */
  readonly setFailureStatus: (status: number) => void;
  /**
   * Opens the cluster's datastore for `run`; `config` is a file as calicoctl's `-c`. Where nothing names a datastore it is that
   * of `agent`.
   */
  readonly withDatastore: <Result>(
    config: string | undefined,
    run: (datastore: Datastore) => Promise<Result>,
    agent?: AgentClient,
  ) => Promise<Result>;
  readonly resourceClient: (datastore: Datastore) => ResourceClient;
}

export const everyFormat: readonly OutputFormat[] = ["table", "wide", "json", "yaml"];
export const plainFormats: readonly OutputFormat[] = ["table", "json", "yaml"];
