import { type BfdControlPacket, type BfdState, Diagnostic } from "./packet.ts";

/** What is asked of one session; intervals in microseconds. */
export interface BfdTimers {
  /** How often we would like to send, 1 … 2^32-1. */
  readonly desiredMinTxUs: number;
  /** How often we are able to receive. */
  readonly requiredMinRxUs: number;
  /** How many packets in a row may be missing, 1 … 255. */
  readonly detectMultiplier: number;
}

/** Why a session is as it is, for those who depend on it. */
export interface BfdSnapshot {
  readonly state: BfdState;
  /** Code of RFC 5880 §4.1: why it last left Up. */
  readonly diagnostic: number;
  readonly remoteState: BfdState;
  readonly remoteDiagnostic: number;
  /** The peer's C bit: its BFD survives the death of its control plane. */
  readonly remoteControlPlaneIndependent: boolean;
  /** Milliseconds between our packets before jitter. */
  readonly transmitIntervalMs: number;
  /** Milliseconds without a packet after which the session is down; undefined before the first packet. */
  readonly detectionTimeMs: number | undefined;
}

interface BfdSessionOptions {
  readonly timers: BfdTimers;
  /** Not 0, and of no other session of this system. */
  readonly localDiscriminator: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly send: (packet: BfdControlPacket) => void;
  /** Something in `snapshot` changed. `was` is the state before. */
  readonly onChange: (was: BfdState) => void;
}

/** RFC 5880 §6.8.3: a session that is not Up sends no faster than once a second. */
const slowTransmitUs = 1_000_000;

/**
 * One session in asynchronous mode (RFC 5880 §6.8) without a clock or a socket: `receive` and `advance` are told the time in
 * monotonic milliseconds, and `deadlineMs` is when `advance` wants to be called next. Echo and demand mode are not offered;
 * a peer in demand mode is honoured.
 */
