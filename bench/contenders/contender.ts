import type { Neighbour } from "../neighbours.ts";

/** What a contender has to be configured for. */
export interface Setup {
  readonly neighbours: readonly Neighbour[];
  /** The scenario is about the kernel's routes; otherwise they are off. */
  readonly toKernel: boolean;
  /** Prefixes or whatever the scenario counts. */
  readonly size: number;
  /** A folder of its own for the run; files are written below it. */
  readonly folder: string;
  /** Our own programs. */
  readonly programs: Programs;
}

/** Paths of what the build has made. */
export interface Programs {
  /** Folder of the C programs. */
  readonly native: string;
  /** `calibird`, and the runner of its speaker alone. */
  readonly agent: string;
  readonly speaker: string;
  /** The runner that writes a large cluster into a datastore. */
  readonly clusterWriter: string;
  /** The runner that hands out addresses. */
  readonly ipam: string;
  /** Options of Node.js for both. */
  readonly nodeOptions: readonly string[];
}

export interface LaunchedProcess {
  readonly command: readonly string[];
  /** A file (relative to the folder) that appears when it is ready; the next one is not started before. */
  readonly readyFile?: string;
  /** Whether its processor time and memory count. */
  readonly measured: boolean;
}

/** How a contender is started: files below the folder by their names, and processes in their order. */
export interface Launch {
  readonly files: Readonly<Record<string, string>>;
  readonly processes: readonly LaunchedProcess[];
  /** False for a program that speaks no BGP. */
  readonly listens: boolean;
  /** Needs to be done after the files are there and before the processes start. */
  readonly prepare?: () => Promise<void>;
}

/** A program that is measured. */
export interface Contender {
  readonly name: string;
  /** For people. */
  readonly label: string;
  /** Program by which it is found, and its Debian package; absent for our own. */
  readonly installed?: { readonly program: string; readonly package: string };
  /** Prints the version. */
  readonly version?: readonly string[];
  launch(setup: Setup): Launch;
}
