import type { GracefulRestartState } from "../../src/bgp/fsm/offer.ts";
import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import { decodeMessage } from "../../src/bgp/packet/decode.ts";
import { BgpPacketError } from "../../src/bgp/packet/errors.ts";
import type { Family } from "../../src/bgp/packet/family.ts";
import { MessageFramer } from "../../src/bgp/packet/framer.ts";
import type { NextHop, Nlri, NotificationMessage, UpdateMessage } from "../../src/bgp/packet/message.ts";
import { encodeUpdates } from "../../src/bgp/packet/update-encode.ts";
import type { Session } from "../../src/bgp/peer-environment.ts";
import { SpeakerCore } from "../../src/bgp/speaker-core.ts";
import type { SpeakerOptions } from "../../src/bgp/speaker-options.ts";
import type {
  LocRibChange,
  NegotiatedSession,
  PeerConfig,
  SessionDownReason,
  SessionListener,
  SessionStatus,
} from "../../src/bgp/types.ts";
import type { Clock, Timer } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { prefixOf, sessionOf } from "./bgp.ts";

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

/** A session without sockets: the test says what the peer does, and reads what the peer has been told. */
export class ScriptedSession implements Session {
  readonly config: PeerConfig;
  readonly listener: SessionListener;
  readonly restartState: () => GracefulRestartState;
  /** What the peer knows of us: prefix, with its path identifier if it has one, to attributes and next hop. */
  readonly table = new Map<string, { readonly attributes: PathAttributes; readonly nextHop: NextHop }>();
  readonly log: string[] = [];
  /** Families that we have asked for again. */
  readonly asked: Family[] = [];
  /** Octets beyond which the socket asks to stop. */
  capacity = Number.POSITIVE_INFINITY;
  sentOctets = 0;
  stopped: string | undefined;
  /** The NOTIFICATION that it was stopped with. */
  farewell: Omit<NotificationMessage, "type"> | undefined;
  starts = 0;
  #negotiated: NegotiatedSession | undefined;
  #unrefreshed: Set<string> | undefined;
  #isInOctets = false;
  #framer = new MessageFramer();

  constructor(config: PeerConfig, listener: SessionListener, restartState: () => GracefulRestartState) {
    this.config = config;
    this.listener = listener;
    this.restartState = restartState;
  }

  start(): void {
    this.starts++;
  }

  async stop(mode: Parameters<Session["stop"]>[0]): Promise<void> {
    this.farewell = mode === "restart" ? undefined : mode;
    this.stopped = mode === "restart" ? mode : `${mode.code}/${mode.subcode}`;
    this.#negotiated = undefined;
  }

  accept(): void {}

  reconfigure(): void {}

  unreachable(): void {
    this.down("bfd-down");
  }

