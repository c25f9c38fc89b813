import { setImmediate } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { PrefixSet } from "../net/prefix-map.ts";
import type { KernelRoute } from "../netlink/types.ts";
import { RouteAlarms } from "./alarm.ts";
import { DelayQueue, RetryQueue } from "./delay-queue.ts";
import { kernelRouteOf, sameDemand, sameRoute } from "./diff.ts";
import { type Entry, type EntryChange, EntryTable } from "./entry-table.ts";
import type { ChangeCause, KernelTable } from "./kernel-table.ts";
import type { NextHops } from "./next-hops.ts";
import type { Ownership } from "./ownership.ts";
import { installedReason, planPrefix, type Wanted } from "./plan.ts";
import { PrefixQueue } from "./prefix-queue.ts";
import { describeFight, describePause, noteRepair } from "./repairs.ts";
import { inSlices } from "./slices.ts";
import { refusal } from "./status.ts";
import type { DesiredRoute, FibUpdate, RouteState } from "./types.ts";
import type { Outcome, Step, Writer } from "./writer.ts";

/** Prefixes planned between two turns of the event loop, and so the size of a netlink batch. */
const batchSize = 512;

/** An event is given this long to be followed by the one that explains it (a replaced route, our own echo). */
const settleMs = 25;

interface ReconcilerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ownership: Ownership;
  readonly table: KernelTable;
  readonly nextHops: NextHops;
  readonly writer: Writer;
  readonly onChange: (changes: readonly EntryChange[]) => void;
  /** The table may be wrong: dump it. */
  readonly requestDump: () => void;
}

/**
 * Holds the desired routes and brings the kernel to them, level-triggered: whatever happens to a prefix, it is marked,
 * and then planned from what is desired and what the table says the kernel has. Marked prefixes are worked off in
 * bounded batches, one batch in flight at a time.
 */
export class Reconciler {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #ownership: Ownership;
  readonly #table: KernelTable;
  readonly #nextHops: NextHops;
  readonly #writer: Writer;
  readonly #onChange: ReconcilerOptions["onChange"];
  readonly #requestDump: () => void;

  readonly #entries: EntryTable;
  /** Own routes from before the restart that nobody desired yet. */
  readonly #adopted = new PrefixSet();
  #adopting = true;
  readonly #marked = new PrefixQueue();
  /** Refused by the kernel for want of a way: worth another try when links, addresses or routes change. */
  readonly #refused = new PrefixSet();
  readonly #settling: DelayQueue;
  readonly #retries: RetryQueue;
  /** Changed in the table while the kernel's answer was awaited. */
  readonly #disturbed = new PrefixSet();
  readonly #alarms: RouteAlarms;
  #phase: "idle" | "running" | "stopped" = "idle";
  #draining = false;
  /** Walks over prefixes that are under way. */
  #background = 0;
  #flushed: (() => void)[] = [];

