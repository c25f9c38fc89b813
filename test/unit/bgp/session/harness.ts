import { connect, createServer, type Server, type Socket } from "node:net";
import { buildOpen } from "../../../../src/bgp/fsm/offer.ts";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import { MessageFramer } from "../../../../src/bgp/packet/framer.ts";
import { encodeKeepalive } from "../../../../src/bgp/packet/keepalive.ts";
import type { BgpMessage, OpenMessage } from "../../../../src/bgp/packet/message.ts";
import { encodeOpen } from "../../../../src/bgp/packet/open.ts";
import { BgpListener } from "../../../../src/bgp/session/listener.ts";
import { PeerSession, type PeerSessionOptions } from "../../../../src/bgp/session/peer-session.ts";
import type { SessionDownReason } from "../../../../src/bgp/session-state.ts";
import type { NegotiatedSession, PeerConfig, SessionListener } from "../../../../src/bgp/types.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { nativeSockets } from "../../../../src/sys/tcp/native-sockets.ts";
import { notRestarting, peerConfig } from "../fsm/support.ts";

/** Waits for a condition, looking after every turn of the event loop. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Writes down what a session tells. */
export class Recorder implements SessionListener {
  readonly events: string[] = [];
  readonly sessions: NegotiatedSession[] = [];
  readonly downs: SessionDownReason[] = [];
  updates = 0;
  writable = 0;
  /** True while the test itself is inside a call of the session. */
  isInside = false;

  onEstablished(session: NegotiatedSession): void {
    this.#note("established");
    this.sessions.push(session);
  }

  onUpdate(): void {
    this.#note("update");
    this.updates++;
  }

  onRouteRefresh(): void {
    this.#note("route-refresh");
  }

  onDown(reason: SessionDownReason): void {
    this.#note(`down ${reason.kind}`);
    this.downs.push(reason);
  }

  onWritable(): void {
    this.#note("writable");
    this.writable++;
  }

  #note(event: string): void {
    if (this.isInside) throw new Error(`${event} came from inside a call of the session`);
    this.events.push(event);
  }
}

type Options = Partial<Omit<PeerSessionOptions, "config">> & { readonly config?: Partial<PeerConfig> };

/** A real session with its recorder; it dials 127.0.0.1 unless told otherwise. */
export function makeSession(options: Options = {}): { session: PeerSession; recorder: Recorder; config: PeerConfig } {
  const recorder = new Recorder();
  const config = peerConfig({ address: IpAddress.parse("127.0.0.1"), passive: true, ...options.config });
  const session = new PeerSession({
    routerId: 0x0a000001,
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
    sockets: nativeSockets,
    listener: recorder,
    gracefulRestartState: () => notRestarting,
    timing: { connectDelayMs: 0, connectRetryMs: 200, ...options.timing },
    ...withoutUndefined(options, ["config", "timing"]),
    config,
  });
  return { session, recorder, config };
}

function withoutUndefined(options: Options, left: readonly string[]): Partial<PeerSessionOptions> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !left.includes(key)));
}

/** A listener on a loopback address that gives every connection to one session. */
export async function listenFor(address: string, owner: () => PeerSession): Promise<BgpListener> {
  const listener = new BgpListener({
    sockets: nativeSockets,
    clock: systemClock,
    logger: silentLogger,
    onConnection: (_remote, socket) => {
      owner().accept(socket);
      return true;
    },
  });
  await listener.listen({ addresses: [IpAddress.parse(address)], port: 0 });
  return listener;
}

/** A peer made of a bare socket: says exactly what the test makes it say. */
export class RawPeer {
  readonly socket: Socket;
  readonly received: BgpMessage[] = [];
  ended = false;
  readonly #framer = new MessageFramer();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => {
      this.ended = true;
    });
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("data", (chunk) => {
      this.#framer.push(chunk);
      for (let framed = this.#framer.next(); framed?.ok === true; framed = this.#framer.next()) {
        const decoded = decodeMessage(framed.bytes, undefined);
        if (decoded.ok) this.received.push(decoded.message);
      }
    });
  }

  static async dial(port: number, address = "127.0.0.1"): Promise<RawPeer> {
    const socket = connect({ host: address, port });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawPeer(socket);
  }

  has(type: BgpMessage["type"]): boolean {
    return this.received.some((message) => message.type === type);
  }

  /** `6/2` of the NOTIFICATION that came last. */
  notification(): string | undefined {
    for (const message of this.received.toReversed())
      if (message.type === "notification") return `${message.code}/${message.subcode}`;
    return undefined;
  }

  open(config: Partial<PeerConfig> = {}, changes: Partial<OpenMessage> = {}): Uint8Array {
    return encodeOpen({ ...buildOpen(peerConfig(config), 0x0a000002, notRestarting), ...changes });
  }

  /** Exchanges OPEN and KEEPALIVE. */
  async establish(config: Partial<PeerConfig> = {}): Promise<void> {
    this.socket.write(this.open(config));
    this.socket.write(encodeKeepalive());
    await until(() => this.has("keepalive"), "KEEPALIVE of the session");
  }
}

/** A server on loopback whose connections become raw peers. */
export async function rawServer(): Promise<{ server: Server; port: number; peers: RawPeer[] }> {
  const peers: RawPeer[] = [];
  const server = createServer((socket) => peers.push(new RawPeer(socket)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return { server, port: address.port, peers };
}
