import { sessionStateOf } from "../../src/bgp/fsm/peer-state.ts";
import type { ConnectionEvent, FsmAction, FsmContext, FsmEvent, PeerState, Step } from "../../src/bgp/fsm/types.ts";
import type { BgpMessage } from "../../src/bgp/packet/message.ts";
import { IpAddress } from "../../src/net/address.ts";

export type Side = 0 | 1;

/** What the network, the machines and the operators do to two speakers. `newest` counts links from the newest one. */
export type Disturbance =
  | { readonly kind: "reset"; readonly newest: number }
  /** One end loses the connection; the other hears nothing of it until it sends. */
  | { readonly kind: "half-open"; readonly newest: number; readonly side: Side }
  /** Nothing arrives anywhere, and dials get no answer. */
  | { readonly kind: "silence"; readonly forMs: number }
  /** Dials to this side are refused. */
  | { readonly kind: "refuse"; readonly side: Side; readonly forMs: number }
  /** Timers that this side starts from now on, and those that run, are late: its event loop was busy. */
  | { readonly kind: "late-timers"; readonly side: Side; readonly byMs: number }
  | { readonly kind: "stop"; readonly side: Side; readonly forMs: number; readonly farewell: boolean }
  /** The process dies without a word and comes back later with nothing in mind. */
  | { readonly kind: "crash"; readonly side: Side; readonly forMs: number }
  /** Octets that are no message arrive on every connection of this side. */
  | { readonly kind: "garbage"; readonly side: Side }
  /** An UPDATE from this side. */
  | { readonly kind: "traffic"; readonly side: Side };

interface Machine {
  readonly step: (state: PeerState, event: FsmEvent, context: FsmContext) => Step;
  readonly initialPeerState: PeerState;
}

interface Link {
  readonly opener: Side;
  /** The connection's number at each end; undefined before it is known there and after it is gone. */
  readonly ends: [number | undefined, number | undefined];
  /** The end has closed or lost it; what arrives is answered with a reset. */
  readonly gone: [boolean, boolean];
  /** When the last thing sent to each end arrives: TCP keeps the order. */
  readonly arrivesMs: [number, number];
}

interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

interface RunningTimer {
  dueMs: number;
  happening: number;
}

const addresses = [IpAddress.parse("10.0.0.1"), IpAddress.parse("10.0.0.2")] as const;
const longestDelayMs = 40;

/** Two pure state machines, their timers and a network between them, in virtual time. */
export class SimulatedPair {
  readonly #machine: Machine;
  readonly #contexts: readonly [FsmContext, FsmContext];
  readonly #states: [PeerState, PeerState];
  readonly #alive: [boolean, boolean] = [true, true];
  readonly #timers: [Map<string, RunningTimer>, Map<string, RunningTimer>] = [new Map(), new Map()];
  readonly #lateByMs: [number, number] = [0, 0];
  readonly #refusesUntilMs: [number, number] = [0, 0];
  readonly #links: Link[] = [];
  readonly #log: string[] = [];
  #queue: Happening[] = [];
  #silentUntilMs = 0;
  #nowMs = 0;
  #order = 0;
  #seed: number;
  /** Sessions that one side called Established, and that ended. */
  sessions = 0;
  flaps = 0;

  constructor(contexts: readonly [FsmContext, FsmContext], machine: Machine, seed: number) {
    this.#contexts = contexts;
    this.#machine = machine;
    this.#seed = seed;
    this.#states = [machine.initialPeerState, machine.initialPeerState];
    for (const side of [0, 1] as const) this.#at(0, () => this.#feed(side, { type: "start" }));
  }

  get history(): string {
    return this.#log.slice(-120).join("\n");
  }

