import { closeSync } from "node:fs";
import { constants } from "node:os";
import type { TcpConnection, TcpUser } from "../../core/tcp.ts";
import { SyscallError, socketName } from "../libc.ts";
import { decodeSocketAddress, SOCKET_ADDRESS_BYTES, type SocketAddress } from "./addresses.ts";
import { receiveOctets, shutDownSending } from "./calls.ts";
import { ending, type Polled, type Poller, readable, sendable } from "./poller.ts";
import type { ReceiveBuffers } from "./receive-buffers.ts";
import { SendQueue } from "./send-queue.ts";

const { EAGAIN } = constants.errno;

/**
 * A connected socket whose system calls are made here. Invariants:
 *
 * * `#mayRead` is true if the kernel may have octets, the end or an error for us; only a call that says otherwise makes it false.
 * * While the connection is paused or nobody uses it, nothing is read. Whoever pauses it inside `onOctets` keeps the memory.
 * * An error of sending is told when all that had been received has been heard.
 */
export class NativeConnection implements TcpConnection, Polled {
  readonly #poller: Poller;
  readonly #buffers: ReceiveBuffers;
  readonly #remote: SocketAddress;
  readonly #queue: SendQueue;
  #local: SocketAddress | undefined;
  #fd: number;
  #user: TcpUser | undefined;
  #unread: Uint8Array | undefined;
  /** Memory that the user keeps while it has us paused. */
  #lent: Uint8Array | undefined;
  #isPaused = false;
  #isReading = false;
  #mayRead = false;
  /** The end or an error is behind the octets that can be read. */
  #endIsNear = false;
  #isTurnDue = false;
  #isFlushDue = false;
  #hasHeardEnd = false;
  #isEnding = false;
  #isShut = false;
  /** Octets wait, and the user knows it. */
  #isBlocked = false;
  /** Who knows that the socket is gone. */
  #toldClosed: TcpUser | undefined;

  /** `fd` is connected, and is this object's to close. The caller has the poller tell it. */
  constructor(fd: number, remote: SocketAddress, poller: Poller, buffers: ReceiveBuffers) {
    this.#fd = fd;
    this.#remote = remote;
    this.#poller = poller;
    this.#buffers = buffers;
    this.#queue = new SendQueue(fd);
  }

  /** For options. Throws a TypeError if the socket is gone. */
  get descriptor(): number {
    if (this.isGone) throw new TypeError("the connection is gone already");
    return this.#fd;
  }

  get localAddress(): string | undefined {
    if (this.#local === undefined && !this.isGone)
      this.#local = decodeSocketAddress(socketName(this.#fd, SOCKET_ADDRESS_BYTES));
    return this.#local?.address;
  }

  get remoteAddress(): string {
    return this.#remote.address;
  }

  get remotePort(): number {
    return this.#remote.port;
  }

  /** The socket's own, which has IPv4 peers also if it is AF_INET6. */
  get domain(): number {
    return this.#remote.domain;
  }

  get isGone(): boolean {
    return this.#fd < 0;
  }

  get unsentOctets(): number {
    return this.#queue.octets;
  }

  use(user: TcpUser): void {
    this.#user = user;
    if (this.isGone) this.#tellClosed();
    else this.resume();
  }

  unread(octets: Uint8Array): void {
    this.#unread = octets.slice();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#lent !== undefined) this.#buffers.giveBack(this.#lent);
    this.#lent = undefined;
    if (this.#mayRead || this.#unread !== undefined) this.#readLater();
  }

  readNow(): void {
    this.#mayRead = true;
    this.#read();
  }

  write(octets: Uint8Array): void {
    if (this.isGone || this.#isEnding) return;
    if (this.#queue.write(octets)) this.#flushLater();
  }

  end(): void {
    if (this.isGone || this.#isEnding) return;
    this.#isEnding = true;
    this.#flushLater();
  }

  destroy(): void {
    if (!this.isGone) this.#close();
  }

  onReady(events: number): void {
    if (events === 0) this.#isTurnDue = false;
    if (this.isGone) return;
    if ((events & readable) !== 0) this.#mayRead = true;
    if ((events & ending) !== 0) this.#endIsNear = true;
    if ((events & sendable) !== 0 && this.#queue.waitingOctets > 0) {
      const before = this.#queue.waitingOctets;
      this.#queue.goOn();
      this.#afterSending(this.#queue.waitingOctets < before);
    }
    this.#read();
  }

  flush(): void {
    this.#isFlushDue = false;
    if (this.isGone) return;
    this.#queue.flush();
    this.#afterSending(false);
  }

  /** `hasProgressed`: the kernel has taken some of the octets that waited. */
  #afterSending(hasProgressed: boolean): void {
    const { errno, waitingOctets } = this.#queue;
    if (errno !== 0) {
      this.#queue.clear();
      this.#mayRead = true;
      this.#readLater();
      return;
    }
    if (hasProgressed || (waitingOctets > 0 && !this.#isBlocked)) {
      this.#isBlocked = waitingOctets > 0;
      this.#user?.onUnsent();
    }
    if (this.#isEnding && !this.#isShut && this.#queue.octets === 0 && !this.isGone) this.#shutDown();
  }

  #shutDown(): void {
    this.#isShut = true;
    shutDownSending(this.#fd);
    if (this.#hasHeardEnd) this.#close();
  }

  #flushLater(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#poller.flushLater(this);
  }

  /** In the next turn, so that nobody is called from inside a method. */
  #readLater(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#poller.again(this);
  }

  /** One buffer full at a time: others want to be heard, too. */
  #read(): void {
    const user = this.#user;
    if (user === undefined || this.#isReading || this.#isPaused || this.isGone) return;
    this.#isReading = true;
    const unread = this.#unread;
    if (unread !== undefined) {
      this.#unread = undefined;
      user.onOctets(unread);
      if (this.#mayRead) this.#readLater();
    } else if (this.#mayRead) this.#receive(user);
    this.#isReading = false;
  }

  #receive(user: TcpUser): void {
    const buffer = this.#buffers.take();
    const received = receiveOctets(this.#fd, buffer);
    if (received <= 0) {
      this.#buffers.giveBack(buffer);
      this.#mayRead = false;
      this.#onNothing(user, received);
      return;
    }
    // A stream that gives less than there is room for has no more: what comes later brings another event.
    this.#mayRead = received === buffer.length || this.#endIsNear;
    user.onOctets(buffer.subarray(0, received));
    if (this.#isPaused) this.#lent = buffer;
    else {
      this.#buffers.giveBack(buffer);
      if (this.#mayRead) this.#readLater();
    }
  }

  /** No octets came, but the end, an error, or word that there is nothing yet. */
  #onNothing(user: TcpUser, result: number): void {
    const errno = result === 0 || result === -EAGAIN ? this.#queue.errno : -result;
    if (errno !== 0) {
      user.onError(new SyscallError(result === 0 || result === -EAGAIN ? "send" : "recv", errno));
      this.destroy();
    } else if (result === 0 && !this.#hasHeardEnd) {
      this.#hasHeardEnd = true;
      if (this.#isShut) this.#close();
      user.onEnd();
    }
  }

  #close(): void {
    this.#poller.remove(this.#fd);
    closeSync(this.#fd);
    this.#fd = -1;
    this.#queue.clear();
    this.#unread = undefined;
    this.#tellClosed();
  }

  #tellClosed(): void {
    process.nextTick(() => {
      const user = this.#user;
      if (user === undefined || user === this.#toldClosed) return;
      this.#toldClosed = user;
      user.onClosed();
    });
  }
}
