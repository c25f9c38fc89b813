import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { plainSockets } from "../../../src/bgp/session/plain-sockets.ts";
import type { TcpConnection, TcpListener } from "../../../src/core/tcp.ts";
import { nativeSockets } from "../../../src/sys/tcp/native-sockets.ts";
import { echoTo, TcpEnd } from "../../support/tcp-ends.ts";

/** More than the kernel keeps for both ends of a loopback connection. */
const tooMuch = 24 * 2 ** 20;

const listeners: TcpListener[] = [];
const servers: Server[] = [];
const connections: TcpConnection[] = [];
const peers: Socket[] = [];
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.destroy();
  for (const listener of listeners.splice(0)) listener.close();
  for (const peer of peers.splice(0)) peer.destroy();
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, "close");
  }
});

/** A pattern that repeats late, so that no octet can take another one's place. */
function pattern(octets: number): Buffer {
  const bytes = Buffer.alloc(octets);
  for (let at = 0; at + 4 <= octets; at += 4) bytes.writeUInt32BE(Math.imul(at, 2654435761) >>> 0, at);
  return bytes;
}

async function collect(peer: Socket, octets: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= octets) break;
  }
  return Buffer.concat(chunks);
}

/** True for a descriptor of a socket, or of what waits for sockets. */
function isOfSockets(fd: string): boolean {
  try {
    return /^(socket:|anon_inode:)/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return false;
  }
}

