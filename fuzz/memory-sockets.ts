import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { TcpListen, TcpSockets } from "../src/core/tcp.ts";
import { NodeConnection } from "../src/core/tcp-node.ts";

/** One end of a connection that never leaves the process. What the other end wrote is read with `takeSent`. */
class MemorySocket extends Duplex {
  readonly localAddress: string;
  readonly remoteAddress: string;
  #written: Buffer[] = [];

  constructor(localAddress: string, remoteAddress: string) {
    super({ allowHalfOpen: true });
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#written.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    // The peer closes when we do.
    this.push(null);
    done();
  }

  /** All octets that the speaker has sent since the last call. */
  takeSent(): Buffer {
    const octets = Buffer.concat(this.#written);
    this.#written = [];
    return octets;
  }
}

/** Sockets whose peers are in the same process: nobody is dialled, and `connect` is a peer's dial. */
export class MemorySockets implements TcpSockets {
  #listen: TcpListen | undefined;

  connect(remoteAddress: string): MemorySocket {
    const socket = new MemorySocket("10.0.0.1", remoteAddress);
    // A connection uses no more of a socket than a stream has, and the addresses.
    this.#listen?.onConnection(new NodeConnection(socket as unknown as Socket));
    return socket;
  }

  refusal(): undefined {
    return undefined;
  }

  dial(): Promise<never> {
    return Promise.reject(new Error("nobody is there"));
  }

  async listen(request: TcpListen): ReturnType<TcpSockets["listen"]> {
    this.#listen = request;
    return { port: 179, setKey: () => {}, close: () => {} };
  }

  prepare(): void {}

  changeKey(): void {}
}
