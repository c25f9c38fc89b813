import { readdirSync, readFileSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** A process of the machine, as far as the lab cares. */
export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  /** The id that the process has in its own process namespace; equal to `pid` in ours. */
  readonly innerPid: number;
  /** How deep its process namespace lies below ours: 0 is ours. */
  readonly depth: number;
}

/** Identity of a namespace file; undefined if the file or its process is gone. */
function namespaceIdentity(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false, bigint: true });
  return status === undefined ? undefined : `${status.dev}:${status.ino}`;
}

/** All processes whose network namespace is the one of this file; none if there is no such file. */
export function processesInNamespace(path: string): RunningProcess[] {
  const wanted = namespaceIdentity(path);
  if (wanted === undefined) return [];
  return processIds().flatMap((pid) => {
    if (namespaceOf(pid) !== wanted) return [];
    const found = readProcess(pid);
    return found === undefined ? [] : [found];
  });
}

/** True if the process exists, is no zombie, and has the network namespace of this file. */
export function isInNamespace(pid: number, path: string): boolean {
  const wanted = namespaceIdentity(path);
  return wanted !== undefined && namespaceOf(pid) === wanted && readProcess(pid) !== undefined;
}

/** True if a process with this id exists and is no zombie. */
export function isAlive(pid: number): boolean {
  return readProcess(pid) !== undefined;
}

/** Sends a signal; a process that is gone already is no failure. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Asks until the answer is yes or the time is over; the last answer. */
export async function waitUntil(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (let pauseMs = 2; performance.now() < end; pauseMs = Math.min(50, pauseMs * 2)) {
    if (isDone()) return true;
    await delay(pauseMs);
  }
  return isDone();
}

function processIds(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Identity of a process's network namespace; undefined for processes that are gone, and for zombies, which have none. */
function namespaceOf(pid: number): string | undefined {
  try {
    return namespaceIdentity(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** From /proc/PID/status (proc(5)); undefined if there is no such process, or only its zombie. */
function readProcess(pid: number): RunningProcess | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return undefined;
  }
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1];
  if (/^[ZX]/.test(field("State") ?? "Z")) return undefined;
  const inner = (field("NSpid") ?? String(pid)).trim().split(/\s+/).map(Number);
  return { pid, parent: Number(field("PPid")), innerPid: inner.at(-1) ?? pid, depth: inner.length - 1 };
}
