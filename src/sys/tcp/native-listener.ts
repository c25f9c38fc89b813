import { closeSync } from "node:fs";
import { constants } from "node:os";
import type { TcpKey, TcpListen, TcpListener, TcpRange } from "../../core/tcp.ts";
import { hostIsLittleEndian } from "../byte-order.ts";
import { SyscallError, socketName } from "../libc.ts";
import { decodeSocketAddress, SOCKET_ADDRESS_BYTES } from "./addresses.ts";
import { acceptSocket } from "./calls.ts";
import { removeTcpKey, setTcpKey } from "./keys.ts";
import { NativeConnection } from "./native-connection.ts";
import type { Polled, Poller } from "./poller.ts";
import type { ReceiveBuffers } from "./receive-buffers.ts";

const { EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno;
/** Not the fault of one connection: the next one would fail as well. */
const shortages = new Set<number>([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

/** How long to leave connections where they are when there is no descriptor or memory for them. */
const shortageMs = 1_000;

/** How many connections are taken before others get their turn. */
const mostAtOnce = 64;

/** A listening socket; a connection is taken, told of, and heard at once if it has sent something by then. */
export class NativeListener implements TcpListener, Polled {
  readonly port: number;
  readonly #fd: number;
  readonly #domain: number;
  readonly #request: TcpListen;
  readonly #poller: Poller;
  readonly #buffers: ReceiveBuffers;
  readonly #address = new Uint8Array(SOCKET_ADDRESS_BYTES);
  readonly #addressLength = new Uint8Array(4);
  readonly #keys = new Map<string, TcpKey>();
  #shortage: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `fd` listens, and belongs to this object from here on. Throws SyscallError, and leaves the descriptor to the caller. */
  constructor(fd: number, domain: number, request: TcpListen, poller: Poller, buffers: ReceiveBuffers) {
    this.#fd = fd;
    this.#domain = domain;
    this.#request = request;
    this.#poller = poller;
    this.#buffers = buffers;
    this.port = decodeSocketAddress(socketName(fd, SOCKET_ADDRESS_BYTES)).port;
    poller.add(fd, this);
  }

  setKey(range: TcpRange, key: TcpKey | undefined): void {
    const name = `${range.address}/${range.prefixLength ?? ""}`;
    const old = this.#keys.get(name);
    // An MD5 key is replaced by the next one; all else would stay beside it.
    if (old !== undefined && (key === undefined || old.kind === "ao" || key.kind === "ao")) {
      removeTcpKey(this.#fd, this.#domain, range, old);
      this.#keys.delete(name);
    }
    if (key === undefined) return;
    setTcpKey(this.#fd, this.#domain, range, key);
    this.#keys.set(name, key);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#shortage);
    this.#poller.remove(this.#fd);
    closeSync(this.#fd);
  }

  onReady(): void {
    for (let count = 0; count < mostAtOnce; count++) {
      if (this.#isClosed) return;
      const fd = this.#accept();
      if (fd >= 0) this.#welcome(fd);
      else if (fd === -EAGAIN) return;
      else if (fd !== -ECONNABORTED) {
        this.#request.onError(new SyscallError("accept", -fd));
        if (shortages.has(-fd)) {
          this.#waitForBetterTimes();
          return;
        }
      }
    }
    this.#poller.again(this);
  }

  flush(): void {
    // Listeners send nothing.
  }

  #accept(): number {
    new DataView(this.#addressLength.buffer).setInt32(0, this.#address.length, hostIsLittleEndian);
    return acceptSocket(this.#fd, this.#address, this.#addressLength);
  }

  #welcome(fd: number): void {
    const connection = new NativeConnection(fd, decodeSocketAddress(this.#address), this.#poller, this.#buffers);
    try {
      this.#poller.add(fd, connection);
    } catch (error) {
      connection.destroy();
      if (error instanceof SyscallError) this.#request.onError(error);
      return;
    }
    this.#request.onConnection(connection);
    connection.readNow();
  }

  /** No event tells when they have come. */
  #waitForBetterTimes(): void {
    this.#shortage ??= setTimeout(() => {
      this.#shortage = undefined;
      this.#poller.again(this);
    }, shortageMs).unref();
  }
}
