import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Netlink, NetlinkEventGroup } from "../../netlink/types.ts";
import { retryDelayMs } from "../delay-queue.ts";
import { noteRepair, type RepairRecord } from "../repairs.ts";
import { applySteps } from "./apply-steps.ts";
import { TunnelError } from "./errors.ts";
import { Pacemaker } from "./pacemaker.ts";
import type { DeviceKind, DeviceState } from "./types.ts";

/** Device and kernel are compared this often in any case, ± a tenth. */
const periodMs = 60_000;
/** A kernel does not get a new module every second. */
const slowRetryMs = 60_000;
/** Looks and changes of one run: a device is made, then furnished, and what that has upset is put right. */
const maxRounds = 6;

interface DeviceKeeperOptions<Wish, Seen> {
  readonly netlink: Netlink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the device. */
  readonly name: string;
  readonly kind: DeviceKind<Wish, Seen>;
  readonly groups: readonly NetlinkEventGroup[];
  /** How long a device that nobody wishes for any more is kept, in milliseconds. */
  readonly graceMs: number;
  /** 0 ≤ x < 1, for the jitter of the periodic comparison. */
  readonly random: () => number;
  /** `state` gives another answer now, or what `observe` of the kind looks at has changed. */
  readonly onChange: () => void;
  /** Called with what was seen at the end of each run; true if users of the device should know of a change. */
  readonly observe?: (seen: Seen) => boolean;
}

/**
 * Keeps one tunnel device as it is wished, level-triggered: look, list the differences, remove them, look again, until
 * there are none; again on kernel events, after failures, and from time to time. What others change is put right at once,
 * unless they insist: then after growing pauses.
 */
export class DeviceKeeper<Wish, Seen> {
  readonly #options: DeviceKeeperOptions<Wish, Seen>;
  readonly #pacemaker: Pacemaker;
  #wish: Wish | undefined;
  /** What was wished before; undefined also when its traces have been removed. */
  #last: Wish | undefined;
  /** Monotonic time at which to remove the device; undefined: it is wished for, or nothing is left to be removed. */
  #removalDueMs: number | undefined;
  #state: DeviceState;
  /** The device was as wished when last seen, and the wish is still the same. */
  #settled = false;
  #failures = 0;
  #repairs: RepairRecord | undefined;
  /** What was logged last, so that a retry is not news. */
  #problem = "";
  #unsubscribe: (() => void) | undefined;
  #stopped = false;

