import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeKeepalive } from "../../../../src/bgp/packet/keepalive.ts";
import { encodeNotification } from "../../../../src/bgp/packet/notification.ts";
import { encodeEndOfRib } from "../../../../src/bgp/packet/update-encode.ts";
import type { BgpListener } from "../../../../src/bgp/session/listener.ts";
import type { PeerSession } from "../../../../src/bgp/session/peer-session.ts";
import { FakeClock } from "../../fib/fake-clock.ts";
import { listenFor, makeSession, RawPeer, type Recorder, until } from "./harness.ts";

let clock: FakeClock;
let session: PeerSession;
let recorder: Recorder;
let listener: BgpListener;
const peers: RawPeer[] = [];

beforeEach(async () => {
  clock = new FakeClock();
  ({ session, recorder } = makeSession({ clock }));
  listener = await listenFor("127.0.0.1", () => session);
  session.start();
});

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  await listener.close();
  await session.stop("restart");
});

async function dial(): Promise<RawPeer> {
  const peer = await RawPeer.dial(listener.port ?? 0);
  peers.push(peer);
  await until(() => peer.has("open") || peer.ended, "the session's OPEN");
  return peer;
}

async function establish(): Promise<RawPeer> {
  const peer = await dial();
  await peer.establish();
  await until(() => recorder.sessions.length > 0, "Established");
  return peer;
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

const marker = "ff".repeat(16);
const unexpectedUpdate = hex(`${marker} 0017 02 0000 0000`);

describe("octets that are no BGP get the NOTIFICATION they deserve, and the session lives on", () => {
  const beforeOpen: readonly { readonly title: string; readonly octets: Uint8Array; readonly answer: string }[] = [
    { title: "a marker that is not all ones", octets: hex(`00${"ff".repeat(15)} 0013 04`), answer: "1/1" },
    { title: "a length below the header's", octets: hex(`${marker} 0012 04`), answer: "1/2" },
    { title: "a length of 65535", octets: hex(`${marker} ffff 02`), answer: "1/2" },
    { title: "a KEEPALIVE of 20 octets", octets: hex(`${marker} 0014 04 00`), answer: "1/2" },
    { title: "an unknown message type", octets: hex(`${marker} 0013 06`), answer: "1/3" },
    { title: "text", octets: new TextEncoder().encode("GET / HTTP/1.1\r\nHost: bgp\r\n\r\n"), answer: "1/1" },
    { title: "version 3", octets: hex(`${marker} 001d 01 03 fc00 005a 0a000002 00`), answer: "2/1" },
    {
      title: "an OPEN whose parameters end early",
      octets: hex(`${marker} 001e 01 04 fc00 005a 0a000002 01 02`),
      answer: "2/0",
    },
    { title: "hold time 1", octets: hex(`${marker} 001d 01 04 fc00 0001 0a000002 00`), answer: "2/6" },
    { title: "identifier 0", octets: hex(`${marker} 001d 01 04 fc00 005a 00000000 00`), answer: "2/3" },
    { title: "another AS than configured", octets: hex(`${marker} 001d 01 04 fc01 005a 0a000002 00`), answer: "2/2" },
    { title: "our own identifier in our AS", octets: hex(`${marker} 001d 01 04 fc00 005a 0a000001 00`), answer: "2/3" },
    { title: "a KEEPALIVE before the OPEN", octets: encodeKeepalive(), answer: "5/1" },
    { title: "an UPDATE before the OPEN", octets: unexpectedUpdate, answer: "5/1" },
    { title: "a broken UPDATE before the OPEN", octets: hex(`${marker} 0017 02 ffff ffff`), answer: "5/1" },
  ];
  for (const { title, octets, answer } of beforeOpen)
    test(`${title}: ${answer}`, async () => {
      const peer = await dial();
      peer.socket.write(octets);
      await until(() => peer.ended, "the end of the connection");
      expect(peer.notification()).toBe(answer);
      expect(session.status().lastReason?.notification).toEqual({
        code: Number(answer[0]),
        subcode: Number(answer[2]),
      });
      expect(recorder.events).toEqual([]);
      clock.advance(5_000);
      await (await dial()).establish();
      await until(() => recorder.sessions.length === 1, "Established after all");
    });

  const afterEstablished = [
    { title: "a second OPEN", octets: (peer: RawPeer) => peer.open(), answer: "5/3" },
    { title: "a broken OPEN", octets: () => hex(`${marker} 001d 01 03 fc00 005a 0a000002 00`), answer: "5/3" },
    { title: "an UPDATE whose lengths overrun", octets: () => hex(`${marker} 0017 02 ffff 0000`), answer: "3/1" },
  ];
  for (const { title, octets, answer } of afterEstablished)
    test(`${title} in Established: ${answer}`, async () => {
      const peer = await establish();
      peer.socket.write(octets(peer));
      await until(() => peer.ended, "the end of the connection");
      expect(peer.notification()).toBe(answer);
      expect(recorder.events).toEqual(["established", "down notification-sent"]);
    });

  test("an UPDATE in OpenConfirm: 5/2", async () => {
    const peer = await dial();
    peer.socket.write(peer.open());
    peer.socket.write(unexpectedUpdate);
    await until(() => peer.ended, "the end of the connection");
    expect(peer.notification()).toBe("5/2");
  });

  test("a NOTIFICATION is never answered with one", async () => {
    const peer = await establish();
    peer.socket.write(encodeNotification({ code: 6, subcode: 4, data: new Uint8Array([9, 65]) }));
    await until(() => peer.ended, "the end of the connection");
    expect(peer.has("notification")).toBe(false);
    expect(recorder.downs[0]).toMatchObject({ kind: "notification-received", notification: { code: 6, subcode: 4 } });
  });

  test("a peer in error wait is told Cease 6/5 and not left in silence", async () => {
    const peer = await dial();
    peer.socket.write(encodeKeepalive());
    await until(() => peer.ended, "the end of the connection");
    expect(session.status().state).toBe("Idle");
    const next = await RawPeer.dial(listener.port ?? 0);
    peers.push(next);
    await until(() => next.ended, "the refusal");
    expect(next.notification()).toBe("6/5");
  });
});

describe("TCP", () => {
  test("may cut the octets anywhere", async () => {
    const peer = await dial();
    const stream = Buffer.concat([
      peer.open(),
      encodeKeepalive(),
      encodeEndOfRib("ipv4-unicast"),
      encodeKeepalive(),
      encodeEndOfRib("ipv4-unicast"),
    ]);
    for (const octet of stream) {
      await new Promise((resolve) => peer.socket.write(Uint8Array.of(octet), resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => recorder.updates === 2, "both UPDATEs");
    expect(recorder.events).toEqual(["established", "update", "update"]);
  });

  test("that closes in the middle of a message ends the session and nothing else", async () => {
    const peer = await establish();
    peer.socket.end(encodeEndOfRib("ipv4-unicast").subarray(0, 20));
    await until(() => recorder.downs.length === 1, "onDown");
    expect(recorder.downs[0]?.kind).toBe("tcp-closed");
  });

  test("that is reset ends the session as failed", async () => {
    const peer = await establish();
    peer.socket.resetAndDestroy();
    await until(() => recorder.downs.length === 1, "onDown");
    expect(recorder.downs[0]).toMatchObject({ kind: "tcp-failed", text: "the peer reset the connection" });
  });

  test("that closes right after a NOTIFICATION does not hide it, nor the UPDATEs before it", async () => {
    const peer = await establish();
    const eor = encodeEndOfRib("ipv4-unicast");
    peer.socket.end(
      Buffer.concat([
        ...Array.from({ length: 1000 }, () => eor),
        encodeNotification({ code: 6, subcode: 2, data: eor }),
      ]),
    );
    await until(() => recorder.downs.length === 1, "onDown");
    expect(recorder.updates).toBe(1000);
    expect(recorder.downs[0]?.kind).toBe("notification-received");
  });

  test("carries our last NOTIFICATION to a peer in the middle of a flood", async () => {
    const peer = await establish();
    const before = session.status().counters.messagesReceived;
    peer.socket.write(Buffer.concat(Array.from({ length: 100_000 }, () => encodeKeepalive())));
    await until(() => session.status().counters.messagesReceived > before + 100, "the flood");
    // The clock stands still: the stop ends only if both sides close in good order.
    await session.stop({ code: 6, subcode: 2, data: new Uint8Array(0) });
    await until(() => peer.notification() === "6/2", "the NOTIFICATION");
    expect(session.status().counters.messagesReceived).toBeLessThan(before + 100_000);
  });
});

describe("time", () => {
  test("keepalives go out within the third of the hold time and silence ends the session with 4/0", async () => {
    const peer = await establish();
    const before = peer.received.filter(({ type }) => type === "keepalive").length;
    clock.advance(30_000);
    await until(() => peer.received.filter(({ type }) => type === "keepalive").length > before, "a KEEPALIVE");
    clock.advance(60_000);
    await until(() => peer.ended, "the end of the connection");
    expect(peer.notification()).toBe("4/0");
    expect(recorder.downs[0]?.kind).toBe("hold-timer-expired");
  });

  test("any message keeps the session alive", async () => {
    const peer = await establish();
    for (let round = 1; round <= 5; round++) {
      clock.advance(80_000);
      const { messagesReceived } = session.status().counters;
      peer.socket.write(round % 2 === 0 ? encodeKeepalive() : encodeEndOfRib("ipv4-unicast"));
      await until(() => session.status().counters.messagesReceived > messagesReceived, "the message");
    }
    expect(recorder.downs).toEqual([]);
  });

  test("octets that a late event loop has not read yet count as heard", async () => {
    const peer = await establish();
    const { messagesReceived } = session.status().counters;
    // Goes to the kernel at once; the event loop would tell the session's socket only in its next turn.
    peer.socket.write(encodeKeepalive());
    clock.advance(90_000);
    await until(() => session.status().counters.messagesReceived > messagesReceived, "the KEEPALIVE");
    expect(session.status().state).toBe("Established");
    clock.advance(90_000);
    await until(() => recorder.downs.length === 1, "the end by silence");
  });

  test("half a message gives ten more seconds, not a new hold time", async () => {
    const peer = await establish();
    peer.socket.write(encodeKeepalive().subarray(0, 7));
    clock.advance(90_000);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(session.status().state).toBe("Established");
    clock.advance(10_000);
    await until(() => recorder.downs.length === 1, "the end by silence");
  });

  test("a peer that never sends its OPEN is dropped after four minutes with 4/0", async () => {
    const peer = await dial();
    clock.advance(239_000);
    expect(session.status().state).toBe("OpenSent");
    clock.advance(1_000);
    await until(() => peer.ended, "the end of the connection");
    expect(peer.notification()).toBe("4/0");
  });

  test("hold time 0 means no keepalives and no end by silence", async () => {
    const peer = await dial();
    peer.socket.write(peer.open({ holdTimeSec: 0 }));
    peer.socket.write(encodeKeepalive());
    await until(() => recorder.sessions.length === 1, "Established");
    const sent = session.status().counters.messagesSent;
    clock.advance(10 * 3_600_000);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(session.status()).toMatchObject({ state: "Established", counters: { messagesSent: sent } });
  });
});

describe("a peer that does not read", () => {
  /** Sends until the session says that it is too much, and then until the kernel takes no more. */
  async function fill(): Promise<number> {
    const chunk = Buffer.concat(Array.from({ length: 1000 }, () => encodeEndOfRib("ipv4-unicast")));
    let sent = 0;
    for (let refused = 0; refused < 3; ) {
      refused = session.send(chunk, 1000) ? 0 : refused + 1;
      sent += 1000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return sent;
  }

  test("makes send say so; when it reads again the owner may go on and nothing is lost", async () => {
    const peer = await establish();
    peer.socket.pause();
    const sent = await fill();
    expect(recorder.writable).toBe(0);
    peer.socket.resume();
    await until(() => recorder.writable === 1, "onWritable");
    await until(() => peer.received.filter(({ type }) => type === "update").length === sent, "all UPDATEs");
  });

  test("is given up by the send hold timer after eight minutes, although it keeps the session alive", async () => {
    const peer = await establish();
    peer.socket.pause();
    await fill();
    for (let minute = 0; minute < 8; minute++) {
      expect(recorder.downs).toEqual([]);
      const { messagesReceived } = session.status().counters;
      peer.socket.write(encodeKeepalive());
      await until(() => session.status().counters.messagesReceived > messagesReceived, "the KEEPALIVE");
      clock.advance(60_000);
    }
    await until(() => recorder.downs.length === 1, "onDown");
    expect(recorder.downs[0]?.kind).toBe("send-hold-timer-expired");
    expect(session.status().state).toBe("Idle");
    // The NOTIFICATION can't be flushed; the socket goes all the same, or the stop would never end.
    clock.advance(5_000);
    await session.stop("restart");
  });
});
