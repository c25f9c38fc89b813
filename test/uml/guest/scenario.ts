/** What happens inside one machine: something is brought up, and then checks look at it one after the other. */
export interface Scenario<World> {
  /** Brings up what the checks need. It need not be taken down: the machine is switched off afterwards. */
  readonly start: () => Promise<World>;
  /** By what each of them promises; run in this order, all of them even if some fail. */
  readonly checks: Readonly<Record<string, Check<World>>>;
  /** What a person would want to see after a failure: logs, routes. */
  readonly diagnose?: (world: World) => Promise<string>;
}

/** Throws if the promise is not kept. `note` takes a line that is worth showing with the result, such as a measured figure. */
export type Check<World> = (world: World, note: (line: string) => void) => Promise<void>;

/** How a check went. */
export interface CheckReport {
  readonly notes: readonly string[];
  readonly milliseconds: number;
  /** The error with its stack; absent if the promise was kept. */
  readonly failure?: string;
}

/** How a scenario went; what the guest tells the host. */
export interface ScenarioReport {
  readonly startMilliseconds: number;
  /** Why it could not be started; then there are no checks. */
  readonly startFailure?: string;
  readonly checks: Readonly<Record<string, CheckReport>>;
  /** Only if something failed. */
  readonly diagnosis?: string;
}

/** Runs a scenario from start to end; never throws. `tell` gets each check's report at once. */
export async function runScenario<World>(
  scenario: Scenario<World>,
  tell: (promise: string, report: CheckReport) => void,
): Promise<ScenarioReport> {
  const began = performance.now();
  const elapsed = () => Math.round(performance.now() - began);
  let world: World;
  try {
    world = await scenario.start();
  } catch (error) {
    return { startMilliseconds: elapsed(), startFailure: describe(error), checks: {} };
  }
  const startMilliseconds = elapsed();
  const checks: Record<string, CheckReport> = {};
  for (const [promise, check] of Object.entries(scenario.checks)) {
    const report = await runCheck(check, world);
    checks[promise] = report;
    tell(promise, report);
  }
  const failed = Object.values(checks).some((report) => report.failure !== undefined);
  if (!failed || scenario.diagnose === undefined) return { startMilliseconds, checks };
  const diagnosis = await scenario.diagnose(world).catch(describe);
  return { startMilliseconds, checks, diagnosis };
}

async function runCheck<World>(check: Check<World>, world: World): Promise<CheckReport> {
  const began = performance.now();
  const notes: string[] = [];
  const report = () => ({ notes, milliseconds: Math.round(performance.now() - began) });
  try {
    await check(world, (line) => notes.push(line));
    return report();
  } catch (error) {
    return { ...report(), failure: describe(error) };
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
