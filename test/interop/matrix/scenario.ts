import type { Capability } from "../../../src/bgp/packet/capability.ts";
import type { Bench } from "../support/bench.ts";
import type { DaemonName } from "../support/daemons/daemon.ts";

/** One row of the table: something that our speaker and a daemon are to do with each other. */
interface Check<State> {
  /** What works; the row's name. */
  readonly feature: string;
  /** Daemons that cannot take part, and why. */
  readonly lacking?: Partial<Readonly<Record<DaemonName, string>>>;
  /** What a daemon that has it offers in its OPEN; then none of those that lack it may. */
  readonly capability?: Capability["kind"];
  /** Throws unless it works. */
  readonly run: (state: State, bench: Bench) => Promise<void>;
}

interface ScenarioDescription<State> {
  /** What is set up once for all its checks. */
  readonly title: string;
  /** Starts the daemon and our speaker. */
  readonly prepare: (bench: Bench) => Promise<State>;
  /** In this order, each in the state that the ones before it leave. */
  readonly checks: readonly Check<State>[];
}

/** Checks that share one start of a daemon. */
export interface Scenario {
  readonly title: string;
  readonly features: readonly Pick<Check<never>, "feature" | "lacking" | "capability">[];
  /** Starts the daemon and our speaker; the answer runs one check by its feature's name. */
  prepare(bench: Bench): Promise<(feature: string) => Promise<void>>;
}

export function scenario<State>({ title, prepare, checks }: ScenarioDescription<State>): Scenario {
  return {
    title,
    features: checks,
    prepare: async (bench) => {
      const state = await prepare(bench);
      return async (feature) => {
        const check = checks.find((candidate) => candidate.feature === feature);
        if (check === undefined) throw new Error(`the scenario ${title} has no check ${feature}`);
        await check.run(state, bench);
      };
    },
  };
}
