import fc from "fast-check";
import { expect, it } from "vitest";
import { histories } from "../../simulation/ipam/history.ts";
import { memoryDatastore } from "../../simulation/ipam/memory-datastore.ts";
import { checkHistory } from "../../simulation/ipam/run.ts";

const HISTORIES = 300;

it("no history of eight clients that crash, lose answers and come late breaks a rule of IPAM", async () => {
  const seen = { assignments: 0, faults: 0 };
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      const { assignments, faults } = await checkHistory(history, memoryDatastore());
      seen.assignments += assignments;
      seen.faults += faults;
    }),
    { numRuns: HISTORIES },
  );
  // The histories are not empty ones.
  expect(seen.assignments).toBeGreaterThan(HISTORIES);
  expect(seen.faults).toBeGreaterThan(HISTORIES);
}, 300_000);
