import { closeSync, readSync, writeSync } from "node:fs";
import { hostIsLittleEndian } from "../byte-order.ts";
import { createEventFd, SyscallError } from "../libc.ts";
import { addToEpoll, createEpoll, lookAtEpoll, waitForEpoll } from "./calls.ts";

const EPOLLIN = 0x001;
const EPOLLOUT = 0x004;
const EPOLLERR = 0x008;
const EPOLLHUP = 0x010;
const EPOLLRDHUP = 0x2000;
const EPOLLET = 0x80000000;

/** Something can be read, its end and errors included. */
export const readable = EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
/** Nothing more will come after what can be read. */
export const ending = EPOLLERR | EPOLLHUP | EPOLLRDHUP;
/** Octets can be sent, or there is an error. */
export const sendable = EPOLLOUT | EPOLLERR | EPOLLHUP;

/** struct epoll_event: u32 events, and 64 bits of ours, which are the descriptor and its generation. Without padding on x86-64 alone. */
const DATA_OFFSET = process.arch === "x64" ? 4 : 8;
const EVENT_BYTES = DATA_OFFSET + 8;

/** How many sockets get their turn before what they have to say goes out, and before the rest of the event loop's work. */
const mostEvents = 64;

/** A socket, as the poller sees it. Neither call may throw. */
export interface Polled {
  /** What has happened since the last call, once: `readable`, `sendable`, or both; 0 after `Poller.again`. */
  onReady(events: number): void;
  /** After `Poller.flushLater`. */
  flush(): void;
}

/**
 * Tells sockets what has happened to them, in node's event loop but without libuv: sockets are added once to an epoll(7) set,
 * edge-triggered, so that no further system call has to do with it. While nothing happens one thread of libuv's pool waits for
 * the set; while there is work the loop looks at it between its turns.
 */
export class Poller {
  #epoll = -1;
  /** Ends the wait of the thread. */
  #wake = -1;
  readonly #members = new Map<number, Polled>();
  /** By descriptor: which of the sockets that have had it is meant. What is told of an earlier one comes late, and is for nobody. */
  readonly #generations: number[] = [];
  readonly #events = new Uint8Array(mostEvents * EVENT_BYTES);
  readonly #view = new DataView(this.#events.buffer);
  /** The thread waits, and the events are the kernel's. */
  #isWaiting = false;
  #isTurnDue = false;
  /** Members are being called, by the events. */
  #isHandling = false;
  #isFlushDue = false;
  #again: Polled[] = [];
  #unflushed: Polled[] = [];

  /** From now on the member hears of this socket. The process lives while there are members. Throws SyscallError. */
  add(fd: number, member: Polled): void {
    if (this.#epoll < 0) this.#open();
    const generation = ((this.#generations[fd] ?? 0) + 1) >>> 0;
    const event = eventFor(fd, (readable | sendable | EPOLLET) >>> 0, generation);
    check(addToEpoll(this.#epoll, fd, event), `file descriptor ${fd}`);
    this.#generations[fd] = generation;
    this.#members.set(fd, member);
    this.#goOn();
  }

  /** From now on another member hears of a socket that was added. */
  handOver(fd: number, member: Polled): void {
    this.#members.set(fd, member);
  }

  /** The socket is about to be closed, which is what takes it off the set. */
  remove(fd: number): void {
    this.#members.delete(fd);
    if (this.#members.size > 0) return;
    if (this.#isWaiting) this.#endWait();
    else this.#goOn();
  }

  /** Calls the member in the next turn of the event loop. */
  again(member: Polled): void {
    this.#again.push(member);
    this.#scheduleTurn();
  }

  /** Calls the member's `flush` when all that is happening now has happened. */
  flushLater(member: Polled): void {
    this.#unflushed.push(member);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(this.#flush);
  }

  #open(): void {
    this.#epoll = check(createEpoll(), undefined);
    this.#wake = createEventFd();
    check(addToEpoll(this.#epoll, this.#wake, eventFor(this.#wake, EPOLLIN, 0)), "event descriptor");
    process.on("exit", this.#endWait);
  }

  #close(): void {
    process.off("exit", this.#endWait);
    closeSync(this.#epoll);
    closeSync(this.#wake);
    this.#epoll = -1;
    this.#wake = -1;
  }

  /** Also when the process exits, with sockets or without: libuv joins its threads then, and would wait for ever. */
  readonly #endWait = (): void => {
    writeSync(this.#wake, wakeUp);
  };

  /** Has the thread wait, unless there is something to do, or nothing to wait for. */
  #goOn(): void {
    if (this.#isWaiting || this.#isHandling || this.#isTurnDue || this.#epoll < 0) return;
    if (this.#members.size === 0) {
      this.#close();
      return;
    }
    this.#isWaiting = true;
    waitForEpoll(this.#epoll, this.#events, mostEvents, this.#onWaited);
  }

  readonly #onWaited = (count: number): void => {
    this.#isWaiting = false;
    this.#isHandling = true;
    this.#handle(count);
    this.#isHandling = false;
    this.#goOn();
  };

  #scheduleTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#isTurnDue = false;
    this.#isHandling = true;
    const again = this.#again;
    this.#again = [];
    for (const member of again) member.onReady(0);
    this.#flush();
    if (!this.#isWaiting && this.#epoll >= 0) this.#handle(lookAtEpoll(this.#epoll, this.#events, mostEvents));
    this.#isHandling = false;
    this.#goOn();
  };

  #handle(count: number): void {
    for (let index = 0; index < count; index++) {
      const offset = index * EVENT_BYTES;
      const fd = this.#view.getInt32(offset + DATA_OFFSET, hostIsLittleEndian);
      if (fd === this.#wake) readSync(fd, new Uint8Array(8));
      else if (this.#generations[fd] === this.#view.getUint32(offset + DATA_OFFSET + 4, hostIsLittleEndian))
        this.#members.get(fd)?.onReady(this.#view.getUint32(offset, hostIsLittleEndian));
    }
    if (count === mostEvents) this.#scheduleTurn();
    this.#flush();
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    const unflushed = this.#unflushed;
    if (unflushed.length === 0) return;
    this.#unflushed = [];
    for (const member of unflushed) member.flush();
  };
}

/** An event counter takes 64 bits. */
const wakeUp = new Uint8Array(8).fill(1, 0, 1);

function eventFor(fd: number, events: number, generation: number): Uint8Array {
  const event = new Uint8Array(EVENT_BYTES);
  const view = new DataView(event.buffer);
  view.setUint32(0, events, hostIsLittleEndian);
  view.setInt32(DATA_OFFSET, fd, hostIsLittleEndian);
  view.setUint32(DATA_OFFSET + 4, generation, hostIsLittleEndian);
  return event;
}

function check(result: number, subject: string | undefined): number {
  if (result < 0) throw new SyscallError("epoll", -result, subject);
  return result;
}
