// node main.js [options]; started by `npm run simulate`, which has built everything.
import { parseArgs } from "node:util";
import fc from "fast-check";
import { type History, histories } from "./ipam/history.ts";
import { memoryDatastore } from "./ipam/memory-datastore.ts";
import { checkHistory, HistoryFailure } from "./ipam/run.ts";

const help = `npm run simulate [-- options]
Plays random histories of eight IPAM clients that crash, lose answers and come late, and checks every rule at every revision.
  --histories N   how many (10,000)
  --seed N        repeats a run
  --replay TEXT   plays the one history that a failure has printed
`;

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "10000" },
    seed: { type: "string" },
    replay: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) process.stdout.write(help);
else if (values.replay !== undefined) await replay(values.replay);
else await simulate(Number(values.histories), Number(values.seed ?? Math.floor(Math.random() * 2 ** 31)));

async function simulate(count: number, seed: number): Promise<void> {
  const total = { histories: 0, steps: 0, assignments: 0, faults: 0 };
  const startMs = performance.now();
  const property = fc.asyncProperty(histories, async (history) => {
    const { steps, assignments, faults } = await checkHistory(history, memoryDatastore());
    total.histories++;
    total.steps += steps;
    total.assignments += assignments;
    total.faults += faults;
  });
  const result = await fc.check(property, { numRuns: count, seed });
  const { steps, assignments, faults } = total;
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  if (!result.failed)
    process.stdout.write(
      `${count} histories, seed ${seed}, ${seconds} s: ${steps} steps, ${assignments} requests that got addresses, ` +
        `${faults} faults met, no rule broken\n`,
    );
  else {
    process.stdout.write(`history ${result.numRuns} of seed ${seed} failed, shrunk ${result.numShrinks} times\n`);
    report(result.errorInstance);
  }
}

async function replay(text: string): Promise<void> {
  try {
    await checkHistory(JSON.parse(text) as History, memoryDatastore());
    process.stdout.write("no rule broken\n");
  } catch (error) {
    report(error);
  }
}

function report(error: unknown): void {
  process.exitCode = 1;
  process.stdout.write(`${error instanceof HistoryFailure ? error.message : String(error)}\n`);
}