describe.each([
  ["plain", plainSockets],
  ["native", nativeSockets],
])("a connection of %s sockets", (_name, sockets) => {
  /** A listener, and whoever connects next. */
  async function listen(onConnection: (connection: TcpConnection) => void): Promise<TcpListener> {
    const listener = await sockets.listen({
      address: "127.0.0.1",
      port: 0,
      backlog: 1024,
      onConnection: (connection) => {
        connections.push(connection);
        onConnection(connection);
      },
      onError: (error) => expect.unreachable(error.message),
    });
    listeners.push(listener);
    return listener;
  }

  function dialPeer(port: number): Socket {
    const peer = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    peers.push(peer);
    peer.on("error", () => {});
    return peer;
  }

  /** An accepted connection with one who hears it, and a socket of node's at the other end. */
  async function pair(): Promise<{ end: TcpEnd; peer: Socket }> {
    const accepted = new Promise<TcpEnd>((resolve) => {
      void listen((connection) => resolve(new TcpEnd(connection))).then(({ port }) => dialPeer(port));
    });
    const end = await accepted;
    const peer = peers.at(-1);
    if (peer === undefined) throw new Error("nobody has dialled");
    if (peer.connecting) await once(peer, "connect");
    return { end, peer };
  }

  /** A server of node's, and what it has accepted. */
  async function serve(): Promise<{ port: number; accepted: Promise<Socket> }> {
    const server = createServer({ allowHalfOpen: true });
    servers.push(server);
    const accepted = new Promise<Socket>((resolve) => {
      server.on("connection", (socket) => {
        peers.push(socket);
        socket.on("error", () => {});
        resolve(socket);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("the server has no port");
    return { port: address.port, accepted };
  }

  async function dial(port: number): Promise<TcpConnection> {
    const signal = new AbortController().signal;
    const connection = await sockets.dial({ address: "127.0.0.1", port, options: {} }, signal);
    connections.push(connection);
    return connection;
  }

  test("says who is at both of its ends, accepted or dialled", async () => {
    const { end, peer } = await pair();
    expect(end.connection).toMatchObject({ localAddress: "127.0.0.1", remoteAddress: "127.0.0.1", isGone: false });
    expect(end.connection.remotePort).toBe(peer.localPort);
    const server = await serve();
    const dialled = await dial(server.port);
    expect(dialled).toMatchObject({ localAddress: "127.0.0.1", remoteAddress: "127.0.0.1", remotePort: server.port });
  });

  test("carries everything in order, from memory that is used again at once, to a peer that reads slowly", async () => {
    const { end, peer } = await pair();
    const wanted = pattern(tooMuch);
    const memory = new Uint8Array(300_000);
    const sizes = [1, 19, 4096, 4097, 23, 65_536, 300_000, 2, 150_000, 4000, 4000];
    for (let at = 0, turn = 0; at < wanted.length; turn++) {
      const piece = wanted.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
      memory.set(piece);
      end.connection.write(memory.subarray(0, piece.length));
      memory.fill(0xee);
      at += piece.length;
      if (turn % 7 === 0) await nextTurn();
    }
    expect(end.connection.unsentOctets).toBeGreaterThan(0);
    const got = await collect(peer, wanted.length);
    expect(got.equals(wanted)).toBe(true);
    await end.until(() => end.connection.unsentOctets === 0);
  });

  test("sends what was written in one turn of the event loop together", async () => {
    const { end, peer } = await pair();
    const heard: number[] = [];
    peer.on("data", (chunk: Buffer) => heard.push(chunk.length));
    for (let count = 0; count < 3; count++) end.connection.write(new Uint8Array(20));
    expect(end.connection.unsentOctets).toBe(60);
    await once(peer, "data");
    expect(heard).toEqual([60]);
  });

  test("hears everything in order while others are heard in between, also if it pauses again and again", async () => {
    const { end, peer } = await pair();
    const other = await pair();
    const wanted = pattern(3 * 2 ** 20);
    const copies: Buffer[] = [];
    let length = 0;
    const heard = new Promise<void>((resolve) => {
      end.connection.use({
        onOctets: (octets) => {
          end.connection.pause();
          other.peer.write("disturbance");
          setTimeout(() => {
            // Kept while paused.
            copies.push(Buffer.from(octets));
            length += octets.length;
            if (length === wanted.length) resolve();
            end.connection.resume();
          }, 1);
        },
        onEnd: () => {},
        onUnsent: () => {},
        onError: () => {},
        onClosed: () => {},
      });
    });
    peer.write(wanted);
    await heard;
    expect(Buffer.concat(copies).equals(wanted)).toBe(true);
    await other.end.until(() => other.end.received.toString().startsWith("disturbance"));
  });

  test("hears nothing while paused, so that the peer has to wait", async () => {
    const { end, peer } = await pair();
    end.connection.pause();
    peer.write(pattern(tooMuch));
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    expect(end.receivedOctets).toBe(0);
    expect(peer.writableLength).toBeGreaterThan(0);
    end.connection.resume();
    await end.until(() => end.receivedOctets === tooMuch);
  });

  test("tells once that octets have to wait, then of progress, until none wait", async () => {
    const { end, peer } = await pair();
    const told: number[] = [];
    const { connection } = end;
    connection.use({
      onOctets: () => {},
      onEnd: () => {},
      onUnsent: () => told.push(connection.unsentOctets),
      onError: () => {},
      onClosed: () => {},
    });
    connection.write(new Uint8Array(tooMuch));
    expect(told).toEqual([]);
    await nextTurn();
    await nextTurn();
    for (let turn = 0; turn < 5; turn++) {
      connection.write(new Uint8Array(19));
      await nextTurn();
    }
    expect(told.length).toBeGreaterThan(0);
    await collect(peer, tooMuch + 95);
    while (told.at(-1) !== 0) await nextTurn();
    // Never because more was written.
    expect(told.every((unsent, index) => index === 0 || unsent === 0 || unsent < (told[index - 1] ?? 0))).toBe(true);
  });

  test("can still send when the peer has closed its side, and is gone when both have", async () => {
    const { end, peer } = await pair();
    peer.end("last words");
    await end.until(() => end.hasEnded);
    expect(end.received.toString()).toBe("last words");
    end.connection.write(Buffer.from("answer"));
    end.connection.end();
    expect((await collect(peer, 100)).toString()).toBe("answer");
    await end.until(() => end.isClosed);
    expect(end.events).toEqual(["octets", "end", "closed"]);
    expect(end.connection.isGone).toBe(true);
  });

  test("closes its side after everything that is queued, and still hears the peer", async () => {
    const { end, peer } = await pair();
    const wanted = pattern(tooMuch);
    end.connection.write(wanted);
    end.connection.end();
    end.connection.write(Buffer.from("too late"));
    const got = await collect(peer, Number.POSITIVE_INFINITY);
    expect(got.equals(wanted)).toBe(true);
    expect(end.isClosed).toBe(false);
    peer.end("good-bye");
    await end.until(() => end.isClosed);
    expect(end.received.toString()).toBe("good-bye");
  });

  test("hears what came before a reset, then the error, then its end", async () => {
    const { end, peer } = await pair();
    peer.write("last words");
    await end.until(() => end.receivedOctets === 10);
    peer.resetAndDestroy();
    await expect(end.until(() => end.isClosed)).rejects.toMatchObject({ code: "ECONNRESET" });
    while (!end.isClosed) await nextTurn();
    expect(end.events).toEqual(["octets", "error", "closed"]);
  });

  test("is closed at once by destroy, and tells it once and later", async () => {
    const { end, peer } = await pair();
    end.connection.destroy();
    end.connection.destroy();
    end.connection.write(new Uint8Array(10));
    end.connection.end();
    expect(end.events).toEqual([]);
    expect(end.connection.isGone).toBe(true);
    await once(peer.resume(), "end");
    await nextTurn();
    expect(end.events).toEqual(["closed"]);
    const late = new TcpEnd(end.connection);
    await late.until(() => late.isClosed);
    await nextTurn();
    expect(late.events).toEqual(["closed"]);
    expect(end.events).toEqual(["closed"]);
  });

  test("is heard by the next user from where the one before has left it", async () => {
    const { end, peer } = await pair();
    const first = new Promise<void>((resolve) => {
      end.connection.use({
        onOctets: (octets) => {
          end.connection.pause();
          end.connection.unread(octets);
          resolve();
        },
        onEnd: () => expect.unreachable(),
        onUnsent: () => {},
        onError: () => expect.unreachable(),
        onClosed: () => expect.unreachable(),
      });
    });
    peer.write("one ");
    await first;
    peer.end("two");
    const next = new TcpEnd(end.connection);
    await next.until(() => next.hasEnded);
    expect(next.received.toString()).toBe("one two");
    expect(end.events).toEqual([]);
  });

  test("is not lost if the peer has spoken and gone before anybody uses it", async () => {
    const { port, accepted } = await serve();
    const connection = await dial(port);
    (await accepted).end("hello");
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    const end = new TcpEnd(connection);
    await end.until(() => end.hasEnded);
    expect(end.received.toString()).toBe("hello");
  });

  test("is refused by the system's code where nobody listens", async () => {
    const listener = await listen(() => {});
    listener.close();
    await nextTurn();
    await expect(dial(listener.port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("is dialled no more after it was given up", async () => {
    const listener = await listen(() => {});
    const given = new AbortController();
    given.abort();
    const request = { address: "127.0.0.1", port: listener.port, options: {} };
    await expect(sockets.dial(request, given.signal)).rejects.toThrow("given up");
  });

  test("lives on when its listener closes", async () => {
    const { end, peer } = await pair();
    for (const listener of listeners) listener.close();
    peer.write("still here");
    await end.until(() => end.received.toString() === "still here");
  });

  test("is one of hundreds that come at the same moment and are all served", async () => {
    const listener = await listen(echoTo);
    const clients = Array.from({ length: 300 }, () => dialPeer(listener.port));
    const answers = await Promise.all(
      clients.map(async (client, index) => {
        client.end(`client ${index}`);
        return (await collect(client, Number.POSITIVE_INFINITY)).toString();
      }),
    );
    expect(answers).toEqual(clients.map((_client, index) => `client ${index}`));
  });

  test("leaves no descriptor behind", async () => {
    const open = () => readdirSync("/proc/self/fd").filter(isOfSockets).length;
    const before = open();
    const { end, peer } = await pair();
    peer.end("bye");
    await end.until(() => end.hasEnded);
    end.connection.end();
    await end.until(() => end.isClosed);
    const refused = await serve();
    for (const server of servers) server.close();
    await expect(dial(refused.port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    for (const listener of listeners) listener.close();
    peer.destroy();
    while (open() > before) await nextTurn();
  });
});

test("a native connection hears what a peer said before it was reset, also where sending finds it out", async () => {
  const accepted = new Promise<TcpConnection>((resolve) => {
    const request = { address: "127.0.0.1", port: 0, backlog: 8, onConnection: resolve, onError: () => {} };
    void nativeSockets.listen(request).then((listener) => {
      listeners.push(listener);
      peers.push(connect(listener.port, "127.0.0.1"));
    });
  });
  const connection = await accepted;
  connections.push(connection);
  const end = new TcpEnd(connection);
  connection.pause();
  const [peer] = peers;
  peer?.write("last words");
  await nextTurn();
  peer?.resetAndDestroy();
  for (let turn = 0; turn < 20; turn++) {
    connection.write(new Uint8Array(10));
    await nextTurn();
  }
  expect(end.events).toEqual([]);
  connection.resume();
  await expect(end.until(() => end.isClosed)).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(end.received.toString()).toBe("last words");
});
