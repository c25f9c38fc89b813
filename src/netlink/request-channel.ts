import { receiveDatagram, SyscallError, sendBytes } from "../sys/libc.ts";
import { messageFlag, messageType } from "./codec/constants.ts";
import { decodeAnswer, decodeDone, type ReceivedMessage, readMessages } from "./codec/message.ts";
import { malformed } from "./codec/reader.ts";
import type { BatchOutcome, QueryOutcome, Refusal } from "./worker-messages.ts";

/** The kernel fills at most 32 KiB per datagram of a dump; single objects with many attributes may be larger. */
const RECEIVE_BYTES = 262_144;
/** Datagrams of a dump between two looks at the monitor socket, whose buffer fills meanwhile. */
const CHUNKS_PER_PAUSE = 8;

const EAGAIN = 11;
const ENOMEM = 12;
const EMSGSIZE = 90;
const ENOBUFS = 105;
/** Of these send(2) may die without anything being wrong with the socket. */
const NO_ROOM: readonly number[] = [EAGAIN, ENOMEM, EMSGSIZE, ENOBUFS];

/**
 * The request socket as the worker uses it: one exchange at a time. The kernel deals with a send before send(2) returns,
 * and answers in order; so an exchange is over when the socket is empty and nothing is left over for the next one.
 */
export class RequestChannel {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);

  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Sends requests of which the last one asks for an acknowledgement. A request that fails is always answered, with its
   * sequence number; so those that nothing is heard of have succeeded once the last one is answered. Throws SyscallError
   * if the socket is unusable and `MALFORMED_MESSAGE`.
   */
  exchange(bytes: Uint8Array, lastSequence: number): BatchOutcome {
    const errno = this.#send(bytes);
    if (errno !== undefined) return { kind: "not-sent", errno };
    const refusals: Refusal[] = [];
    let isLastAnswered = false;
    let isOverrun = false;
    for (let datagram = this.#receive(); datagram !== "empty"; datagram = this.#receive()) {
      if (datagram === "overrun") {
        isOverrun = true;
        continue;
      }
      for (const message of readMessages(datagram)) {
        if (message.type !== messageType.error) continue;
        const answer = decodeAnswer(message);
        if (answer.errno !== 0) refusals.push({ ...answer, sequence: message.sequence });
        if (message.sequence === lastSequence) isLastAnswered = true;
      }
    }
    return { kind: "answered", refusals, isComplete: isLastAnswered && !isOverrun };
  }

  /**
   * Sends one request and collects what it brings until the kernel says that this was all. `pause` is called now and
   * then during long answers. Throws as `exchange` does.
   */
  query(bytes: Uint8Array, sequence: number, pause: () => void): QueryOutcome {
    const errno = this.#send(bytes);
    if (errno !== undefined) return { kind: "refused", answer: { errno } };
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let end: QueryOutcome | undefined;
    let isInconsistent = false;
    for (let datagram = this.#receive(); datagram !== "empty"; datagram = this.#receive()) {
      if (datagram === "overrun") {
        isInconsistent = true;
        continue;
      }
      let holdsObjects = false;
      for (const message of readMessages(datagram)) {
        if (message.sequence !== sequence) continue;
        if ((message.flags & messageFlag.dumpInterrupted) !== 0 && message.type !== messageType.error)
          isInconsistent = true;
        const last = endOf(message);
        if (last === undefined) holdsObjects = true;
        else end = last.errno === 0 ? { kind: "answered", chunks } : { kind: "refused", answer: last };
      }
      if (!holdsObjects) continue;
      chunks.push(datagram.slice());
      if (chunks.length % CHUNKS_PER_PAUSE === 0) pause();
    }
    return end === undefined || (isInconsistent && end.kind === "answered") ? { kind: "inconsistent" } : end;
  }

  /** The errno if the kernel has no room for it now. */
  #send(bytes: Uint8Array): number | undefined {
    try {
      sendBytes(this.#fd, bytes);
      return undefined;
    } catch (error) {
      if (error instanceof SyscallError && NO_ROOM.includes(error.errno)) return error.errno;
      throw error;
    }
  }

  /** A view of the receive buffer, valid until the next call. */
  #receive(): Uint8Array<ArrayBuffer> | "empty" | "overrun" {
    return receiveInto(this.#fd, this.#buffer);
  }
}

function endOf(message: ReceivedMessage): ReturnType<typeof decodeDone> | undefined {
  if (message.type === messageType.done) return decodeDone(message);
  return message.type === messageType.error ? decodeAnswer(message) : undefined;
}

/** One datagram as a view of `buffer`; "overrun" if the kernel had to drop some (ENOBUFS). Throws as `exchange` does. */
export function receiveInto(
  fd: number,
  buffer: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> | "empty" | "overrun" {
  try {
    const length = receiveDatagram(fd, buffer);
    if (length === undefined) return "empty";
    if (length > buffer.length) throw malformed(`a datagram of ${length} octets exceeds ${buffer.length}`);
    return buffer.subarray(0, length);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOBUFS) return "overrun";
    throw error;
  }
}
