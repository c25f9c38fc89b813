import type { Clock } from "../../core/clock.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { DecisionRule, ExplainedPath, Path } from "../paths.ts";
import { stepsAfterMed, stepsBeforeMed, tieBreakers } from "../rib/decision-steps.ts";
import type { PathView } from "../rib/path-view.ts";
import type { Rib } from "../rib/rib.ts";
import type { RibViews } from "../rib/rib-views.ts";
import type { SessionDownReason, SessionState } from "../session-state.ts";
import { EventRing } from "./event-ring.ts";
import { type PastChoice, RouteRing } from "./route-ring.ts";

/** Something that happened, as it can be asked for afterwards. */
export type HistoryEvent =
  | {
      readonly kind: "session";
      /** Unix milliseconds. */
      readonly atMs: number;
      readonly peer: string;
      readonly state: SessionState;
      /** Why it is not Established any more, with the NOTIFICATION's name and text. */
      readonly reason: SessionDownReason | undefined;
    }
  | {
      /** Loop checks or a policy kept a route out, or kept it from being passed on. */
      readonly kind: "refused";
      readonly atMs: number;
      readonly direction: "import" | "export";
      readonly prefix: Prefix;
      /** The peer that the route came from; undefined for a route of our own. */
      readonly peer: string | undefined;
      readonly reason: string;
      /** Refusals since the one before that were too many to be written down. */
      readonly omitted: number;
    }
  | {
      readonly kind: "best-path";
      readonly atMs: number;
      readonly prefix: Prefix;
      /** The new choice, best first; empty: there is none any more. */
      readonly paths: readonly Path[];
      /** The path that came closest to being the best one, and the step that decided against it; absent without a rival. */
      readonly runnerUp?: ExplainedPath;
    };

export interface HistoryQuery {
  /** Routes that overlap this prefix, and no sessions. */
  readonly prefix?: Prefix;
  /** Unix milliseconds. */
  readonly sinceMs?: number;
}

/** Refusals per second that are written down; a peer that leaks a full table must not wash everything else away. */
const refusalsPerSecond = 50;

type Refusal = Extract<HistoryEvent, { readonly kind: "refused" }>;

/** The last events of a speaker, in rings of their own, so that many routes do not wash away what sessions did. */
export class History {
  readonly #clock: Clock;
  readonly #views: RibViews;
  readonly #sessions: EventRing<Extract<HistoryEvent, { readonly kind: "session" }>>;
  readonly #routes: RouteRing<Refusal>;
  #second = 0;
  #refusals = 0;
  #omitted = 0;

  /** Keeps `capacity` events of routes, more than 0, and as many of sessions. */
  constructor(clock: Clock, capacity: number, rib: Rib, views: RibViews) {
    this.#clock = clock;
    this.#views = views;
    this.#sessions = new EventRing(capacity);
    this.#routes = new RouteRing(capacity, rib, views);
  }

  session(peer: string, state: SessionState, reason: SessionDownReason | undefined): void {
    this.#sessions.add({ kind: "session", atMs: this.#clock.wallMs(), peer, state, reason });
  }

  refusedOnImport(path: PathView): void {
    if (this.#admits()) this.#refused("import", path.prefix, peerOf(path), path.refused ?? "");
  }

  /** The path of this row goes to no peer of a group. */
  refusedOnExport(row: number, reason: string): void {
    if (!this.#admits()) return;
    const path = this.#views.path(row);
    this.#refused("export", path.prefix, peerOf(path), reason);
  }

  /** A limit of routes kept an announcement out. */
  discarded(peer: string, prefix: Prefix, limit: number): void {
    if (this.#admits()) this.#refused("import", prefix, peer, `the peer has its ${limit} routes (max-prefix)`);
  }

  /** The choice for these prefixes, by their rows, changed. */
  choices(rows: Int32Array | readonly number[]): void {
    const atMs = this.#clock.wallMs();
    for (let index = 0; index < rows.length; index++) this.#routes.addChoice(rows[index] ?? 0, atMs);
  }

  /** What is still known, oldest first. */
  events({ prefix, sinceMs = 0 }: HistoryQuery): HistoryEvent[] {
    const found: HistoryEvent[] = [];
    const sessions = prefix === undefined ? this.#sessions : [];
    for (const event of [...sessions, ...this.#routes.events()]) {
      if (event.atMs < sinceMs) continue;
      if (prefix !== undefined && (event.kind === "session" || !event.prefix.overlaps(prefix))) continue;
      found.push(event.kind === "best-path" ? this.#restored(event) : event);
    }
    return found.sort((left, right) => left.atMs - right.atMs);
  }

  /** The decision is run again, on what was there then. */
  #restored({ atMs, prefix, destination }: PastChoice): HistoryEvent {
    const { selected } = destination;
    const event = { kind: "best-path", atMs, prefix, paths: selected } as const;
    const explained = this.#views.explainAgain(destination);
    // Next hops may have moved since: then the reasons of today are not those of then.
    if (explained.find(({ best }) => best)?.path !== selected[0]) return event;
    const runnerUp = explained.filter(({ best, rule }) => !best && rule !== undefined).sort(byStep)[0];
    return runnerUp === undefined ? event : { ...event, runnerUp };
  }

  /** False for refusals that are too many to be written down. */
  #admits(): boolean {
    const second = Math.floor(this.#clock.wallMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#refusals = 0;
    }
    if (++this.#refusals <= refusalsPerSecond) return true;
    this.#omitted++;
    return false;
  }

  #refused(direction: "import" | "export", prefix: Prefix, peer: string | undefined, reason: string): void {
    const atMs = this.#clock.wallMs();
    this.#routes.add({ kind: "refused", atMs, direction, prefix, peer, reason, omitted: this.#omitted });
    this.#omitted = 0;
  }
}

function peerOf({ source }: Path): string | undefined {
  return source.kind === "peer" ? source.peer : undefined;
}

/** Who lost late was close. */
const steps: readonly DecisionRule[] = [
  "next-hop",
  ...stepsBeforeMed.map(({ rule }) => rule),
  "med",
  ...[...stepsAfterMed, ...tieBreakers].map(({ rule }) => rule),
];

function byStep(left: ExplainedPath, right: ExplainedPath): number {
  const position = ({ rule }: ExplainedPath) => (rule === undefined ? -1 : steps.indexOf(rule));
  return position(right) - position(left);
}