  constructor(options: DeviceKeeperOptions<Wish, Seen>) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, () => this.#run());
    this.#state = { ready: false, code: "TUNNEL_NOT_WANTED", reason: `nothing needs ${options.name}` };
  }

  get wish(): Wish | undefined {
    return this.#wish;
  }

  /** Saying the same again changes nothing, so that a caller may say it whenever it looks. */
  set(wish: Wish | undefined): void {
    const { name, clock, graceMs } = this.#options;
    if (wish !== undefined && isDeepStrictEqual(wish, this.#wish)) return;
    if (wish === undefined) {
      if (this.#wish === undefined && this.#removalDueMs !== undefined) return;
      this.#removalDueMs = clock.monotonicMs() + graceMs;
      this.#wish = undefined;
      this.#become({ ready: false, code: "TUNNEL_NOT_WANTED", reason: `nothing needs ${name}` });
    } else {
      if (this.#wish === undefined)
        this.#become({ ready: false, code: "TUNNEL_PENDING", reason: `${name} is being set up` });
      this.#removalDueMs = undefined;
      this.#last = wish;
      this.#wish = wish;
    }
    this.demandChanged();
  }

  /** Another demand than before: past failures and fights say nothing about it. */
  demandChanged(): void {
    this.#settled = false;
    this.#failures = 0;
    this.#repairs = undefined;
    this.#pacemaker.request();
  }

  state(): DeviceState {
    return this.#state;
  }

  /** The device stays as it is. */
  stop(): void {
    this.#stopped = true;
    this.#pacemaker.stop();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  async #run(): Promise<number | undefined> {
    const wish = this.#wish;
    try {
      await this.#listen();
      return wish === undefined ? await this.#remove() : await this.#pursue(wish);
    } catch (error) {
      return await this.#fail(wish, asTunnelError(error, this.#options.name));
    }
  }

  async #listen(): Promise<void> {
    if (this.#unsubscribe !== undefined || this.#stopped) return;
    const { netlink, groups, kind } = this.#options;
    const unsubscribe = await netlink.subscribe(groups, (events) => {
      if (events.some((event) => event.type === "overrun" || kind.concerns(event))) this.#pacemaker.request();
    });
    if (this.#stopped) unsubscribe();
    else this.#unsubscribe = unsubscribe;
  }

  async #pursue(wish: Wish): Promise<number | undefined> {
    const { kind, name, netlink, clock, random } = this.#options;
    let left = "";
    for (let round = 0; round < maxRounds; round++) {
      const seen = await kind.look(wish);
      // A newer wish has asked for a run of its own.
      if (this.#stopped || this.#wish !== wish) return undefined;
      const steps = kind.plan(wish, seen);
      if (steps.length === 0) {
        this.#settled = true;
        this.#failures = 0;
        this.#problem = "";
        this.#conclude(wish, seen, undefined);
        return periodMs * (0.9 + 0.2 * random());
      }
      if (round === 0 && !this.#mayApply()) {
        this.#conclude(wish, seen, this.#contested());
        return Math.max(0, (this.#repairs?.holdUntilMs ?? 0) - clock.monotonicMs());
      }
      left = steps.map((step) => ("request" in step ? step.request.op : step.what)).join(", ");
      await applySteps({ netlink, kind, name }, steps);
    }
    throw new TunnelError("NOT_SETTLED", `${name} does not keep what it is given; still left: ${left}`, { left });
  }

  /** A change of what was right before is a repair; too many of them in a short time have to wait. */
  #mayApply(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#settled) this.#repairs = noteRepair(this.#repairs, nowMs);
    this.#settled = false;
    return (this.#repairs?.holdUntilMs ?? nowMs) <= nowMs;
  }

  #contested(): TunnelError {
    const times = this.#repairs?.count ?? 0;
    return new TunnelError(
      "TUNNEL_CONTESTED",
      `another program changes ${this.#options.name} again and again (${times} times lately); it is put right after a pause`,
      { times },
    );
  }

  async #remove(): Promise<number | undefined> {
    if (this.#removalDueMs === undefined) return undefined;
    const { kind, name, netlink, clock, logger } = this.#options;
    const leftMs = this.#removalDueMs - clock.monotonicMs();
    if (leftMs > 0) return leftMs;
    const steps = kind.planRemoval(this.#last, await kind.look(undefined));
    if (this.#stopped || this.#wish !== undefined) return undefined;
    if (steps.length > 0) {
      await applySteps({ netlink, kind, name }, steps);
      logger.info({ device: name }, "tunnel is no longer needed and has been taken down");
    }
    this.#removalDueMs = undefined;
    this.#last = undefined;
    return undefined;
  }

  async #fail(wish: Wish | undefined, problem: TunnelError): Promise<number> {
    this.#settled = false;
    const seen = await this.#options.kind.look(wish).catch(() => undefined);
    if (!this.#stopped && this.#wish === wish) this.#conclude(wish, seen, problem);
    if (problem.code.startsWith("KERNEL_LACKS")) return slowRetryMs;
    return retryDelayMs(this.#failures++);
  }

  #conclude(wish: Wish | undefined, seen: Seen | undefined, problem: TunnelError | undefined): void {
    const { name, logger, kind, observe, onChange } = this.#options;
    if (problem !== undefined && problem.message !== this.#problem) {
      this.#problem = problem.message;
      logger.warn({ device: name, code: problem.code, ...problem.details }, problem.message);
    }
    const observed = seen !== undefined && observe?.(seen) === true;
    let told = false;
    // Nothing is known of a device that could not be looked at: it may well go on working.
    if (wish !== undefined && (seen !== undefined || !this.#state.ready)) {
      const mtu = seen === undefined ? undefined : kind.usableMtu(wish, seen);
      const code = problem?.code ?? "TUNNEL_PENDING";
      const reason = problem?.message ?? `${name} is being set up`;
      told = this.#become(mtu === undefined ? { ready: false, code, reason } : { ready: true, device: name, mtu });
    }
    if (observed && !told) onChange();
  }

  /** True if that was news, which has been told. */
  #become(state: DeviceState): boolean {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return false;
    this.#state = state;
    this.#options.onChange();
    return true;
  }
}

function asTunnelError(error: unknown, device: string): TunnelError {
  if (error instanceof TunnelError) return error;
  const message = `the kernel cannot be asked about ${device}: ${errorMessage(error)}`;
  return new TunnelError("KERNEL_UNREACHABLE", message, { device }, error);
}
