import type { Clock } from "../../core/clock.ts";
import type { TcpConnection, TcpUser } from "../../core/tcp.ts";
import { extendedMaxMessageLength } from "../packet/constants.ts";
import { decodeMessage } from "../packet/decode.ts";
import { MessageFramer } from "../packet/framer.ts";
import type { BgpMessage, CodecContext, SessionError } from "../packet/message.ts";
import { closeGently } from "./close-gently.ts";
import { describeTcpError } from "./tcp-error.ts";

/** Unsent octets above which the owner should stop sending, and below which it may go on. */
const highWaterOctets = 256 * 1024;
const lowWaterOctets = 64 * 1024;

/**
 * How much one turn of the event loop may spend on one peer before the others' timers and sockets get theirs: so many messages
 * that are decoded, of which so many octets weigh as much that need not be.
 */
const sliceMessages = 64;
const octetsPerMessage = 4096;
const sliceMs = 5;
/** How often the clock is read: an ordinary UPDATE takes some microseconds. */
const messagesPerLook = 16;

const headerTypeOffset = 18;

export interface PeerConnectionHandler {
  /** `octets` are the message's. */
  onMessage(message: BgpMessage, octets: Uint8Array): void;
  /**
   * Takes the UPDATEs that need not be decoded from `start` to `end` of octets that are good only during the call; says where the
   * first message begins that must, or that is not all there.
   */
  takeUpdates(octets: Uint8Array, start: number, end: number): number;
  /** Some were taken so since the last call; before anything else is heard. */
  onUpdatesTaken(): void;
  /** The stream is broken; nothing more will come. `messageType` is undefined if the header itself is bad. */
  onMalformed(error: SessionError, messageType: number | undefined): void;
  /** TCP is gone without our doing. At most once, and the last call. */
  onLost(kind: "tcp-closed" | "tcp-failed", text: string): void;
  /** Octets wait for the peer to read; some of them went out; none wait any more. */
  onWriteState(state: "write-blocked" | "write-progress" | "write-drained"): void;
  /** The queue is short again after it was too long. */
  onWritable(): void;
}

/**
 * A TCP connection that carries BGP messages: frames and decodes what comes in, in slices, and coalesces what goes out.
 * While messages wait to be handled the connection is paused, so that at most one chunk is buffered and TCP slows the peer down.
 */
export class PeerConnection implements TcpUser {
  /** For its options only: what goes through it is this class's business. */
  readonly tcp: TcpConnection;
  readonly #clock: Clock;
  readonly #handler: PeerConnectionHandler;
  readonly #framer = new MessageFramer();
  #context: CodecContext | undefined;
  #octetsReceived = 0;
  /** Another slice is scheduled. */
  #hasBacklog = false;
  /** How TCP ended, if it did while messages were still waiting. */
  #pendingLoss: readonly ["tcp-closed" | "tcp-failed", string] | undefined;
  /** No call to the handler any more. */
  #isOver = false;
  /** Updates were taken without being decoded that the handler has not been told of. */
  #hasTaken = false;
  #isBlocked = false;
  #isCongested = false;

  /** The connection belongs to this object from here on. */
  constructor(tcp: TcpConnection, clock: Clock, handler: PeerConnectionHandler) {
    this.tcp = tcp;
    this.#clock = clock;
    this.#handler = handler;
    tcp.use(this);
  }

  /** How to read the messages that follow, and how long they may be. */
  useContext(context: CodecContext, longestToReceive: number): void {
    this.#context = context;
    this.#framer.setMaxMessageLength(longestToReceive);
  }

  get octetsReceived(): number {
    return this.#octetsReceived;
  }

  /** True while received octets wait for their turn. */
  get hasBacklog(): boolean {
    return this.#hasBacklog;
  }

