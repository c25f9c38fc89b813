import type { IpAddress } from "../net/address.ts";
import { headerLength, MessageType } from "./packet/constants.ts";
import type { CodecContext } from "./packet/message.ts";
import type { LocRibChange, ReceivedRoute } from "./paths.ts";
import type { SessionDownReason } from "./session-state.ts";
import type { BgpTap } from "./tap.ts";
import type { BgpSpeaker, BgpSpeakerListener, PeerConfig } from "./types.ts";

/** An Established session as monitoring protocols describe it. */
export interface MonitoredSession {
  readonly peer: PeerConfig;
  readonly remoteIdentifier: number;
  readonly localAddress: IpAddress;
  /** How the peer's UPDATEs are to be read. */
  readonly context: CodecContext;
  /** The OPENs of both sides as whole messages. */
  readonly sentOpen: Uint8Array;
  readonly receivedOpen: Uint8Array;
}

/** Why a session is over, with the NOTIFICATION that was sent or received as a whole message. */
export interface MonitoredEnd {
  readonly session: MonitoredSession;
  readonly reason: SessionDownReason | undefined;
  readonly notification: Uint8Array | undefined;
}

/** What those hear who watch a speaker. Calls must return soon; the octets of UPDATEs are good only during the call. */
export interface MonitorObserver {
  sessionUp(session: MonitoredSession): void;
  sessionDown(end: MonitoredEnd): void;
  /** A whole UPDATE that came from the peer. */
  received(session: MonitoredSession, update: Uint8Array): void;
  /** A whole UPDATE that goes to the peer. */
  sent(session: MonitoredSession, update: Uint8Array): void;
  locRib(changes: readonly LocRibChange[]): void;
}

/** What of a speaker can be looked at by those who come later. */
export interface MonitorSource {
  sessions(): Iterable<MonitoredSession>;
  /** The Adj-RIB-In of a peer before policy. */
  adjRibIn(peer: string): Iterable<ReceivedRoute>;
  /** How many routes the Adj-RIB-In of a peer has. */
  routesReceived(peer: string): number;
  adjRibOut(peer: string): Iterable<ReceivedRoute>;
  locRib(): Iterable<LocRibChange>;
}

interface Traces {
  sentOpen: Uint8Array;
  receivedOpen: Uint8Array;
  notification: Uint8Array | undefined;
}

const firstSweepSize = 1024;

const noOctets = new Uint8Array(0);

/**
 * Puts together what the speaker's listener and its tap see of each session, for any number of observers. Without observers it
 * costs the copies of the OPENs.
 */
export class BgpMonitor implements BgpTap, MonitorSource {
  readonly #speaker: () => BgpSpeaker;
  readonly #observers = new Set<MonitorObserver>();
  readonly #traces = new Map<string, Traces>();
  readonly #sessions = new Map<string, MonitoredSession>();
  /** How many traces there may be before those of gone peers are looked for. */
  #sweepAt = firstSweepSize;

  constructor(speaker: () => BgpSpeaker) {
    this.#speaker = speaker;
  }

  /** Lets an observer hear what comes from now on. Returns the end of it. */
  observe(observer: MonitorObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** The speaker's listener that also tells us. */
  listening(next: BgpSpeakerListener): BgpSpeakerListener {
    return {
      ...next,
      onLocRibRows: (rows, table) => {
        next.onLocRibRows?.(rows, table);
        if (this.#observers.size === 0) return;
        const changes = Array.from(rows, (row) => table.changeOf(row));
        for (const observer of this.#observers) observer.locRib(changes);
      },
      onPeerStateChange: (peer, state, reason) => {
        if (state === "Established") this.#up(peer);
        else this.#down(peer, reason);
        next.onPeerStateChange(peer, state, reason);
      },
    };
  }

  sessions(): Iterable<MonitoredSession> {
    return [...this.#sessions.values()];
  }

  received(peer: string, octets: Uint8Array): void {
    this.#note(peer, octets, "received");
  }

  sent(peer: string, octets: Uint8Array): void {
    for (let at = 0; at + headerLength <= octets.length; ) {
      const length = ((octets[at + 16] ?? 0) << 8) | (octets[at + 17] ?? 0);
      this.#note(peer, octets.subarray(at, at + length), "sent");
      at += Math.max(length, headerLength);
    }
  }

  adjRibIn(peer: string): ReturnType<MonitorSource["adjRibIn"]> {
    return this.#speaker().adjRibIn(peer);
  }

  routesReceived(peer: string): number {
    return this.#speaker().peer(peer)?.received ?? 0;
  }

  adjRibOut(peer: string): Iterable<ReceivedRoute> {
    return this.#speaker().advertised(peer);
  }

  locRib(): Iterable<LocRibChange> {
    return this.#speaker().locRib();
  }

  #note(peer: string, message: Uint8Array, direction: "received" | "sent"): void {
    switch (message[18]) {
      case MessageType.open:
        this.#traceOf(peer)[direction === "sent" ? "sentOpen" : "receivedOpen"] = message.slice();
        return;
      case MessageType.notification:
        this.#traceOf(peer).notification = message.slice();
        return;
      case MessageType.update: {
        const session = this.#observers.size === 0 ? undefined : this.#sessions.get(peer);
        if (session === undefined) return;
        for (const observer of this.#observers) observer[direction](session, message);
      }
    }
  }

  #traceOf(peer: string): Traces {
    let traces = this.#traces.get(peer);
    if (traces === undefined) {
      if (this.#traces.size >= this.#sweepAt) this.#sweep();
      traces = { sentOpen: noOctets, receivedOpen: noOctets, notification: undefined };
      this.#traces.set(peer, traces);
    }
    return traces;
  }

  /** Forgets peers that are no more. */
  #sweep(): void {
    for (const name of this.#traces.keys()) if (this.#speaker().peer(name) === undefined) this.#traces.delete(name);
    this.#sweepAt = Math.max(firstSweepSize, 2 * this.#traces.size);
  }

  #up(name: string): void {
    const status = this.#speaker().peer(name);
    if (status?.negotiated === undefined) return;
    const traces = this.#traceOf(name);
    traces.notification = undefined;
    const { negotiated, config } = status;
    const session: MonitoredSession = {
      peer: config,
      remoteIdentifier: negotiated.remoteIdentifier,
      localAddress: negotiated.localAddress,
      context: negotiated,
      sentOpen: traces.sentOpen,
      receivedOpen: traces.receivedOpen,
    };
    this.#sessions.set(name, session);
    for (const observer of this.#observers) observer.sessionUp(session);
  }

  #down(name: string, reason: SessionDownReason | undefined): void {
    const session = this.#sessions.get(name);
    if (session === undefined) return;
    this.#sessions.delete(name);
    const notification = this.#traces.get(name)?.notification;
    for (const observer of this.#observers) observer.sessionDown({ session, reason, notification });
  }
}
