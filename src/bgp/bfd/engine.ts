import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import { DeadlineQueue } from "./deadline-queue.ts";
import { type BfdControlPacket, decodeControlPacket, encodeControlPacket } from "./packet.ts";
import { BfdSession } from "./session.ts";
import type { BfdPeer, BfdReport } from "./types.ts";

/** Sends the packets of one session. */
export interface BfdSender {
  send(octets: Uint8Array): void;
  close(): void;
}

/** A datagram that has come in on one of the two ports. */
export interface BfdDatagram {
  readonly multihop: boolean;
  readonly octets: Uint8Array;
  readonly source: string;
  readonly interfaceIndex: number;
  /** TTL or hop limit as received. */
  readonly ttl: number;
}

interface BfdEngineOptions {
  readonly clock: Pick<Clock, "monotonicMs" | "wallMs">;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Throws if it can't be. */
  readonly open: (peer: BfdPeer) => BfdSender;
  readonly report: (report: BfdReport) => void;
}

interface Watched {
  peer: BfdPeer;
  readonly session: BfdSession;
  sender: BfdSender | undefined;
  problem: string | undefined;
  sinceMs: number;
}

/** RFC 5881 §5: a packet that a router has forwarded is not from the neighbour. */
const singleHopTtl = 255;

/** All sessions of a thread: who gets which packet, and who wants attention when. */
export class BfdEngine {
  readonly #options: BfdEngineOptions;
  readonly #byName = new Map<string, Watched>();
  readonly #byDiscriminator = new Map<number, Watched>();
  readonly #byOrigin = new Map<string, Watched>();
  readonly #deadlines = new DeadlineQueue<Watched>();

  constructor(options: BfdEngineOptions) {
    this.#options = options;
  }

  /** When `advance` wants to be called next, in monotonic milliseconds. */
  get deadlineMs(): number {
    return this.#deadlines.nextMs;
  }

  /** Brings the wanted sessions about: a peer that differs in its timers only keeps its session. */
  setPeers(peers: readonly BfdPeer[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    const wanted = new Map(peers.map((peer) => [peer.name, peer]));
    for (const watched of [...this.#byName.values()]) {
      const peer = wanted.get(watched.peer.name);
      if (peer === undefined || identityOf(peer) !== identityOf(watched.peer)) this.#remove(watched, nowMs);
    }
    for (const peer of peers) {
      const watched = this.#byName.get(peer.name);
      if (watched === undefined) this.#add(peer);
      else this.#setTimers(watched, peer, nowMs);
    }
  }

  /** Hands a datagram to the session that it is for; what fits nobody is dropped (RFC 5880 §6.8.6). */
  receive(datagram: BfdDatagram): void {
    if (!datagram.multihop && datagram.ttl !== singleHopTtl) return;
    const packet = decodeControlPacket(datagram.octets);
    if (typeof packet === "string") return;
    const watched = this.#find(datagram, packet);
    if (watched === undefined) return;
    watched.session.receive(packet, this.#options.clock.monotonicMs());
    this.#schedule(watched);
  }

  /** Does what is due. */
  advance(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (let due = this.#deadlines.takeDue(nowMs); due !== undefined; due = this.#deadlines.takeDue(nowMs)) {
      due.session.advance(nowMs);
      this.#schedule(due);
    }
  }

  /** Ends all sessions on purpose. */
  shutDown(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const watched of [...this.#byName.values()]) this.#remove(watched, nowMs);
  }

  #find(datagram: BfdDatagram, { yourDiscriminator }: BfdControlPacket): Watched | undefined {
    const watched =
      yourDiscriminator === 0
        ? (this.#byOrigin.get(originKey(datagram.multihop, datagram.source, datagram.interfaceIndex)) ??
          this.#byOrigin.get(originKey(datagram.multihop, datagram.source, 0)))
        : this.#byDiscriminator.get(yourDiscriminator);
    if (watched === undefined) return undefined;
    const { peer } = watched;
    // A discriminator alone can be guessed.
    return peer.multihop === datagram.multihop && peer.remoteAddress === datagram.source ? watched : undefined;
  }

  #add(peer: BfdPeer): void {
    const { clock, random } = this.#options;
    const session = new BfdSession({
      timers: peer.timers,
      localDiscriminator: this.#freeDiscriminator(),
      random,
      send: (packet) => this.#send(watched, packet),
      onChange: (was) => {
        if (session.state !== was) watched.sinceMs = clock.wallMs();
        this.#report(watched, was);
      },
    });
    const watched: Watched = { peer, session, sender: undefined, problem: undefined, sinceMs: clock.wallMs() };
    this.#byName.set(peer.name, watched);
    this.#byDiscriminator.set(session.localDiscriminator, watched);
    this.#byOrigin.set(originKey(peer.multihop, peer.remoteAddress, peer.scopeId), watched);
    this.#report(watched, "Down");
    this.#schedule(watched);
  }

  #setTimers(watched: Watched, peer: BfdPeer, nowMs: number): void {
    if (JSON.stringify(watched.peer.timers) === JSON.stringify(peer.timers)) return;
    watched.peer = peer;
    watched.session.setTimers(peer.timers, nowMs);
    this.#schedule(watched);
  }

  #remove(watched: Watched, nowMs: number): void {
    const { peer, session, sender } = watched;
    session.shutDown(nowMs);
    sender?.close();
    this.#byName.delete(peer.name);
    this.#byDiscriminator.delete(session.localDiscriminator);
    this.#byOrigin.delete(originKey(peer.multihop, peer.remoteAddress, peer.scopeId));
    this.#deadlines.delete(watched);
  }

  /** Opens the socket when there is something to send, so that an address that comes later is found. */
  #send(watched: Watched, packet: BfdControlPacket): void {
    const { problem } = watched;
    try {
      watched.sender ??= this.#options.open(watched.peer);
      watched.sender.send(encodeControlPacket(packet));
      watched.problem = undefined;
    } catch (error) {
      watched.sender?.close();
      watched.sender = undefined;
      watched.problem = errorMessage(error);
    }
    if (watched.problem !== problem) this.#report(watched, watched.session.state);
  }

  #schedule(watched: Watched): void {
    this.#deadlines.set(watched, watched.session.deadlineMs);
  }

  #report(watched: Watched, was: BfdSession["state"]): void {
    const { peer, session, sinceMs, problem } = watched;
    this.#options.report({ kind: "status", was, status: { name: peer.name, sinceMs, problem, ...session.snapshot() } });
  }

  /** RFC 5880 §6.8.1 wants them hard to guess. */
  #freeDiscriminator(): number {
    for (;;) {
      const discriminator = Math.floor(this.#options.random() * 2 ** 32);
      if (discriminator !== 0 && !this.#byDiscriminator.has(discriminator)) return discriminator;
    }
  }
}

function originKey(multihop: boolean, address: string, interfaceIndex: number): string {
  return `${multihop} ${address} ${interfaceIndex}`;
}

/** What makes a peer another one. */
function identityOf({ remoteAddress, localAddress, scopeId, multihop }: BfdPeer): string {
  return `${originKey(multihop, remoteAddress, scopeId)} ${localAddress}`;
}