  /** True from the high-water mark until the queue is below the low one. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** Queues octets, which belong to the caller again afterwards. Those of one turn of the event loop go out together. */
  write(octets: Uint8Array): void {
    if (this.#isOver) return;
    this.tcp.write(octets);
    if (this.tcp.unsentOctets >= highWaterOctets) this.#isCongested = true;
  }

  /** Sends what is queued and `lastWords`, then closes. Resolves when the socket is gone. The handler hears nothing more. */
  close(lastWords: Uint8Array | undefined): Promise<void> {
    this.#isOver = true;
    return closeGently(this.tcp, lastWords, this.#clock);
  }

  onOctets(chunk: Uint8Array): void {
    this.#octetsReceived += chunk.length;
    this.#framer.push(chunk);
    if (!this.#hasBacklog) this.#handleSlice();
  }

  readonly #handleSlice = (): void => {
    const endMs = this.#clock.monotonicMs() + sliceMs;
    for (let count = 0, look = 0; count < sliceMessages; count++) {
      if (this.#isOver) return;
      if (count >= look) {
        if (this.#clock.monotonicMs() >= endMs) break;
        look = count + messagesPerLook;
      }
      const taken = this.#takeUpdates();
      count += Math.floor(taken / octetsPerMessage);
      if (taken > 0 || this.#handleNext()) continue;
      this.#tellTaken();
      if (!this.#isOver) this.#endBacklog();
      return;
    }
    this.#tellTaken();
    if (this.#isOver) return;
    this.#hasBacklog = true;
    this.tcp.pause();
    setImmediate(this.#handleSlice);
  };

  /** Lets the handler take messages where they lie, no more octets than one message may have; how many octets it took. */
  #takeUpdates(): number {
    const { octets, position } = this.#framer;
    if (octets === undefined || this.#context === undefined) return 0;
    const end = Math.min(octets.length, position + extendedMaxMessageLength);
    const taken = this.#handler.takeUpdates(octets, position, end) - position;
    this.#framer.skip(taken);
    if (taken > 0) this.#hasTaken = true;
    return taken;
  }

  /** Handles one message; false if there is no whole one. */
  #handleNext(): boolean {
    const isWhole = this.#framer.octets !== undefined;
    const framed = this.#framer.next();
    if (framed === undefined) return false;
    if (!framed.ok) {
      this.#breakOff(framed.error, undefined);
      return true;
    }
    const { bytes } = framed;
    const type = bytes[headerTypeOffset];
    // One that came in several chunks has not been offered yet.
    if (!isWhole && this.#context !== undefined && this.#handler.takeUpdates(bytes, 0, bytes.length) > 0) {
      this.#hasTaken = true;
      return true;
    }
    this.#tellTaken();
    if (this.#isOver) return true;
    const decoded = decodeMessage(bytes, this.#context);
    if (decoded.ok) this.#handler.onMessage(decoded.message, bytes);
    else this.#breakOff(decoded.error, type);
    return true;
  }

  #tellTaken(): void {
    if (!this.#hasTaken) return;
    this.#hasTaken = false;
    this.#handler.onUpdatesTaken();
  }

  #breakOff(error: SessionError, messageType: number | undefined): void {
    this.#isOver = true;
    this.#handler.onMalformed(error, messageType);
  }

  #endBacklog(): void {
    if (!this.#hasBacklog) return;
    this.#hasBacklog = false;
    this.tcp.resume();
    if (this.#pendingLoss !== undefined) this.#lose(...this.#pendingLoss);
  }

  /** What the peer said before it went, such as a NOTIFICATION, comes first. */
  #lose(kind: "tcp-closed" | "tcp-failed", text: string): void {
    if (this.#isOver) return;
    if (this.#hasBacklog) {
      this.#pendingLoss ??= [kind, text];
      return;
    }
    this.#isOver = true;
    this.#handler.onLost(kind, text);
  }

  onEnd(): void {
    this.#lose("tcp-closed", "the peer closed the connection");
  }

  onError(error: Error): void {
    this.#lose("tcp-failed", describeTcpError(error));
  }

  onClosed(): void {
    this.onEnd();
  }

  onUnsent(): void {
    if (this.#isOver) return;
    const waiting = this.tcp.unsentOctets;
    if (this.#isBlocked) {
      this.#isBlocked = waiting > 0;
      this.#handler.onWriteState(waiting > 0 ? "write-progress" : "write-drained");
    } else if (waiting > 0) {
      this.#isBlocked = true;
      this.#handler.onWriteState("write-blocked");
    }
    if (!this.#isOver && this.#isCongested && waiting <= lowWaterOctets) {
      this.#isCongested = false;
      this.#handler.onWritable();
    }
  }
}
