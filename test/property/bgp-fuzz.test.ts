import { expect, test } from "vitest";
import { checkDecode, checkDecodeEverywhere, checkFraming, contexts } from "../../fuzz/decode-target.ts";
import { mutate } from "../../fuzz/mutate.ts";
import { Random } from "../../fuzz/random.ts";
import { readSeeds } from "../../fuzz/seeds.ts";
import { SessionTarget } from "../../fuzz/session-target.ts";
import { shrink } from "../../fuzz/shrink.ts";

const root = `${import.meta.dirname}/../..`;
const seeds = readSeeds(root);
const seed = Math.floor(Math.random() * 2 ** 32);

test("every message of the corpus is decoded as a value, never as an exception", () => {
  expect(seeds.length).toBeGreaterThan(350);
  const outcomes = new Set(seeds.flatMap((octets) => checkDecodeEverywhere(octets).split(" ")));
  expect(outcomes.size).toBeGreaterThan(50);
});

test(`no mutation of a message makes the decoder throw, and what it reads can be sent (seed ${seed})`, () => {
  const random = new Random(seed);
  const outcomes = new Set<string>();
  for (let count = 0; count < 20_000; count++)
    outcomes.add(checkDecode(mutate(random.pick(seeds), seeds, random), random.pick(contexts)));
  // The mutations reach more than the first check.
  expect(outcomes.size).toBeGreaterThan(30);
});

test(`a stream of messages is the same however TCP cuts it (seed ${seed})`, () => {
  const random = new Random(seed);
  for (let count = 0; count < 200; count++)
    checkFraming(
      Array.from({ length: 6 }, () =>
        random.chance(3) ? mutate(random.pick(seeds), seeds, random) : random.pick(seeds),
      ),
      random,
    );
});

test(`no peer makes a speaker lose another peer, and it is let in again afterwards (seed ${seed})`, async () => {
  const random = new Random(seed);
  const target = await SessionTarget.start();
  try {
    const answers = new Set<string>();
    for (let count = 0; count < 150; count++) answers.add(await target.attack(seeds, random));
    await target.recover();
    expect(answers.size).toBeGreaterThan(3);
  } finally {
    await target.stop();
  }
});

test("a failing message is shown without what does not matter", () => {
  const fails = (octets: Uint8Array) => octets.includes(7) && octets.includes(9);
  expect([...shrink(Uint8Array.from([1, 2, 7, 3, 4, 9, 5, 6]), fails)]).toEqual([7, 9]);
});
