import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** USER_HZ, in which the kernel tells times to programs on all architectures that matter. */
const ticksPerSecond = 100;

/** Processor seconds of the whole machine that were not idle. */
export function machineSeconds(): number {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, soft = 0, steal = 0] = line
    .split(/ +/)
    .slice(1)
    .map(Number);
  return (user + nice + system + interrupt + soft + steal) / ticksPerSecond;
}

/** Processor seconds of a process with all its threads. */
export function processSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** How many cores are in use just now, over so many milliseconds. */
export async function busyCores(sampleMs: number): Promise<number> {
  const before = { at: performance.now(), seconds: machineSeconds() };
  await sleep(sampleMs);
  return (machineSeconds() - before.seconds) / ((performance.now() - before.at) / 1000);
}
