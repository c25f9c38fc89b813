import { connect, type Socket } from "node:net";
import { decodeMessage } from "../../../src/bgp/packet/decode.ts";
import { MessageFramer } from "../../../src/bgp/packet/framer.ts";
import { encodeKeepalive } from "../../../src/bgp/packet/index.ts";
import type { BgpMessage, CodecContext } from "../../../src/bgp/packet/message.ts";

/** How a connection ended: with these NOTIFICATION codes, or without one. */
export type Ending = { readonly code: number; readonly subcode: number } | "closed";

/** One TCP connection to a speaker, over which a test says whatever it likes. */
export class RawPeer {
  readonly #socket: Socket;
  readonly #framer = new MessageFramer();
  readonly #context: CodecContext;
  readonly #inbox: BgpMessage[] = [];
  #ending: Ending | undefined;
  #wake: () => void = () => {};

  private constructor(socket: Socket, context: CodecContext) {
    this.#socket = socket;
    this.#context = context;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#ending ??= "closed";
      this.#wake();
    });
  }

  /** Connects from one loopback address to another. `context` is how to read what the speaker sends. */
  static async connect(from: string, to: string, port: number, context: CodecContext): Promise<RawPeer> {
    const socket = connect({ host: to, port, localAddress: from });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawPeer(socket, context);
  }

  /** Undefined while the connection lives. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  send(octets: Uint8Array): void {
    if (this.#ending === undefined) this.#socket.write(octets);
  }

  /** Writes every octet by itself. */
  sendSlowly(octets: Uint8Array): void {
    for (const octet of octets) this.send(Uint8Array.of(octet));
  }

  /** Says an OPEN and agrees to the speaker's; false if the speaker does not agree. */
  async open(octets: Uint8Array): Promise<boolean> {
    this.send(octets);
    if ((await this.#next("keepalive")) === undefined) return false;
    this.send(encodeKeepalive());
    return true;
  }

  /** Resolves when the connection has ended. */
  async ended(): Promise<Ending> {
    while (this.#ending === undefined) await this.#change();
    return this.#ending;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The next message of a type; undefined if the connection ends first. */
  async #next(type: BgpMessage["type"]): Promise<BgpMessage | undefined> {
    for (;;) {
      const at = this.#inbox.findIndex((message) => message.type === type);
      if (at >= 0) return this.#inbox.splice(0, at + 1).at(-1);
      if (this.#ending !== undefined) return undefined;
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #read(chunk: Uint8Array): void {
    this.#framer.push(chunk);
    for (let framed = this.#framer.next(); framed !== undefined; framed = this.#framer.next()) {
      if (!framed.ok) throw new Error(`the speaker sends what is no message: ${framed.error.reason}`);
      const decoded = decodeMessage(framed.bytes, this.#context);
      if (!decoded.ok) throw new Error(`the speaker sends a bad message: ${decoded.error.reason}`);
      const { message } = decoded;
      if (message.type === "notification") this.#ending = { code: message.code, subcode: message.subcode };
      this.#inbox.push(message);
    }
    this.#wake();
  }
}