  get established(): boolean {
    return this.#negotiated !== undefined;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#negotiated === undefined) return false;
    this.sentOctets += bytes.length;
    this.#framer.push(bytes);
    for (let message = this.#framer.next(); message !== undefined; message = this.#framer.next()) {
      if (!message.ok) throw new Error(message.error.reason);
      const result = decodeMessage(message.bytes, this.#peersView(this.#negotiated));
      if (!result.ok) throw new Error(result.error.reason);
      if (result.message.type === "update") this.#learn(result.message);
      if (result.message.type === "route-refresh") this.#onRefresh(result.message.subtype);
    }
    return this.sentOctets <= this.capacity;
  }

  sendRouteRefresh(family: Family): boolean {
    this.asked.push(family);
    return true;
  }

  status(): SessionStatus {
    return {
      state: this.#negotiated === undefined ? "Idle" : "Established",
      sinceMs: 0,
      counters: {
        messagesReceived: 0,
        messagesSent: 0,
        updatesReceived: 0,
        updatesSent: 0,
        notificationsReceived: 0,
        notificationsSent: 0,
        connectAttempts: 0,
        established: 0,
      },
    };
  }

  up(others: Partial<NegotiatedSession> = {}): void {
    const { addPath = {}, families } = this.config;
    const sends = families.filter((family) => addPath[family]?.send !== undefined);
    this.#negotiated = sessionOf(this.config, { addPathSend: sends, ...others });
    this.#framer = new MessageFramer();
    this.table.clear();
    this.#unrefreshed = undefined;
    this.log.length = 0;
    this.sentOctets = 0;
    this.listener.onEstablished(this.#negotiated);
  }

  down(kind: SessionDownReason["kind"] = "tcp-closed", notification?: { code: number; subcode: number }): void {
    this.#negotiated = undefined;
    this.listener.onDown({ kind, text: kind, ...(notification === undefined ? {} : { notification }) });
  }

  /** The socket has been emptied. */
  drain(capacity = Number.POSITIVE_INFINITY): void {
    this.sentOctets = 0;
    this.capacity = capacity;
    this.listener.onWritable();
  }

  announce(
    prefix: string,
    attributes: PathAttributes,
    nextHop: NextHop = { address: this.config.address },
    pathId = 0,
    family: Family = "ipv4-unicast",
  ): void {
    const nlri = [{ prefix: prefixOf(prefix), pathId }];
    const announcements = [{ family, nextHop, nlri }] as const;
    this.#say({ type: "update", withdrawals: [], announcements, attributes, problems: [] });
  }

  withdraw(prefix: string, pathId = 0): void {
    const withdrawals = [{ family: "ipv4-unicast", nlri: [{ prefix: prefixOf(prefix), pathId }] }] as const;
    this.#say({ type: "update", withdrawals, announcements: [], problems: [] });
  }

  /** Every other UPDATE in octets, if the listener takes it so. */
  #say(update: UpdateMessage): void {
    this.#isInOctets = !this.#isInOctets;
    if (!this.#isInOctets || !this.#saysInOctets(update)) this.listener.onUpdate(update);
  }

  #saysInOctets(update: UpdateMessage): boolean {
    const routes = [...update.withdrawals, ...update.announcements].flatMap(({ nlri }) => nlri);
    if (this.#negotiated === undefined || routes.some(({ pathId }) => pathId !== 0)) return false;
    try {
      const [octets] = encodeUpdates(update, this.#peersView(this.#negotiated));
      return octets !== undefined && (this.listener.takeUpdates?.(octets, 0, octets.length) ?? 0) > 0;
    } catch (error) {
      // Tests also say what no peer can.
      if (error instanceof BgpPacketError) return false;
      throw error;
    }
  }

  /** 0 request, 1 beginning, 2 end of a refresh of IPv4. */
  routeRefresh(subtype: number): void {
    this.listener.onRouteRefresh({ type: "route-refresh", afi: 1, safi: 1, subtype });
  }

  endOfRib(): void {
    this.listener.onUpdate({
      type: "update",
      withdrawals: [],
      announcements: [],
      endOfRib: "ipv4-unicast",
      problems: [],
    });
  }

  /** What we send the peer receives. */
  #peersView(session: NegotiatedSession): NegotiatedSession {
    return { ...session, addPathReceive: session.addPathSend, addPathSend: session.addPathReceive };
  }

  /** RFC 7313 §4, as strict as it may be: what is not announced between beginning and end is forgotten. */
  #onRefresh(subtype: number): void {
    this.log.push(["request", "BoRR", "EoRR"][subtype] ?? "?");
    if (subtype === 1) {
      if (!this.log.includes("EoR") && this.#negotiated?.gracefulRestart !== undefined)
        throw new Error("a refresh begins before the End-of-RIB");
      this.#unrefreshed = new Set(this.table.keys());
    } else if (subtype === 2) {
      if (this.#unrefreshed === undefined) throw new Error("a refresh ends that has not begun");
      for (const key of this.#unrefreshed) this.table.delete(key);
      this.#unrefreshed = undefined;
    }
  }

  #learn(update: UpdateMessage): void {
    if (update.problems.length > 0) throw new Error(JSON.stringify(update.problems));
    for (const { nlri } of update.withdrawals)
      for (const route of nlri) {
        this.table.delete(keyOf(route));
        this.log.push(`- ${keyOf(route)}`);
      }
    for (const { nextHop, nlri } of update.announcements)
      for (const route of nlri) {
        this.#unrefreshed?.delete(keyOf(route));
        if (update.attributes !== undefined) this.table.set(keyOf(route), { attributes: update.attributes, nextHop });
        this.log.push(`+ ${keyOf(route)}`);
      }
    if (update.endOfRib !== undefined) this.log.push("EoR");
  }
}

function keyOf({ prefix, pathId }: Nlri): string {
  return pathId === 0 ? `${prefix}` : `${prefix} path ${pathId}`;
}

/** A speaker whose sessions, turns and time are in the test's hands. */
export class ScriptedSpeaker {
  readonly clock = new ManualClock();
  readonly sessions = new Map<string, ScriptedSession>();
  readonly changes: LocRibChange[] = [];
  readonly core: SpeakerCore;
  convergences = 0;
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

  /** Runs turns until there is nothing more to do. */
  settle(): void {
    for (let turns = 0; this.turn(); turns++) if (turns > 10_000) throw new Error("the speaker never comes to rest");
  }
}
