import type { TcpConnection, TcpUser } from "../../src/core/tcp.ts";

/** What a user of a connection hears, written down; waits for what is to come. */
export class TcpEnd implements TcpUser {
  readonly connection: TcpConnection;
  /** Everything in order; octets that follow each other are one entry. */
  readonly events: string[] = [];
  receivedOctets = 0;
  error: Error | undefined;
  hasEnded = false;
  isClosed = false;
  #chunks: Buffer[] = [];
  #wake: () => void = () => {};

  constructor(connection: TcpConnection) {
    this.connection = connection;
    connection.use(this);
  }

  get received(): Buffer {
    this.#chunks = [Buffer.concat(this.#chunks)];
    return Buffer.concat(this.#chunks);
  }

  onOctets(octets: Uint8Array): void {
    this.#chunks.push(Buffer.from(octets));
    this.receivedOctets += octets.length;
    if (this.events.at(-1) !== "octets") this.events.push("octets");
    this.#wake();
  }

  onEnd(): void {
    this.hasEnded = true;
    this.events.push("end");
    this.#wake();
  }

  onUnsent(): void {
    this.#wake();
  }

  onError(error: Error): void {
    this.error = error;
    this.events.push("error");
    this.#wake();
  }

  onClosed(): void {
    this.isClosed = true;
    this.events.push("closed");
    this.#wake();
  }

  /** Resolves when the condition holds, which is looked at after everything that is heard. Rejects with the connection's error. */
  async until(condition: () => boolean): Promise<void> {
    for (;;) {
      if (this.error !== undefined) throw this.error;
      if (condition()) return;
      if (this.isClosed) throw new Error("the connection is closed");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends a text, and resolves with as much as comes back. */
  async says(text: string): Promise<string> {
    const before = this.receivedOctets;
    this.connection.write(Buffer.from(text));
    await this.until(() => this.receivedOctets - before >= text.length);
    return this.received.subarray(before).toString();
  }
}

/** Has a connection send back what it hears, until the other side is done. */
export function echoTo(connection: TcpConnection): void {
  connection.use({
    onOctets: (octets) => connection.write(octets),
    onEnd: () => connection.end(),
    onUnsent: () => {},
    onError: () => {},
    onClosed: () => {},
  });
}
