import type { LocRibChange } from "../../src/bgp/paths.ts";
import { SpeakerCore } from "../../src/bgp/speaker-core.ts";
import type { SpeakerOptions } from "../../src/bgp/speaker-options.ts";
import type { Clock, Timer } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { RowWitness } from "./loc-rib.ts";
import { ScriptedSession } from "./scripted-session.ts";

/** Time that only moves when told to. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly fire: () => void }>();

  monotonicMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#now;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { at: this.#now + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Lets time pass and fires what is due, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((left, right) => left.at - right.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fire();
    }
    this.#now = end;
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }
}

/** A speaker whose sessions, turns and time are in the test's hands. */
export class ScriptedSpeaker {
  readonly clock = new ManualClock();
  readonly sessions = new Map<string, ScriptedSession>();
  readonly changes: LocRibChange[] = [];
  readonly core: SpeakerCore;
  convergences = 0;
  readonly #rows = new RowWitness();
  #turns: (() => void)[] = [];

  constructor(options: SpeakerOptions = {}, prefixesPerTurn = 1000, spacingMs = 0) {
    this.core = new SpeakerCore(
      {
        routerId: 0x0a000064,
        listen: { addresses: [], port: 179 },
        clock: this.clock,
        logger: silentLogger,
        defer: (turn) => this.#turns.push(turn),
        prefixesPerTurn,
        spacingMs,
        options,
        listener: {
          onLocRibChanges: (changes) => this.changes.push(...changes),
          onLocRibRows: (rows, table) => this.#rows.see(rows, table),
          onPeerStateChange: () => {},
          onInitialConvergence: () => {
            this.convergences++;
          },
        },
      },
      {
        listen: async () => {},
        refusal: () => undefined,
        setKeys: () => {},
        setRanges: () => {},
        close: () => {},
        createSession: (config, listener, restartState) => {
          const session = new ScriptedSession(config, listener, restartState);
          this.sessions.set(config.name, session);
          return session;
        },
      },
    );
  }

  session(name: string): ScriptedSession {
    const session = this.sessions.get(name);
    if (session === undefined) throw new Error(`no session ${name}`);
    return session;
  }

  /** Runs one turn; false if there was nothing to do. */
  turn(): boolean {
    const turn = this.#turns.shift();
    turn?.();
    return turn !== undefined;
  }

  /** Runs turns until there is nothing more to do; how many there were. */
  settle(): number {
    let turns = 0;
    for (; this.turn(); turns++) if (turns > 10_000) throw new Error("the speaker never comes to rest");
    return turns;
  }

  /** As `settle`, with what waits for a while. */
  settleLater(): void {
    for (let rounds = 0; this.settle() > 0 || rounds === 0; rounds++) this.clock.advance(200);
  }
}
