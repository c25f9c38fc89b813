// `npm run fuzz`: sends the BGP decoder and whole sessions what no peer should send.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { CodecContext } from "../src/bgp/packet/message.ts";
import { checkDecode, checkDecodeEverywhere, checkFraming, contexts, FuzzFailure } from "./decode-target.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { fromHex, readSeeds, writeCorpus } from "./seeds.ts";
import { SessionTarget } from "./session-target.ts";
import { shrink } from "./shrink.ts";

const usage = `usage: npm run fuzz -- [options]

  --minutes N      how long to run (default 1)
  --seed N         repeat the run with this seed (default: a new one, which is printed)
  --target T       decode, session or both (default both; half of the time each)
  --replay FILE    decode the messages of a file, one line of hex each, and end
  --save-corpus    add to fuzz/corpus what led to something new
`;

/** How often the time is looked at, and a stream is framed. */
const batch = 256;
/** A message of 4096 octets takes some 100 µs; a hundred times that is no busy machine any more. */
const slowMs = 250;

const root = join(import.meta.dirname, "..", "..");
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    target: { type: "string", default: "both" },
    replay: { type: "string" },
    "save-corpus": { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed);
if (values.help) {
  console.log(usage);
} else if (!(minutes > 0) || !Number.isInteger(seed) || !["decode", "session", "both"].includes(values.target)) {
  console.error(usage);
  process.exitCode = 2;
} else if (values.replay !== undefined) {
  for (const line of readFileSync(values.replay, "utf8").split("\n").filter(Boolean))
    console.log(checkDecodeEverywhere(fromHex(line)));
} else {
  process.exitCode = (await run()) ? 0 : 1;
}

async function run(): Promise<boolean> {
  console.log(`seed ${seed}, ${minutes} minutes, target ${values.target}`);
  const random = new Random(seed);
  const found = new Map<string, Uint8Array>();
  const seeds = readSeeds(root);
  const seen = new Set(seeds.flatMap((octets) => checkDecodeEverywhere(octets).split(" ")));
  const known = seen.size;
  const share = values.target === "both" ? 0.5 : 1;
  let decoded = 0;
  let slowestMs = 0;
  let attacks = 0;
  const answers = new Map<string, number>();
  try {
    if (values.target !== "session") decodeUntil(performance.now() + minutes * 60_000 * share);
    if (values.target !== "decode") await attackUntil(performance.now() + minutes * 60_000 * share);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(`FAILED after ${decoded} messages and ${attacks} sessions: ${error.message}`);
    return false;
  }
  if (values["save-corpus"]) writeCorpus(root, found);
  console.log(`${decoded} messages decoded: ${seen.size - known} new outcomes beside the ${known} of the seeds`);
  console.log(`slowest message: ${slowestMs.toFixed(1)} ms`);
  console.log(`${attacks} sessions attacked; last answers:`);
  for (const [answer, count] of [...answers].sort((left, right) => right[1] - left[1]))
    console.log(`  ${count} × ${answer}`);
  console.log("no failure");
  return true;

  function decodeUntil(endMs: number): void {
    while (performance.now() < endMs) {
      const recent: Uint8Array[] = [];
      for (let count = 0; count < batch; count++) {
        const octets = mutate(random.pick(seeds), seeds, random);
        const beganMs = performance.now();
        const context = random.pick(contexts);
        const signature = checked(octets, context);
        const tookMs = performance.now() - beganMs;
        slowestMs = Math.max(slowestMs, tookMs);
        if (tookMs > slowMs && isAlwaysSlow(octets, context))
          fail(octets, context, `${octets.length} octets took ${tookMs.toFixed(0)} ms`);
        decoded++;
        if (recent.length < 8) recent.push(octets);
        if (seen.has(signature)) continue;
        seen.add(signature);
        found.set(signature, octets);
        seeds.push(octets);
      }
      checkFraming(recent, random);
    }
  }

  async function attackUntil(endMs: number): Promise<void> {
    const target = await SessionTarget.start();
    try {
      while (performance.now() < endMs) {
        for (let count = 0; count < 16; count++) {
          const answer = await target.attack(seeds, random);
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
          attacks++;
        }
        await target.recover();
      }
    } finally {
      await target.stop();
    }
  }

  function checked(octets: Uint8Array, context: CodecContext): string {
    try {
      return checkDecode(octets, context);
    } catch (error) {
      if (error instanceof FuzzFailure) fail(octets, context, error.message);
      throw error;
    }
  }
}

/** Once may have been the machine. */
function isAlwaysSlow(octets: Uint8Array, context: CodecContext): boolean {
  for (let tries = 0; tries < 5; tries++) {
    const beganMs = performance.now();
    checkDecode(octets, context);
    if (performance.now() - beganMs <= slowMs) return false;
  }
  return true;
}

/** Writes the shortest message that does it, and ends the run. */
function fail(octets: Uint8Array, context: CodecContext, message: string): never {
  const small = shrink(octets, (candidate) => {
    try {
      checkDecode(candidate, context);
      return false;
    } catch (error) {
      return error instanceof FuzzFailure;
    }
  });
  const file = join(root, `fuzz-failure-${seed}.hex`);
  writeFileSync(file, `${Buffer.from(small).toString("hex")}\n`);
  throw new FuzzFailure(
    `${message}\n  ${Buffer.from(small).toString("hex")}\n  repeat: npm run fuzz -- --replay ${file}`,
  );
}
