import { afterEach, describe, expect, test } from "vitest";
import { encodeShutdownCommunication } from "../../../../src/bgp/packet/notification.ts";
import { encodeUpdates, type UpdateParts } from "../../../../src/bgp/packet/update-encode.ts";
import type { BgpListener } from "../../../../src/bgp/session/listener.ts";
import type { PeerSession } from "../../../../src/bgp/session/peer-session.ts";
import type { NegotiatedSession, PeerConfig } from "../../../../src/bgp/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { attributesOf } from "../../../support/bgp.ts";
import { listenFor, makeSession, RawPeer, type Recorder, rawServer, until } from "./harness.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Side {
  readonly session: PeerSession;
  readonly recorder: Recorder;
}

/** Two sessions on their own loopback addresses that know each other's port. Nothing is started yet. */
async function pair(changes: readonly [Partial<PeerConfig>, Partial<PeerConfig>], ids = [1, 2]): Promise<[Side, Side]> {
  const addresses = ["127.0.0.2", "127.0.0.3"] as const;
  const sessions: PeerSession[] = [];
  const listeners: BgpListener[] = [];
  for (const [index, address] of addresses.entries()) {
    const listener = await listenFor(address, () => {
      const session = sessions[index];
      if (session === undefined) throw new Error("no session yet");
      return session;
    });
    listeners.push(listener);
    cleanups.push(() => listener.close());
  }
  const sides = addresses.map((address, index) => {
    const other = 1 - index;
    const side = makeSession({
      routerId: ids[index] ?? 0,
      config: {
        address: IpAddress.parse(addresses[other] ?? ""),
        localAddress: IpAddress.parse(address),
        port: listeners[other]?.port ?? 0,
        passive: false,
        ...changes[index],
      },
    });
    sessions.push(side.session);
    cleanups.push(() => side.session.stop("restart"));
    return side;
  });
  const [first, second] = sides;
  if (first === undefined || second === undefined) throw new Error("two sides are needed");
  return [first, second];
}

async function established(...sides: readonly Side[]): Promise<void> {
  await until(() => sides.every(({ session }) => session.status().state === "Established"), "Established");
  await until(() => sides.every(({ recorder }) => recorder.sessions.length > 0), "onEstablished");
}

/** One UPDATE per prefix. */
function updates(session: NegotiatedSession, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    encodeUpdates(
      {
        withdrawals: [],
        announcements: [
          {
            family: "ipv4-unicast",
            nextHop: { address: session.localAddress },
            nlri: [{ prefix: Prefix.of(IpAddress.v4(0x0a640000 + 256 * index), 24), pathId: 0 }],
          },
        ],
        attributes: {
          origin: 0,
          asPath: [],
          localPref: 100,
          atomicAggregate: false,
          communities: [],
          extendedCommunities: [],
          largeCommunities: [],
          clusterList: [],
          unknown: [],
        },
      },
      session,
    ),
  ).flat();
}

function manyRoutes(session: NegotiatedSession, count: number): UpdateParts {
  const nlri = Array.from({ length: count }, (_, index) => ({
    prefix: Prefix.of(IpAddress.v4(0x0a000000 + 256 * index), 24),
    pathId: 0,
  }));
  const nextHop = { address: session.localAddress };
  return {
    withdrawals: [],
    announcements: [{ family: "ipv4-unicast", nextHop, nlri }],
    attributes: attributesOf([], { localPref: 100 }),
  };
}

function sessionOf(recorder: Recorder): NegotiatedSession {
  const session = recorder.sessions.at(-1);
  if (session === undefined) throw new Error("not established");
  return session;
}