export class BfdSession {
  readonly localDiscriminator: number;
  readonly #options: BfdSessionOptions;
  #timers: BfdTimers;
  #state: BfdState = "Down";
  #diagnostic: number = Diagnostic.none;
  #remote: BfdControlPacket | undefined;
  /** Kept until the peer confirms a change of timers (RFC 5880 §6.8.3). */
  #transmitUsInForce: number;
  #receiveUsInForce: number;
  #poll: "none" | "wanted" | "in-progress" = "none";
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #jitter = 0;
  #detectAtMs = Number.POSITIVE_INFINITY;
  #transmitAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BfdSessionOptions) {
    this.#options = options;
    this.localDiscriminator = options.localDiscriminator;
    this.#timers = options.timers;
    this.#transmitUsInForce = this.#desiredMinTxUs;
    this.#receiveUsInForce = options.timers.requiredMinRxUs;
    this.#jitter = this.#nextJitter();
  }

  get state(): BfdState {
    return this.#state;
  }

  /** The peer's discriminator; 0 if it is not known. */
  get remoteDiscriminator(): number {
    return this.#remote?.myDiscriminator ?? 0;
  }

  /** Monotonic milliseconds. */
  get deadlineMs(): number {
    return Math.min(this.#detectAtMs, this.#transmitAtMs);
  }

  snapshot(): BfdSnapshot {
    return {
      state: this.#state,
      diagnostic: this.#diagnostic,
      remoteState: this.#remote?.state ?? "Down",
      remoteDiagnostic: this.#remote?.diagnostic ?? Diagnostic.none,
      remoteControlPlaneIndependent: this.#remote?.controlPlaneIndependent ?? false,
      transmitIntervalMs: this.#transmitIntervalUs / 1000,
      detectionTimeMs: this.#detectionTimeMs,
    };
  }

  /** Other timers for a living session: announced with a poll sequence, and in force when that is safe. */
  setTimers(timers: BfdTimers, nowMs: number): void {
    const old = this.#timers;
    this.#timers = timers;
    if (this.#state !== "Up") {
      this.#transmitUsInForce = this.#desiredMinTxUs;
      this.#receiveUsInForce = timers.requiredMinRxUs;
    } else {
      // A longer interval of ours, or a demand for shorter ones, before the peer knows would look like a loss.
      this.#transmitUsInForce = Math.min(this.#transmitUsInForce, timers.desiredMinTxUs);
      this.#receiveUsInForce = Math.max(this.#receiveUsInForce, timers.requiredMinRxUs);
      if (old.desiredMinTxUs !== timers.desiredMinTxUs || old.requiredMinRxUs !== timers.requiredMinRxUs)
        this.#startPoll();
    }
    this.#schedule();
    this.#transmitNow(nowMs);
  }

  /** A packet for this session that has passed `decodeControlPacket` and the transport's checks (RFC 5880 §6.8.6). */
  receive(packet: BfdControlPacket, nowMs: number): void {
    const was = this.#state;
    if (was === "AdminDown") return;
    const before = this.snapshot();
    this.#remote = packet;
    if (packet.final) this.#pollAnswered();
    this.#detectAtMs = nowMs + (this.#detectionTimeMs ?? Number.POSITIVE_INFINITY);
    this.#follow(packet);
    this.#schedule();
    if (packet.poll) this.#send(nowMs, true);
    if (this.#state !== was) this.#transmitNow(nowMs);
    if (!snapshotsEqual(before, this.snapshot())) this.#options.onChange(was);
  }

  /** Does what is due. */
  advance(nowMs: number): void {
    if (nowMs >= this.#detectAtMs) this.#timedOut();
    if (nowMs >= this.#transmitAtMs) this.#transmitNow(nowMs);
  }

  /** Tells the peer that this session ends on purpose (RFC 5880 §6.8.16), so that it does not take it for a failure. */
  shutDown(nowMs: number): void {
    this.#state = "AdminDown";
    this.#diagnostic = Diagnostic.administrativelyDown;
    this.#poll = "none";
    this.#detectAtMs = Number.POSITIVE_INFINITY;
    this.#send(nowMs, false);
    this.#schedule();
  }

  #follow(packet: BfdControlPacket): void {
    if (packet.state === "AdminDown") {
      if (this.#state !== "Down") this.#goDown(Diagnostic.neighborSignaledDown);
    } else if (this.#state === "Down") {
      if (packet.state === "Down") this.#state = "Init";
      else if (packet.state === "Init") this.#goUp();
    } else if (this.#state === "Init") {
      if (packet.state === "Init" || packet.state === "Up") this.#goUp();
    } else if (packet.state === "Down") this.#goDown(Diagnostic.neighborSignaledDown);
  }

  #goUp(): void {
    this.#state = "Up";
    this.#diagnostic = Diagnostic.none;
    this.#transmitUsInForce = this.#desiredMinTxUs;
    // From the slow interval to the wanted one (RFC 5880 §6.8.3).
    this.#startPoll();
  }

  #goDown(diagnostic: number): void {
    this.#state = "Down";
    this.#diagnostic = diagnostic;
    this.#poll = "none";
    this.#transmitUsInForce = this.#desiredMinTxUs;
    this.#receiveUsInForce = this.#timers.requiredMinRxUs;
  }

  #timedOut(): void {
    const was = this.#state;
    this.#detectAtMs = Number.POSITIVE_INFINITY;
    const lost = this.#remote;
    if (was === "Init" || was === "Up") this.#goDown(Diagnostic.detectionTimeExpired);
    // RFC 5880 §6.8.1: who is silent may come back as somebody else. What it said last is still told to others.
    this.#remote = lost && { ...lost, myDiscriminator: 0, requiredMinRxUs: 1, demand: false };
    this.#transmitAtMs = Number.NEGATIVE_INFINITY;
    if (this.#state !== was) this.#options.onChange(was);
  }

  #startPoll(): void {
    this.#poll = this.#poll === "in-progress" ? "wanted" : "in-progress";
  }

  #pollAnswered(): void {
    if (this.#poll === "none") return;
    if (this.#poll === "wanted") {
      this.#poll = "in-progress";
      return;
    }
    this.#poll = "none";
    this.#transmitUsInForce = this.#desiredMinTxUs;
    this.#receiveUsInForce = this.#timers.requiredMinRxUs;
  }

  get #desiredMinTxUs(): number {
    const { desiredMinTxUs } = this.#timers;
    return this.#state === "Up" ? desiredMinTxUs : Math.max(desiredMinTxUs, slowTransmitUs);
  }

  get #transmitIntervalUs(): number {
    return Math.max(this.#transmitUsInForce, this.#remote?.requiredMinRxUs ?? 1);
  }

  get #detectionTimeMs(): number | undefined {
    if (this.#remote === undefined) return undefined;
    const { detectMultiplier, desiredMinTxUs } = this.#remote;
    return (detectMultiplier * Math.max(this.#receiveUsInForce, desiredMinTxUs)) / 1000;
  }

  /** True if the peer does not want to hear from us now. */
  get #isMuted(): boolean {
    const remote = this.#remote;
    if (this.#state === "AdminDown") return true;
    if (remote === undefined || this.#poll !== "none") return false;
    return remote.requiredMinRxUs === 0 || (remote.demand && this.#state === "Up" && remote.state === "Up");
  }

  #transmitNow(nowMs: number): void {
    if (!this.#isMuted) this.#send(nowMs, false);
    this.#schedule();
  }

  #schedule(): void {
    this.#transmitAtMs = this.#isMuted
      ? Number.POSITIVE_INFINITY
      : this.#lastSentMs + (this.#transmitIntervalUs / 1000) * (1 - this.#jitter);
  }

  /** RFC 5880 §6.8.7: up to a quarter early, and never late with a multiplier of 1. */
  #nextJitter(): number {
    const random = this.#options.random();
    return this.#timers.detectMultiplier === 1 ? 0.1 + 0.15 * random : 0.25 * random;
  }

  #send(nowMs: number, final: boolean): void {
    // An answer to a poll leaves the rhythm of the others alone.
    if (!final) {
      this.#lastSentMs = nowMs;
      this.#jitter = this.#nextJitter();
    }
    this.#options.send({
      diagnostic: this.#diagnostic,
      state: this.#state,
      poll: !final && this.#poll !== "none",
      final,
      controlPlaneIndependent: false,
      demand: false,
      detectMultiplier: this.#timers.detectMultiplier,
      myDiscriminator: this.localDiscriminator,
      yourDiscriminator: this.remoteDiscriminator,
      desiredMinTxUs: this.#desiredMinTxUs,
      requiredMinRxUs: this.#timers.requiredMinRxUs,
      requiredMinEchoRxUs: 0,
    });
  }
}

function snapshotsEqual(left: BfdSnapshot, right: BfdSnapshot): boolean {
  return (
    left.state === right.state &&
    left.diagnostic === right.diagnostic &&
    left.remoteState === right.remoteState &&
    left.remoteDiagnostic === right.remoteDiagnostic &&
    left.remoteControlPlaneIndependent === right.remoteControlPlaneIndependent &&
    left.transmitIntervalMs === right.transmitIntervalMs &&
    left.detectionTimeMs === right.detectionTimeMs
  );
}