  schedule(atMs: number, what: Disturbance): void {
    this.#at(atMs, () => {
      this.#note(`${what.kind} ${JSON.stringify(what)}`);
      this.#disturb(what);
    });
  }

  /** Lets time pass. */
  run(forMs: number): void {
    const endMs = this.#nowMs + forMs;
    for (let next = this.#take(endMs); next !== undefined; next = this.#take(endMs)) {
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = endMs;
  }

  /** For each side the links on which it is Established. */
  establishedLinks(): readonly [number[], number[]] {
    const of = (side: Side) =>
      this.#connections(side)
        .filter(({ state }) => state.name === "established")
        .map(({ id }) => this.#linkOf(side, id));
    return [of(0), of(1)];
  }

  /** Connections besides the Established ones. */
  strayConnections(): string[] {
    return ([0, 1] as const).flatMap((side) =>
      this.#connections(side)
        .filter(({ state }) => state.name !== "established")
        .map(({ id, state }) => `${side} ${id} ${state.name}`),
    );
  }

  /** Timers that run although no connection of theirs is there, or that an Established peer has no use for. */
  strayTimers(): string[] {
    return ([0, 1] as const).flatMap((side) => {
      const known = new Set(this.#connections(side).map(({ id }) => String(id)));
      const isUp = sessionStateOf(this.#states[side]) === "Established";
      return [...this.#timers[side].keys()].filter((key) => {
        const [owner = "", name] = key.split(" ");
        return owner === "peer" ? isUp : !known.has(owner) || (isUp && (name === "delay-open" || name === "send-hold"));
      });
    });
  }

  #connections(side: Side) {
    const state = this.#states[side];
    return state.name === "active" ? state.connections : [];
  }

  #disturb(what: Disturbance): void {
    switch (what.kind) {
      case "reset": {
        const link = this.#links.at(-1 - what.newest);
        if (link !== undefined) for (const side of [0, 1] as const) this.#lose(link, side, "connection reset");
        return;
      }
      case "half-open": {
        const link = this.#links.at(-1 - what.newest);
        if (link !== undefined) this.#lose(link, what.side, "connection timed out");
        return;
      }
      case "silence":
        this.#silentUntilMs = Math.max(this.#silentUntilMs, this.#nowMs + what.forMs);
        return;
      case "refuse":
        this.#refusesUntilMs[what.side] = this.#nowMs + what.forMs;
        return;
      case "late-timers":
        this.#lateByMs[what.side] = what.byMs;
        this.#at(this.#nowMs + what.byMs, () => {
          this.#lateByMs[what.side] = 0;
        });
        return;
      case "stop":
        if (!this.#alive[what.side]) return;
        this.#feed(what.side, {
          type: "stop",
          notification: what.farewell
            ? { type: "notification", code: 6, subcode: 2, data: new Uint8Array(0) }
            : undefined,
        });
        this.#at(this.#nowMs + what.forMs, () => this.#feed(what.side, { type: "start" }));
        return;
      case "crash":
        this.#crash(what.side, what.forMs);
        return;
      case "garbage":
        for (const { id, state } of this.#connections(what.side))
          if (state.name !== "connecting") {
            const error = { code: 1, subcode: 1, data: new Uint8Array(0), reason: "no marker" };
            this.#feedConnection(what.side, id, { type: "malformed", error, messageType: undefined });
          }
        return;
      case "traffic":
        for (const { id, state } of this.#connections(what.side))
          if (state.name === "established")
            this.#send(what.side, id, { type: "update", withdrawals: [], announcements: [], problems: [] });
    }
  }

  #crash(side: Side, forMs: number): void {
    if (!this.#alive[side]) return;
    this.#alive[side] = false;
    if (sessionStateOf(this.#states[side]) === "Established") this.flaps++;
    this.#timers[side].clear();
    for (const link of this.#links)
      if (!link.gone[side]) {
        link.gone[side] = true;
        link.ends[side] = undefined;
        // The kernel closes the sockets of a dead process.
        this.#deliver(link, side === 0 ? 1 : 0, "fin");
      }
    this.#states[side] = this.#machine.initialPeerState;
    this.#at(this.#nowMs + forMs, () => {
      this.#alive[side] = true;
      this.#feed(side, { type: "start" });
    });
  }

  #feedConnection(side: Side, connection: number, event: ConnectionEvent): void {
    this.#feed(side, { type: "connection", connection, event });
  }

  #feed(side: Side, event: FsmEvent, link?: Link): void {
    if (!this.#alive[side]) return;
    const context = { ...this.#contexts[side], nowMs: this.#nowMs, random: this.#random() };
    const { state, actions } = this.#machine.step(this.#states[side], event, context);
    this.#states[side] = state;
    const what = event.type === "connection" ? `${event.connection} ${labelOf(event.event)}` : event.type;
    this.#note(`${"AB"[side]} ${what} -> ${actions.map((action) => action.type).join(" ")} (${sessionStateOf(state)})`);
    for (const action of actions) this.#perform(side, action, link);
  }

  #perform(side: Side, action: FsmAction, accepted: Link | undefined): void {
    switch (action.type) {
      case "dial":
        this.#dial(side, action.connection);
        return;
      case "adopt":
        if (accepted === undefined) throw new Error("nothing was accepted");
        accepted.ends[side] = action.connection;
        return;
      case "refuse":
        if (accepted === undefined) throw new Error("nothing was accepted");
        accepted.gone[side] = true;
        this.#deliver(accepted, side === 0 ? 1 : 0, action.notification);
        this.#deliver(accepted, side === 0 ? 1 : 0, "fin");
        return;
      case "send":
        this.#send(side, action.connection, action.message);
        return;
      case "close": {
        for (const key of this.#timers[side].keys())
          if (key.startsWith(`${action.connection} `)) this.#timers[side].delete(key);
        const link = this.#links[this.#linkOf(side, action.connection)];
        if (link === undefined)
          throw new Error(`side ${side} closes connection ${action.connection}, which it has not`);
        link.gone[side] = true;
        link.ends[side] = undefined;
        if (action.notification !== undefined) this.#deliver(link, side === 0 ? 1 : 0, action.notification);
        this.#deliver(link, side === 0 ? 1 : 0, "fin");
        return;
      }
      case "arm":
        this.#arm(side, `${action.connection} ${action.timer}`, action.delayMs, () =>
          this.#feedConnection(side, action.connection, { type: "timer-expired", timer: action.timer }),
        );
        return;
      case "cancel":
        this.#timers[side].delete(`${action.connection} ${action.timer}`);
        return;
      case "arm-peer":
        this.#arm(side, `peer ${action.timer}`, action.delayMs, () =>
          this.#feed(side, { type: "timer-expired", timer: action.timer }),
        );
        return;
      case "cancel-peer":
        this.#timers[side].delete(`peer ${action.timer}`);
        return;
      case "established":
        this.sessions++;
        return;
      case "down":
        this.flaps++;
        return;
      default:
        return;
    }
  }

  #dial(side: Side, connection: number): void {
    const other = side === 0 ? 1 : 0;
    const link: Link = { opener: side, ends: [undefined, undefined], gone: [false, false], arrivesMs: [0, 0] };
    link.ends[side] = connection;
    this.#links.push(link);
    this.#at(this.#nowMs + this.#delay(), () => {
      if (link.gone[side] || this.#nowMs < this.#silentUntilMs) return;
      if (!this.#alive[other] || this.#nowMs < this.#refusesUntilMs[other]) {
        this.#lose(link, side, "connection refused");
        return;
      }
      this.#at(this.#nowMs + this.#delay(), () => {
        if (link.gone[side]) return;
        this.#feedConnection(side, connection, { type: "connected", localAddress: addresses[side] });
      });
      if (!link.gone[other]) this.#feed(other, { type: "accepted", localAddress: addresses[other] }, link);
    });
  }

  #send(side: Side, connection: number, message: BgpMessage): void {
    const link = this.#links[this.#linkOf(side, connection)];
    if (link === undefined) throw new Error(`side ${side} sends on connection ${connection}, which it has not`);
    this.#deliver(link, side === 0 ? 1 : 0, message);
  }

  /** Puts something on its way; TCP sends again what a silent network has swallowed, for as long as both ends live. */
  #deliver(link: Link, to: Side, item: BgpMessage | "fin"): void {
    const from = to === 0 ? 1 : 0;
    const sentMs = Math.max(this.#nowMs, this.#silentUntilMs);
    const atMs = Math.max(sentMs + this.#delay(), link.arrivesMs[to] + 0.001);
    link.arrivesMs[to] = atMs;
    this.#at(atMs, () => {
      if (this.#nowMs < this.#silentUntilMs) {
        this.#deliver(link, to, item);
        return;
      }
      const end = link.ends[to];
      if (link.gone[to] || end === undefined) {
        // Nobody is there any more: a reset comes back.
        if (item !== "fin" && !link.gone[from])
          this.#at(this.#nowMs + this.#delay(), () => this.#lose(link, from, "reset"));
        return;
      }
      // The dialler reads only what comes after it knows that it is connected.
      if (this.#connections(to).some(({ id, state }) => id === end && state.name === "connecting")) {
        this.#deliver(link, to, item);
        return;
      }
      if (item === "fin") this.#lose(link, to, "closed", "tcp-closed");
      else this.#feedConnection(to, end, { type: "message", message: item });
    });
  }

  #lose(link: Link, side: Side, text: string, kind: "tcp-closed" | "tcp-failed" = "tcp-failed"): void {
    const end = link.ends[side];
    if (link.gone[side] || end === undefined) return;
    this.#feedConnection(side, end, { type: "lost", kind, text });
    link.gone[side] = true;
    link.ends[side] = undefined;
  }

  #linkOf(side: Side, connection: number): number {
    return this.#links.findIndex((link) => link.ends[side] === connection);
  }

  #arm(side: Side, key: string, delayMs: number, fire: () => void): void {
    const timer: RunningTimer = { dueMs: this.#nowMs + delayMs, happening: ++this.#order };
    this.#timers[side].set(key, timer);
    const look = () => {
      if (this.#timers[side].get(key) !== timer) return;
      if (this.#lateByMs[side] > 0) {
        this.#at(this.#nowMs + this.#lateByMs[side], look);
        return;
      }
      this.#timers[side].delete(key);
      fire();
    };
    this.#at(timer.dueMs, look);
  }

  #at(atMs: number, run: () => void): void {
    this.#queue.push({ atMs: Math.max(atMs, this.#nowMs), order: ++this.#order, run });
  }

  #take(endMs: number): Happening | undefined {
    let first: Happening | undefined;
    for (const item of this.#queue)
      if (first === undefined || item.atMs < first.atMs || (item.atMs === first.atMs && item.order < first.order))
        first = item;
    if (first === undefined || first.atMs > endMs) return undefined;
    this.#queue = this.#queue.filter((item) => item !== first);
    return first;
  }

  #delay(): number {
    return 1 + this.#random() * longestDelayMs;
  }

  /** Uniform in [0, 1), the same for the same seed. */
  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) >>> 0;
    return (this.#seed >>> 8) / 2 ** 24;
  }

  #note(text: string): void {
    this.#log.push(`${Math.round(this.#nowMs)} ${text}`);
  }
}

function labelOf(event: ConnectionEvent): string {
  if (event.type === "message") return event.message.type;
  return event.type === "timer-expired" ? event.timer : event.type;
}
