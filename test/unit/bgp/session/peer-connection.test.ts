import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { encodeKeepalive } from "../../../../src/bgp/packet/keepalive.ts";
import type { BgpMessage } from "../../../../src/bgp/packet/message.ts";
import { encodeNotification } from "../../../../src/bgp/packet/notification.ts";
import { encodeEndOfRib, encodeUpdates } from "../../../../src/bgp/packet/update-encode.ts";
import { PeerConnection, type PeerConnectionHandler } from "../../../../src/bgp/session/peer-connection.ts";
import { TimerTable } from "../../../../src/bgp/session/timer-table.ts";
import { type Clock, systemClock } from "../../../../src/core/clock.ts";
import { NodeConnection } from "../../../../src/core/tcp-node.ts";
import { contextOf, prefixOf } from "../../../support/bgp.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";
import { FakeClock } from "../../fib/fake-clock.ts";
import { until } from "./harness.ts";

type TakeUpdates = PeerConnectionHandler["takeUpdates"];

function makeConnection(clock: Clock = systemClock, takeUpdates: TakeUpdates = (_, start) => start) {
  const heard: string[] = [];
  const socket = new Socket();
  const connection = new PeerConnection(new NodeConnection(socket), clock, {
    onMessage: (message: BgpMessage) => heard.push(message.type),
    onMalformed: (error) => heard.push(`malformed ${error.code}/${error.subcode}`),
    onLost: (kind) => heard.push(kind),
    onWriteState: () => {},
    takeUpdates,
    onUpdatesTaken: () => heard.push("taken"),
    onWritable: () => {},
  });
  return { heard, socket, connection };
}

const withdrawalOf = (prefix: string) =>
  ({ family: "ipv4-unicast", nlri: [{ prefix: prefixOf(prefix), pathId: 0 }] }) as const;

describe("PeerConnection", () => {
  test("hears the same messages however TCP cuts the octets in two", () => {
    const stream = Buffer.concat([
      encodeKeepalive(),
      encodeEndOfRib("ipv6-unicast"),
      encodeNotification({ code: 6, subcode: 2, data: new Uint8Array(30) }),
    ]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const { heard, socket } = makeConnection(new ManualClock());
      socket.emit("data", stream.subarray(0, cut));
      socket.emit("data", stream.subarray(cut));
      expect(heard).toEqual(["keepalive", "update", "notification"]);
    }
  });

  test("offers each UPDATE where it lies just once and in its turn, however TCP cuts the octets in two", () => {
    const session = contextOf("ebgp");
    const messages = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"].map((prefix) =>
      Buffer.concat(encodeUpdates({ withdrawals: [withdrawalOf(prefix)], announcements: [] }, session)),
    );
    const [first = Buffer.alloc(0), second = Buffer.alloc(0), third = Buffer.alloc(0)] = messages;
    const keepalive = encodeKeepalive();
    const stream = Buffer.concat([first, keepalive, second, third, keepalive]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const offered: string[] = [];
      const { heard, socket, connection } = makeConnection(new ManualClock(), (octets, start, end) => {
        for (const message of messages) {
          if (end - start < message.length || message.compare(octets, start, start + message.length) !== 0) continue;
          offered.push(`${messages.indexOf(message)}`);
          return start + message.length;
        }
        return start;
      });
      connection.useContext(session, 4096);
      // The same memory for both.
      const memory = Buffer.from(stream.subarray(0, cut));
      socket.emit("data", memory);
      memory.fill(0);
      socket.emit("data", stream.subarray(cut));
      expect(offered).toEqual(["0", "1", "2"]);
      expect(heard.filter((what) => what !== "taken")).toEqual(["keepalive", "keepalive"]);
      expect(heard.slice(0, 2)).toEqual(["taken", "keepalive"]);
      expect(heard.slice(-2)).toEqual(["taken", "keepalive"]);
    }
  });

  test("lets other work in between the messages of one big chunk, and reads no more meanwhile", async () => {
    const { heard, socket, connection } = makeConnection();
    const total = 3_000;
    socket.emit("data", Buffer.concat(Array.from({ length: total }, () => encodeKeepalive())));
    expect(heard.length).toBeLessThanOrEqual(64);
    expect(socket.isPaused()).toBe(true);
    expect(connection.hasBacklog).toBe(true);
    let turns = 0;
    for (; heard.length < total; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(turns).toBeGreaterThan(20);
    await until(() => !socket.isPaused(), "reading again");
    expect(connection.hasBacklog).toBe(false);
  });

  test("lets other work in between the octets of one big chunk that need not be decoded, however fast they are taken", () => {
    const session = contextOf("ebgp");
    let taken = 0;
    // No time passes.
    const { socket, connection } = makeConnection(new ManualClock(), (_, start, end) => {
      taken += end - start;
      return end;
    });
    connection.useContext(session, 4096);
    socket.emit("data", Buffer.alloc(2 * 1024 * 1024));
    expect(taken).toBeGreaterThan(200 * 1024);
    expect(taken).toBeLessThan(400 * 1024);
    expect(connection.hasBacklog).toBe(true);
  });

  test("says what the peer said before it says that the peer is gone", async () => {
    const { heard, socket } = makeConnection();
    socket.emit("data", Buffer.concat(Array.from({ length: 500 }, () => encodeKeepalive())));
    socket.emit("error", new Error("reset"));
    expect(heard).not.toContain("tcp-failed");
    await until(() => heard.length === 501, "all messages and the loss");
    expect(heard.at(-1)).toBe("tcp-failed");
  });

  test("says nothing after a broken message, nor after it was closed", async () => {
    const broken = makeConnection();
    broken.socket.emit("data", Buffer.concat([new Uint8Array(19), encodeKeepalive()]));
    broken.socket.emit("close");
    expect(broken.heard).toEqual(["malformed 1/1"]);
    const closed = makeConnection();
    closed.socket.emit("data", Buffer.concat(Array.from({ length: 100 }, () => encodeKeepalive())));
    const before = closed.heard.length;
    const gone = closed.connection.close(undefined);
    closed.socket.destroy();
    await gone;
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed.heard).toHaveLength(before);
  });
});

describe("TimerTable", () => {
  test("fires at the last time it was armed for, earlier or later than before", () => {
    const clock = new FakeClock();
    const fired: string[] = [];
    const timers = new TimerTable<"hold" | "keepalive">(clock, (name) => fired.push(`${name} ${clock.monotonicMs()}`));
    timers.arm("hold", 100);
    clock.advance(60);
    timers.arm("hold", 100);
    timers.arm("keepalive", 90);
    timers.arm("keepalive", 10);
    clock.advance(99);
    expect(fired).toEqual(["keepalive 70"]);
    expect(timers.isArmed("hold")).toBe(true);
    clock.advance(1);
    expect(fired).toEqual(["keepalive 70", "hold 160"]);
    expect(timers.isArmed("hold")).toBe(false);
  });

  test("never fires what was cancelled", () => {
    const clock = new FakeClock();
    const timers = new TimerTable<"hold" | "keepalive">(clock, () => expect.unreachable());
    timers.arm("hold", 10);
    timers.arm("keepalive", 10);
    timers.cancel("hold");
    timers.cancelAll();
    clock.advance(100);
  });
});
