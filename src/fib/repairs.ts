import { retryDelayMs } from "./delay-queue.ts";

/** How often somebody else undid a route lately. */
export interface RepairRecord {
  /** Repairs since `firstMs`. */
  readonly count: number;
  /** Monotonic milliseconds. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Backoff steps taken; 0 while repairs are done at once. */
  readonly step: number;
  /** Not to be written again before this monotonic time. */
  readonly holdUntilMs: number;
}

/** This many repairs of one route within the window are done at once. */
const freeRepairs = 5;
const windowMs = 10_000;
/** After this long without a repair the fight counts as over; longer than the longest backoff. */
const quietMs = 120_000;

/** Counts one more repair that is due at `nowMs`; `holdUntilMs` of the result says whether it may be done now. */
export function noteRepair(record: RepairRecord | undefined, nowMs: number): RepairRecord {
  const over =
    record === undefined || nowMs - record.lastMs > quietMs || (record.step === 0 && nowMs - record.firstMs > windowMs);
  if (over) return { count: 1, firstMs: nowMs, lastMs: nowMs, step: 0, holdUntilMs: nowMs };
  const count = record.count + 1;
  if (count <= freeRepairs) return { ...record, count, lastMs: nowMs, holdUntilMs: nowMs };
  const holdUntilMs = nowMs + retryDelayMs(record.step);
  return { ...record, count, lastMs: nowMs, step: record.step + 1, holdUntilMs };
}

/** True while another program keeps undoing the route, also between its pauses. */
export function isContested(record: RepairRecord | undefined, nowMs: number): record is RepairRecord {
  return record !== undefined && record.step > 0 && nowMs - record.lastMs <= quietMs;
}

/** What the other program does. */
export function describeFight({ count, firstMs, lastMs }: RepairRecord): string {
  return `another program changed or deleted this route ${count} times in ${seconds(lastMs - firstMs)}`;
}

/** Why a route is not being repaired right now. */
export function describePause(record: RepairRecord, nowMs: number): string {
  return `${describeFight(record)}; it is written again after a pause of ${seconds(record.holdUntilMs - nowMs)}`;
}

function seconds(ms: number): string {
  return `${Math.max(1, Math.round(ms / 1000))} s`;
}
