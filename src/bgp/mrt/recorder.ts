import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { BgpMonitor, MonitoredEnd, MonitoredSession, MonitorObserver } from "../monitor.ts";
import { decodeMessage } from "../packet/decode.ts";
import { encodeMessage, encodeStateChange, type MrtSession } from "./record.ts";
import { dumpTables, type MrtCollector } from "./table-dump.ts";

interface MrtRecorderOptions {
  readonly monitor: BgpMonitor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Made if it is missing. */
  readonly directory: string;
  readonly collector: () => MrtCollector;
  /** Between files of updates, and between table dumps; 0 is no dumps. */
  readonly updatesSec: number;
  readonly tablesSec: number;
}

/** Octets gathered before they are written. */
const bufferOctets = 64 * 1024;
/** How long at most they wait. */
const flushMs = 1_000;
/** Records of a dump per turn of the event loop. */
const sliceRecords = 1_000;

/**
 * Writes what peers send to files `updates.YYYYMMDD.HHMMSS.mrt` and now and then all tables to `rib.YYYYMMDD.HHMMSS.mrt`
 * (RFC 6396), for bgpdump and its like. A full disk costs records, never the agent.
 */
export class MrtRecorder implements MonitorObserver {
  readonly #options: MrtRecorderOptions;
  #fd: number | undefined;
  #buffered: Uint8Array[] = [];
  #bufferedOctets = 0;
  #timers: Timer[] = [];
  #flushTimer: Timer | undefined;
  #stopObserving: () => void = () => {};
  #problem: string | undefined;
  #stopped = false;

  constructor(options: MrtRecorderOptions) {
    this.#options = options;
  }

  /** Why records are being lost; undefined if they are not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  start(): void {
    const { monitor, updatesSec, tablesSec } = this.#options;
    this.#try(() => mkdirSync(this.#options.directory, { recursive: true, mode: 0o750 }));
    this.#openUpdates();
    this.#stopObserving = monitor.observe(this);
    this.#every(updatesSec, () => {
      this.#flush();
      this.#openUpdates();
    });
    if (tablesSec > 0) this.#every(tablesSec, () => void this.dumpTables());
  }

  stop(): void {
    this.#stopped = true;
    this.#stopObserving();
    for (const timer of this.#timers) timer.cancel();
    this.#flush();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  sessionUp(session: MonitoredSession): void {
    this.#add(encodeStateChange(this.#nowMs, mrtSession(session), "OpenConfirm", "Established"));
  }

  sessionDown({ session }: MonitoredEnd): void {
    this.#add(encodeStateChange(this.#nowMs, mrtSession(session), "Established", "Idle"));
  }

  received(session: MonitoredSession, update: Uint8Array): void {
    const form = { twoOctetAs: !session.context.fourOctetAs, pathIds: hasPathIds(session, update) };
    this.#add(encodeMessage(this.#nowMs, mrtSession(session), form, update));
  }

  /** Traces hold what came in, as everybody's do. */
  sent(): void {}

  locRib(): void {}

  /** Writes all tables now, in slices; resolves with the file's path, or undefined if it could not be written. */
  async dumpTables(): Promise<string | undefined> {
    const { monitor, collector, directory } = this.#options;
    const path = join(directory, `rib.${fileTime(this.#nowMs)}.mrt`);
    const unfinished = `${path}.part`;
    let fd: number | undefined;
    try {
      fd = openSync(unfinished, "w", 0o640);
      const rest = dumpTables(monitor, collector(), { wallMs: this.#nowMs });
      for (let done = false; !done; ) {
        const slice: Uint8Array[] = [];
        while (slice.length < sliceRecords && !done) {
          const next = rest.next();
          if (next.done === true) done = true;
          else if (next.value.length > 0) slice.push(next.value);
          else break;
        }
        writeSync(fd, Buffer.concat(slice));
        await new Promise(setImmediate);
      }
      renameSync(unfinished, path);
      return path;
    } catch (error) {
      this.#fail(error);
      // Where nothing could be written nothing may be there to be removed either.
      if (fd !== undefined) rmSync(unfinished, { force: true });
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  #add(record: Uint8Array): void {
    if (this.#stopped) return;
    this.#buffered.push(record);
    this.#bufferedOctets += record.length;
    if (this.#bufferedOctets >= bufferOctets) this.#flush();
    else this.#flushTimer ??= this.#options.clock.setTimer(flushMs, () => this.#flush());
  }

  #flush(): void {
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    const octets = Buffer.concat(this.#buffered);
    this.#buffered = [];
    this.#bufferedOctets = 0;
    const fd = this.#fd;
    if (octets.length > 0 && fd !== undefined) this.#try(() => writeSync(fd, octets));
  }

  #openUpdates(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    const path = join(this.#options.directory, `updates.${fileTime(this.#nowMs)}.mrt`);
    this.#try(() => {
      this.#fd = openSync(path, "a", 0o640);
    });
  }

  #every(seconds: number, work: () => void): void {
    const arm = () => {
      const timer = this.#options.clock.setTimer(seconds * 1000, () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        if (this.#stopped) return;
        work();
        arm();
      });
      this.#timers.push(timer);
    };
    arm();
  }

  #try(work: () => void): void {
    try {
      work();
      this.#problem = undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const problem = `MRT files cannot be written: ${errorMessage(error)}`;
    if (this.#problem !== problem) this.#options.logger.error({}, problem);
    this.#problem = problem;
  }

  get #nowMs(): number {
    return this.#options.clock.wallMs();
  }
}

function mrtSession({ peer, localAddress }: MonitoredSession): MrtSession {
  const { address: remoteAddress, remoteAs, localAs } = peer;
  return { remoteAs, localAs, remoteAddress, localAddress };
}

/** The record says it of a message as a whole: where one family has path identifiers and the other has none, its routes tell. */
function hasPathIds({ context }: MonitoredSession, update: Uint8Array): boolean {
  const { families, addPathReceive } = context;
  if (addPathReceive.length === 0) return false;
  if (families.every((family) => addPathReceive.includes(family))) return true;
  const decoded = decodeMessage(update, context);
  if (!decoded.ok || decoded.message.type !== "update") return false;
  const { announcements, withdrawals } = decoded.message;
  return [...announcements, ...withdrawals].some(({ family }) => addPathReceive.includes(family));
}

/** 20261121.140502, UTC. */
function fileTime(wallMs: number): string {
  const [date = "", time = ""] = new Date(wallMs).toISOString().split("T");
  return `${date.replaceAll("-", "")}.${time.slice(0, 8).replaceAll(":", "")}`;
}