describe("two sessions over loopback", () => {
  test("establish, exchange every UPDATE once in both directions, and count them", async () => {
    const [active, passive] = await pair([{}, { passive: true }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    const sent = updates(sessionOf(active.recorder), 500);
    expect(active.session.send(Buffer.concat(sent), sent.length)).toBe(true);
    passive.session.send(Buffer.concat(updates(sessionOf(passive.recorder), 3)), 3);
    await until(() => passive.recorder.updates === 500 && active.recorder.updates === 3, "all updates");
    expect(active.session.status()).toMatchObject({
      state: "Established",
      negotiated: { holdTimeSec: 90, keepaliveTimeSec: 30, families: ["ipv4-unicast"], remoteIdentifier: 2 },
      counters: { updatesSent: 500, updatesReceived: 3, connectAttempts: 1, established: 1 },
    });
    expect(passive.session.status().counters).toMatchObject({ connectAttempts: 0, updatesReceived: 500 });
    expect(sessionOf(passive.recorder).localAddress.toString()).toBe("127.0.0.3");
  });

  test("remember how the session ended when a later dial fails otherwise", async () => {
    const [active, passive] = await pair([{}, { passive: true }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    const data = encodeShutdownCommunication("new cables");
    await passive.session.stop({ code: 6, subcode: 2, data });
    await until(() => active.session.status().lastReason?.notification?.subcode === 5, "a refused dial");
    expect(active.session.status().lastDown?.text).toContain('"new cables"');
  });

  test("exchange UPDATEs of more than 4096 octets if both offer it, and none if one does not", async () => {
    for (const extendedMessages of [true, false]) {
      const [active, passive] = await pair([{}, { passive: true, extendedMessages }]);
      active.session.start();
      passive.session.start();
      await established(active, passive);
      const { maxMessageLength } = sessionOf(active.recorder);
      expect(maxMessageLength).toBe(extendedMessages ? 65535 : 4096);
      const [longest] = encodeUpdates(manyRoutes(sessionOf(active.recorder), 20_000), sessionOf(active.recorder));
      if (longest === undefined) throw new Error("nothing to send");
      expect(longest.length).toBeGreaterThan(maxMessageLength - 8);
      active.session.send(longest, 1);
      await until(() => passive.recorder.updates === 1, "the long UPDATE");
      await Promise.all([active, passive].map(({ session }) => session.stop("restart")));
    }
  });

  test("answer 1/2 to a long message of a peer that had no offer from us", async () => {
    const [active, passive] = await pair([{}, { passive: true, extendedMessages: false }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    const extended = { ...sessionOf(active.recorder), maxMessageLength: 65535 } as const;
    active.session.send(Buffer.concat(encodeUpdates(manyRoutes(extended, 20_000), extended).slice(0, 1)), 1);
    const ending = () => active.session.status().lastReason?.notification;
    await until(() => ending() !== undefined, "the end of the session");
    expect(ending()).toEqual({ code: 1, subcode: 2 });
  });

  test("keep one connection, and never lose it, when both dial at once", async () => {
    for (let round = 0; round < 12; round++) {
      const sides = await pair([{}, {}], round % 2 === 0 ? [1, 2] : [2, 1]);
      for (const { session } of sides) session.start();
      await established(...sides);
      for (const { session, recorder } of sides) session.send(Buffer.concat(updates(sessionOf(recorder), 1)), 1);
      await until(() => sides.every(({ recorder }) => recorder.updates === 1), "an UPDATE each way");
      for (const { recorder } of sides) expect(recorder.events).toEqual(["established", "update"]);
      await Promise.all(sides.map(({ session }) => session.stop("restart")));
    }
  });

  test("the one that is shut down tells the other why, and the other says so", async () => {
    const [active, passive] = await pair([{}, { passive: true }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    const data = encodeShutdownCommunication("node drained");
    await passive.session.stop({ code: 6, subcode: 2, data });
    await until(() => active.recorder.downs.length === 1, "onDown");
    expect(active.recorder.downs[0]).toMatchObject({
      kind: "notification-received",
      notification: { code: 6, subcode: 2 },
    });
    expect(active.recorder.downs[0]?.text).toContain('"node drained"');
    expect(passive.recorder.downs[0]).toMatchObject({
      kind: "notification-sent",
      notification: { code: 6, subcode: 2 },
    });
    expect(passive.session.status().state).toBe("Idle");
  });

  test("speakers with graceful restart agree on the N bit, and a Hard Reset says what it is for", async () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const [active, passive] = await pair([{ gracefulRestart }, { passive: true, gracefulRestart }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    expect(sessionOf(active.recorder).gracefulRestart).toMatchObject({ restartTimeSec: 120, notification: true });
    await active.session.stop({ code: 6, subcode: 9, data: Uint8Array.of(6, 2) });
    await until(() => passive.recorder.downs.length === 1, "onDown");
    expect(passive.recorder.downs[0]?.notification).toEqual({ code: 6, subcode: 9 });
    expect(passive.recorder.downs[0]?.text).toContain("Administrative Shutdown");
  });

  test("a stop for a restart closes without a NOTIFICATION, and a start brings the session back", async () => {
    const [active, passive] = await pair([{}, { passive: true }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    await active.session.stop("restart");
    await until(() => passive.recorder.downs.length === 1, "onDown");
    expect(passive.recorder.downs[0]?.kind).toBe("tcp-closed");
    expect(active.recorder.downs[0]?.kind).toBe("administrative");
    active.session.start();
    await until(
      () => active.recorder.sessions.length === 2 && passive.recorder.sessions.length === 2,
      "Established again",
    );
  });

  test("a listener is never called from inside a call of its session", async () => {
    const [active, passive] = await pair([{}, { passive: true }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    active.recorder.isInside = true;
    const stopped = active.session.stop({ code: 6, subcode: 4, data: new Uint8Array(0) });
    active.recorder.isInside = false;
    expect(active.recorder.downs).toHaveLength(0);
    await stopped;
    expect(active.recorder.downs).toHaveLength(1);
  });

  test("a route refresh reaches the peer only for a family that was agreed on", async () => {
    const [active, passive] = await pair([{}, { passive: true }]);
    active.session.start();
    passive.session.start();
    await established(active, passive);
    expect(active.session.sendRouteRefresh("ipv6-unicast")).toBe(false);
    expect(active.session.sendRouteRefresh("ipv4-unicast")).toBe(true);
    await until(() => passive.recorder.events.includes("route-refresh"), "ROUTE-REFRESH");
  });
});

describe("a session that dials", () => {
  test("tries again after a refusal and says why it is not up", async () => {
    const { server, port } = await rawServer();
    server.close();
    const { session } = makeSession({ config: { passive: false, port } });
    cleanups.push(() => session.stop("restart"));
    session.start();
    await until(() => session.status().counters.connectAttempts >= 2, "a second dial");
    expect(session.status().lastReason).toMatchObject({ kind: "tcp-failed" });
    expect(session.status().lastReason?.text).toContain("connection refused");
  });

  test("is told by a local address that this host does not have", async () => {
    const { session } = makeSession({ config: { passive: false, localAddress: IpAddress.parse("192.0.2.77") } });
    cleanups.push(() => session.stop("restart"));
    session.start();
    await until(() => session.status().lastReason !== undefined, "a reason");
    expect(session.status().lastReason?.text).toContain("not an address of this host");
  });

  test("leaves no socket behind when it is stopped while it dials or has just connected", async () => {
    const { server, port, peers } = await rawServer();
    cleanups.push(() => server.close());
    const { session } = makeSession({ config: { passive: false, port } });
    session.start();
    await until(() => peers.length === 1, "the connection");
    await session.stop({ code: 6, subcode: 3, data: new Uint8Array(0) });
    await until(() => peers.every(({ ended }) => ended), "the end of all connections");
  });
});

describe("a second connection of an Established peer", () => {
  test("is refused with Cease 6/7 and the session stays", async () => {
    const { session, recorder } = makeSession();
    const listener = await listenFor("127.0.0.1", () => session);
    cleanups.push(
      () => listener.close(),
      () => session.stop("restart"),
    );
    session.start();
    const first = await RawPeer.dial(listener.port ?? 0);
    await first.establish();
    await until(() => recorder.sessions.length === 1, "Established");
    const second = await RawPeer.dial(listener.port ?? 0);
    await until(() => second.ended, "the refusal");
    expect(second.notification()).toBe("6/7");
    expect(recorder.downs).toHaveLength(0);
    first.socket.destroy();
  });

  test("replaces the first one if the peer can restart gracefully, once it is confirmed", async () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const { session, recorder } = makeSession({ config: { gracefulRestart } });
    const listener = await listenFor("127.0.0.1", () => session);
    cleanups.push(
      () => listener.close(),
      () => session.stop("restart"),
    );
    session.start();
    const first = await RawPeer.dial(listener.port ?? 0);
    await first.establish({ gracefulRestart });
    await until(() => recorder.sessions.length === 1, "Established");
    const second = await RawPeer.dial(listener.port ?? 0);
    await until(() => second.has("open"), "our OPEN on the new connection");
    expect(recorder.downs).toHaveLength(0);
    await second.establish({ gracefulRestart });
    await until(() => recorder.sessions.length === 2, "Established on the new connection");
    expect(recorder.events).toEqual(["established", "down tcp-closed", "established"]);
    await until(() => first.ended, "the end of the old connection");
    expect(first.notification()).toBeUndefined();
    second.socket.destroy();
  });
});
