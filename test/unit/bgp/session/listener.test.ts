import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { BgpError } from "../../../../src/bgp/errors.ts";
import { BgpListener } from "../../../../src/bgp/session/listener.ts";
import { plainSockets } from "../../../../src/bgp/session/plain-sockets.ts";
import { socketEnd } from "../../../../src/bgp/session/socket-address.ts";
import type { ListenPlace } from "../../../../src/bgp/types.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { nativeSockets } from "../../../../src/sys/tcp/native-sockets.ts";
import { RawPeer, until } from "./harness.ts";

const listeners: BgpListener[] = [];
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
});

function makeListener(known: (remote: IpAddress) => boolean, sockets = plainSockets): BgpListener {
  const listener = new BgpListener({
    sockets,
    clock: systemClock,
    logger: silentLogger,
    onConnection: ({ address }, socket) => {
      if (!known(address)) return false;
      socket.destroy();
      return true;
    },
  });
  listeners.push(listener);
  return listener;
}

function placeOf(addresses: readonly string[], port: number): ListenPlace {
  return { addresses: addresses.map((address) => IpAddress.parse(address)), port };
}

describe("BgpListener", () => {
  test("tells a stranger Cease 6/5 before it closes", async () => {
    const listener = makeListener(() => false);
    await listener.listen(placeOf(["127.0.0.1"], 0));
    const stranger = await RawPeer.dial(listener.port ?? 0);
    await until(() => stranger.ended, "the refusal");
    expect(stranger.notification()).toBe("6/5");
  });

  test("gives connections to the owner by address, also IPv4 ones of a dual-stack socket", async () => {
    const seen: string[] = [];
    const listener = makeListener((remote) => seen.push(remote.toString()) > 0);
    await listener.listen(placeOf([], 0));
    await RawPeer.dial(listener.port ?? 0);
    await until(() => seen.length === 1, "the connection");
    expect(seen).toEqual(["127.0.0.1"]);
  });

  test("listens on several addresses with one port, and on none if one of them fails", async () => {
    const listener = makeListener(() => false);
    await listener.listen(placeOf(["127.0.0.1", "127.0.0.9"], 0));
    const port = listener.port ?? 0;
    await RawPeer.dial(port, "127.0.0.9");
    const second = makeListener(() => false);
    const error = await second.listen(placeOf(["127.0.0.10", "127.0.0.9"], port)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BgpError);
    expect(error).toMatchObject({
      code: "LISTEN_FAILED",
      details: { address: "127.0.0.9", port, errno: "EADDRINUSE" },
      message: `can't listen for BGP on 127.0.0.9 port ${port}: another BGP speaker such as BIRD has it; stop that one or choose another listen port`,
    });
    expect(second.port).toBeUndefined();
    await expect(RawPeer.dial(port, "127.0.0.10")).rejects.toThrow("ECONNREFUSED");
  });

  test.each([
    ["native", nativeSockets],
    ["plain", plainSockets],
  ])("has room for 500 peers that connect in one moment (%s sockets)", async (_name, sockets) => {
    // The kernel's own limit, which may be lower than what we ask for.
    const count = Math.min(500, Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8")));
    let accepted = 0;
    const listener = makeListener(() => ++accepted > 0, sockets);
    await listener.listen(placeOf(["127.0.0.1"], 0));
    const request = { address: "127.0.0.1", port: listener.port ?? 0, options: { userTimeoutMs: 300 } };
    // All of them before the first can be accepted; one that found no room would repeat its SYN after a second and give up.
    const dials = Array.from({ length: count }, () => nativeSockets.dial(request, new AbortController().signal));
    for (const socket of await Promise.all(dials)) socket.destroy();
    await until(() => accepted === count, "the last connection");
  });

  test("gives others their turn while many peers connect in one moment", async () => {
    const seen: string[] = [];
    const listener = makeListener(() => seen.push("peer") > 0);
    await listener.listen(placeOf(["127.0.0.1"], 0));
    const request = { address: "127.0.0.1", port: listener.port ?? 0, options: {} };
    const dials = Array.from({ length: 200 }, () => nativeSockets.dial(request, new AbortController().signal));
    let isOver = false;
    const others = () => {
      if (seen.at(-1) === "peer") seen.push("others");
      if (!isOver) setImmediate(others);
    };
    others();
    for (const socket of await Promise.all(dials)) socket.destroy();
    await until(() => seen.filter((who) => who === "peer").length === 200, "the last connection");
    isOver = true;
    const longest = Math.max(
      ...seen
        .join(" ")
        .split("others")
        .map((run) => run.trim().split(" ").length),
    );
    // Node accepts one per turn; what counts is that nobody has to wait for all of them.
    expect(longest).toBeLessThanOrEqual(32);
  });

  test("says what to do about an address that is not this host's", async () => {
    const error = await makeListener(() => false)
      .listen(placeOf(["192.0.2.77"], 0))
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "LISTEN_FAILED", details: { errno: "EADDRNOTAVAIL" } });
    expect(String(error)).toContain("192.0.2.77");
  });
});

describe("socketEnd", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1", undefined],
    ["::ffff:10.0.0.1", "10.0.0.1", undefined],
    ["fd00::1", "fd00::1", undefined],
    ["fe80::1%eth0", "fe80::1", "eth0"],
  ])("reads %s as %s on device %s", (text, address, device) => {
    const end = socketEnd(text);
    expect(end?.address.toString()).toBe(address);
    expect(end?.device).toBe(device);
  });

  test("has no address for a socket that is gone", () => {
    expect(socketEnd(undefined)).toBeUndefined();
  });
});
