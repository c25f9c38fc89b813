import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { none } from "../../src/bgp/rib/path-rows.ts";
import type { Rib } from "../../src/bgp/rib/rib.ts";
import { largeOperation, type Operation, operation } from "../support/speaker-operations.ts";
import { SpeakerTrial } from "../support/speaker-trial.ts";

/** The tables of the speakers that were made. */
const ribs: Rib[] = vi.hoisted(() => []);
vi.mock("../../src/bgp/rib/rib.ts", async (original) => {
  const module = await original<typeof import("../../src/bgp/rib/rib.ts")>();
  class SeenRib extends module.Rib {
    constructor(...settings: ConstructorParameters<typeof Rib>) {
      super(...settings);
      ribs.push(this);
    }
  }
  return { ...module, Rib: SeenRib };
});

/** How many rows of each table are in use. */
function rowsOf({ prefixes, paths, attributes, nextHops, slots }: Rib): object {
  const count = (end: number, isUsed: (row: number) => boolean) =>
    Array.from({ length: end }, (_, row) => row).filter(isUsed).length;
  return {
    prefixes: prefixes.size,
    paths: count(paths.end, (row) => paths.isUsed(row)),
    attributes: attributes.size,
    nextHops: count(1000, (row) => nextHops.get(row) !== undefined),
    slots: count(paths.end, (row) => slots.prefixOf(~row) !== none),
  };
}

/** How many histories are played; more of them than usual may take their time. */
const runs = Number(process.env.CALIBIRD_SPEAKER_RUNS ?? 100);
const timeout = Math.max(300_000, runs * 2000);

function run(operations: readonly Operation[], prefixesPerTurn: number, spacingMs: number): void {
  const trial = new SpeakerTrial(prefixesPerTurn, spacingMs);
  for (const item of operations) trial.apply(item);
  trial.check();
  trial.end();
  const rib = ribs.at(-1);
  expect(rib && rowsOf(rib)).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, slots: 0 });
}

beforeEach(() => {
  ribs.length = 0;
});

describe("a speaker under random updates, losses, restarts, policy changes and slow peers", () => {
  it("chooses and tells every peer what a naive model of plain maps does, and keeps nothing when all are gone", {
    timeout,
  }, () => {
    const operations = fc.array(operation, { maxLength: 80, size: "max" });
    const histories = fc.property(operations, fc.constantFrom(1, 2, 1000), fc.constantFrom(0, 10), run);
    fc.assert(histories, { numRuns: runs });
  });

  it("does so with tables of many thousands", { timeout }, () => {
    const operations = fc.array(largeOperation, { minLength: 10, maxLength: 30, size: "max" });
    const histories = fc.property(operations, fc.constantFrom(300, 10_000), fc.constantFrom(0, 10), run);
    fc.assert(histories, { numRuns: Math.ceil(runs / 100) });
  });
});