  constructor(options: ReconcilerOptions) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#ownership = options.ownership;
    this.#table = options.table;
    this.#nextHops = options.nextHops;
    this.#writer = options.writer;
    this.#onChange = options.onChange;
    this.#requestDump = options.requestDump;
    this.#entries = new EntryTable(options.clock);
    const markAll = (prefixes: readonly Prefix[]): void => {
      for (const prefix of prefixes) this.#marked.add(prefix);
      this.#kick();
    };
    this.#settling = new DelayQueue(options.clock, settleMs, markAll);
    this.#retries = new RetryQueue(options.clock, markAll);
    this.#alarms = new RouteAlarms({
      clock: options.clock,
      logger: options.logger,
      isFought: (prefix) => this.#entries.get(prefix)?.repairs !== undefined,
      isInConflict: (prefix) => this.#entries.get(prefix)?.state === "conflict",
    });
  }

  /** Starts writing; the table must have its first dump. */
  start(): void {
    this.#phase = "running";
    this.#kick();
  }

  stop(): void {
    this.#phase = "stopped";
    this.#settling.clear();
    this.#retries.clear();
    this.#alarms.stop();
    for (const resolve of this.#flushed.splice(0)) resolve();
  }

  update(update: FibUpdate): void {
    for (const route of update.set) this.#set(route);
    for (const prefix of update.remove) this.#unset(prefix);
    this.#kick();
  }

  /** Ends the time in which routes from before the restart are kept: those that nobody desired are deleted. */
  sweep(): void {
    this.#adopting = false;
    this.#inBackground(this.#adopted, (prefix) => {
      this.#adopted.delete(prefix);
      this.#marked.add(prefix);
    });
  }

  entry(prefix: Prefix): Entry | undefined {
    return this.#entries.get(prefix);
  }

  entries(): IterableIterator<[Prefix, Entry]> {
    return this.#entries.entries();
  }

  /** What every prefix shall be in the kernel. */
  *wanted(): IterableIterator<[Prefix, Wanted]> {
    for (const [prefix, entry] of this.#entries.entries()) yield [prefix, this.#wanted(prefix, entry).wanted];
  }

  /** How many entries there are of each state, and which need an eye. */
  get tally(): Pick<EntryTable, "counts" | "conflicts" | "repaired"> {
    return this.#entries;
  }

  /** The most specific desired route that contains the address. */
  lookup(address: IpAddress): [Prefix, Entry] | undefined {
    return this.#entries.longestMatch(address);
  }

  /** Resolves when everything that was marked has been written or refused; retries are not waited for. */
  flush(): Promise<void> {
    if (this.#phase === "stopped" || this.#isQuiet()) return Promise.resolve();
    return new Promise((resolve) => this.#flushed.push(resolve));
  }

  /** The table changed at this prefix. */
  tableChanged(prefix: Prefix, cause: ChangeCause, holdsOwn: boolean): void {
    // The step that asked for it is about to be concluded.
    if (cause === "answer") return;
    if (this.#writer.inFlight(prefix)) {
      this.#disturbed.add(prefix);
      return;
    }
    const entry = this.#entries.get(prefix);
    if (entry === undefined) {
      if (!holdsOwn) return;
      this.#entries.add(prefix, undefined);
      if (this.#adopting) {
        this.#adopted.add(prefix);
        // Known as stale at once: who asks right after the start must learn that there are routes from before.
        this.#plan(prefix);
      }
    } else if (cause !== "event") {
      // Lost with its device or unnoticed: to be written again, but nobody is fighting over it.
      delete entry.present;
    }
    this.#settling.add(prefix);
  }

  /** These prefixes' next hops resolve differently now. */
  nextHopsChanged(prefixes: Iterable<Prefix>): void {
    this.#inBackground(prefixes, (prefix) => this.#settling.add(prefix));
  }

  /** Links, addresses or foreign routes changed: what was refused may be accepted now. */
  surroundingsChanged(): void {
    this.#inBackground(this.#refused, (prefix) => {
      this.#refused.delete(prefix);
      this.#settling.add(prefix);
    });
  }

  #set(route: DesiredRoute): void {
    const { prefix } = route;
    const entry = this.#entries.get(prefix);
    if (entry === undefined) {
      this.#entries.add(prefix, route);
    } else {
      const before = entry.desired;
      if (before !== undefined) this.#nextHops.detach(prefix, before.forwarding);
      entry.desired = route;
      if (before !== undefined && !sameDemand(before, route)) this.#renew(prefix, entry, "being written");
      this.#entries.touch(prefix);
    }
    this.#adopted.delete(prefix);
    this.#nextHops.attach(prefix, route.forwarding);
    this.#marked.add(prefix);
  }

  #unset(prefix: Prefix): void {
    const entry = this.#entries.get(prefix);
    if (entry === undefined) return;
    if (entry.desired !== undefined) this.#nextHops.detach(prefix, entry.desired.forwarding);
    entry.desired = undefined;
    this.#renew(prefix, entry, "being removed");
    this.#adopted.delete(prefix);
    this.#marked.add(prefix);
  }

  /** Another demand than before: past refusals and fights say nothing about it. */
  #renew(prefix: Prefix, entry: Entry, reason: string): void {
    entry.failures = 0;
    this.#entries.setRepairs(prefix, undefined);
    this.#refused.delete(prefix);
    this.#retries.cancel(prefix);
    this.#setState(prefix, entry, "pending", reason);
  }

  #isQuiet(): boolean {
    return this.#marked.size === 0 && this.#settling.size === 0 && !this.#draining && this.#background === 0;
  }

  /** Goes through many prefixes in slices; `flush` waits for it. The first slice is done at once. */
  #inBackground(prefixes: Iterable<Prefix>, each: (prefix: Prefix) => void): void {
    this.#background++;
    void inSlices(prefixes, each).then(() => {
      this.#background--;
      this.#kick();
    });
  }

  #kick(): void {
    if (this.#phase !== "running" || this.#draining) return;
    this.#draining = true;
    void this.#drain().then(() => {
      this.#draining = false;
      // Marked after the last look, when kicking had no effect.
      if (this.#marked.size > 0) this.#kick();
      else if (this.#isQuiet()) for (const resolve of this.#flushed.splice(0)) resolve();
    });
  }

  async #drain(): Promise<void> {
    while (this.#phase === "running" && this.#marked.size > 0) {
      await setImmediate();
      const steps: Step[] = [];
      for (const prefix of this.#marked.take(batchSize)) {
        const step = this.#plan(prefix);
        if (step !== undefined) steps.push(step);
      }
      if (steps.length > 0) await this.#carryOut(steps);
      this.#report();
    }
  }

  async #carryOut(steps: readonly Step[]): Promise<void> {
    try {
      for (const outcome of await this.#writer.execute(steps)) this.#conclude(outcome);
    } catch (error) {
      this.#logger.error(
        { routes: steps.length, err: errorMessage(error) },
        "routes could not be handed to the kernel",
      );
      for (const { prefix } of steps) this.#retryLater(prefix, "pending", errorMessage(error));
    }
  }

  #report(): void {
    const changes = this.#entries.takeChanges();
    if (changes.length === 0) return;
    try {
      this.#onChange(changes);
    } catch (error) {
      this.#logger.error({ err: errorMessage(error) }, "a listener for route statuses failed");
    }
  }

  /** Plans one prefix; returns the step to the kernel if one is needed. */
  #plan(prefix: Prefix): Step | undefined {
    const entry = this.#entries.get(prefix);
    if (entry === undefined) return undefined;
    const { wanted, note } = this.#wanted(prefix, entry);
    const plan = planPrefix(wanted, this.#table.at(prefix), this.#ownership);
    const step = { prefix, plan, desired: entry.desired, note };
    if (plan.write !== undefined) return this.#mayWrite(prefix, entry, plan.write.route) ? step : undefined;
    if (plan.state === undefined) {
      this.#forget(prefix);
      return undefined;
    }
    if (plan.present === undefined) delete entry.present;
    else this.#succeeded(prefix, entry, plan.present);
    const stale = plan.state === "installed" && entry.desired?.stale === true;
    this.#setState(prefix, entry, stale ? "stale" : plan.state, `${plan.reason}${note}`);
    return plan.remove.length > 0 ? step : undefined;
  }

  #wanted(prefix: Prefix, { desired }: Entry): { readonly wanted: Wanted; readonly note: string } {
    if (desired === undefined) {
      const wanted: Wanted = this.#adopted.has(prefix)
        ? { kind: "adopted" }
        : { kind: "nothing", reason: "being removed" };
      return { wanted, note: "" };
    }
    const { forwarding } = desired;
    if (forwarding.mode === "none")
      return { wanted: { kind: "nothing", state: forwarding.state, reason: desired.reason }, note: "" };
    const resolution = this.#nextHops.resolve(forwarding);
    if (!resolution.ok)
      return { wanted: { kind: "nothing", state: "unresolved", reason: resolution.reason }, note: "" };
    const route = kernelRouteOf(desired, resolution.legs, this.#ownership.protocol);
    const note = resolution.missing === undefined ? "" : ` without one next hop: ${resolution.missing}`;
    return { wanted: { kind: "route", route }, note };
  }

  /** A write of what was there before is a repair; too many of them in a short time have to wait. */
  #mayWrite(prefix: Prefix, entry: Entry, route: KernelRoute): boolean {
    const nowMs = this.#clock.monotonicMs();
    const isRepair = entry.present !== undefined && sameRoute(entry.present, route);
    delete entry.present;
    if (isRepair) {
      const repairs = noteRepair(entry.repairs, nowMs);
      this.#entries.setRepairs(prefix, repairs);
      if (repairs.holdUntilMs > nowMs) {
        if (repairs.step === 1) this.#alarms.fight(prefix, describeFight(repairs));
        this.#setState(prefix, entry, "pending", describePause(repairs, nowMs));
        this.#retries.add(prefix, repairs.step - 1);
      }
    }
    return (entry.repairs?.holdUntilMs ?? nowMs) <= nowMs;
  }

  #conclude({ step, failure, isDisturbed }: Outcome): void {
    const { prefix } = step;
    const disturbed = this.#disturbed.delete(prefix);
    if (isDisturbed) this.#requestDump();
    if (failure !== undefined) {
      const { state, reason } = refusal(failure);
      this.#retryLater(prefix, state, reason);
      // The table missed something. An event may be on its way to tell; a dump will in any case.
      if (failure.code === "EEXIST" || failure.code === "UNKNOWN") this.#requestDump();
      else this.#refused.add(prefix);
    }
    if (failure === undefined && this.#isDone(step)) return;
    // Planned again: to see what is there now, and to delete what a write has left over.
    if (failure === undefined || disturbed) this.#marked.add(prefix);
  }

  /** The usual case: the prefix now holds just what the step was for, so that planning it again would find nothing to do. */
  #isDone({ prefix, plan: { write, remove }, desired, note }: Step): boolean {
    const entry = this.#entries.get(prefix);
    if (entry === undefined || entry.desired !== desired) return false;
    const [only, another] = this.#table.at(prefix);
    if (write === undefined) {
      if (only !== undefined || remove.length === 0 || desired !== undefined) return false;
      this.#forget(prefix);
      return true;
    }
    if (only === undefined || another !== undefined || !sameRoute(only, write.route)) return false;
    this.#succeeded(prefix, entry, only);
    this.#setState(prefix, entry, desired?.stale === true ? "stale" : "installed", `${installedReason}${note}`);
    return true;
  }

  #retryLater(prefix: Prefix, state: RouteState, reason: string): void {
    const entry = this.#entries.get(prefix);
    if (entry === undefined) return;
    this.#retries.add(prefix, entry.failures++);
    this.#setState(prefix, entry, state, reason);
  }

  #succeeded(prefix: Prefix, entry: Entry, present: KernelRoute): void {
    entry.present = present;
    if (entry.failures === 0) return;
    entry.failures = 0;
    this.#refused.delete(prefix);
    this.#retries.cancel(prefix);
  }

  #forget(prefix: Prefix): void {
    this.#entries.delete(prefix);
    this.#adopted.delete(prefix);
    this.#refused.delete(prefix);
    this.#retries.cancel(prefix);
  }

  #setState(prefix: Prefix, entry: Entry, state: RouteState, reason: string): void {
    if (state === "conflict" && entry.state !== "conflict") this.#alarms.conflict(prefix, reason);
    this.#entries.setState(prefix, state, reason);
  }
}
