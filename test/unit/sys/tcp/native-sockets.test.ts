import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { Secret } from "../../../../src/core/secret.ts";
import type { TcpConnection, TcpKey, TcpListener, TcpOptions } from "../../../../src/core/tcp.ts";
import { nativeSockets } from "../../../../src/sys/tcp/native-sockets.ts";
import { kernelHasIpv6, kernelHasMd5 } from "../../../support/kernel-features.ts";
import { echoTo, TcpEnd } from "../../../support/tcp-ends.ts";

const md5 = (password: string): TcpKey => ({ kind: "md5", password: new Secret(password) });

/** The kernel gives up a SYN that stays without an answer after its first repetition. */
const impatient = { userTimeoutMs: 300 };

const listeners: TcpListener[] = [];
const connections: TcpConnection[] = [];
afterEach(() => {
  for (const connection of connections.splice(0)) connection.destroy();
  for (const listener of listeners.splice(0)) listener.close();
});

/** A listener that echoes, with what it accepted. */
async function echo(
  address?: string,
  options: TcpOptions = {},
): Promise<{ listener: TcpListener; accepted: TcpConnection[] }> {
  const accepted: TcpConnection[] = [];
  const listener = await nativeSockets.listen({
    ...(address !== undefined && { address }),
    port: 0,
    backlog: 64,
    onConnection: (connection) => {
      connections.push(connection);
      accepted.push(connection);
      nativeSockets.prepare(connection, options);
      echoTo(connection);
    },
    onError: () => {},
  });
  listeners.push(listener);
  return { listener, accepted };
}

async function dial(
  port: number,
  options: TcpOptions = {},
  address = "127.0.0.1",
  localAddress?: string,
): Promise<TcpEnd> {
  const request = { address, port, options, ...(localAddress !== undefined && { localAddress }) };
  const connection = await nativeSockets.dial(request, new AbortController().signal);
  connections.push(connection);
  return new TcpEnd(connection);
}

describe.skipIf(!kernelHasMd5)("a listener with a TCP MD5 password", () => {
  test("lets in who has it, and nobody else", async () => {
    const { listener, accepted } = await echo("127.0.0.1");
    listener.setKey({ address: "127.0.0.1" }, md5("right"));
    expect(await (await dial(listener.port, { key: md5("right") })).says("hello")).toBe("hello");
    for (const options of [{ key: md5("wrong") }, {}])
      await expect(dial(listener.port, { ...options, ...impatient })).rejects.toMatchObject({ code: "ETIMEDOUT" });
    expect(accepted).toHaveLength(1);
  });

  test("leaves others alone, and those of the same address after it is taken off", async () => {
    const { listener } = await echo("127.0.0.1");
    listener.setKey({ address: "127.0.0.1" }, md5("right"));
    expect(await (await dial(listener.port, {}, "127.0.0.1", "127.0.0.7")).says("other")).toBe("other");
    const protectedOne = await dial(listener.port, { key: md5("right") });
    listener.setKey({ address: "127.0.0.1" }, undefined);
    expect(await (await dial(listener.port)).says("plain")).toBe("plain");
    expect(await protectedOne.says("still here")).toBe("still here");
  });

  test("takes another one without the loss of a live connection", async () => {
    const { listener } = await echo("127.0.0.1");
    listener.setKey({ address: "127.0.0.1" }, md5("old"));
    const live = await dial(listener.port, { key: md5("old") });
    listener.setKey({ address: "127.0.0.1" }, md5("new"));
    await expect(dial(listener.port, { key: md5("old"), ...impatient })).rejects.toMatchObject({ code: "ETIMEDOUT" });
    expect(await (await dial(listener.port, { key: md5("new") })).says("new")).toBe("new");
    expect(await live.says("old")).toBe("old");
  });

  test.skipIf(!kernelHasIpv6)("asks a whole prefix for it, over both families of one socket", async () => {
    const { listener } = await echo();
    listener.setKey({ address: "127.8.0.0", prefixLength: 16 }, md5("four"));
    listener.setKey({ address: "::1" }, md5("six"));
    expect(await (await dial(listener.port, { key: md5("four") }, "127.0.0.1", "127.8.3.4")).says("4")).toBe("4");
    expect(await (await dial(listener.port, { key: md5("six") }, "::1")).says("6")).toBe("6");
    const plain = dial(listener.port, impatient, "127.0.0.1", "127.8.3.4");
    await expect(plain).rejects.toMatchObject({ code: "ETIMEDOUT" });
  });
});

test.skipIf(!kernelHasMd5)(
  "a live connection goes on when both ends change its password, and needs the new one",
  async () => {
    const { listener, accepted } = await echo();
    listener.setKey({ address: "127.0.0.1" }, md5("old"));
    const client = await dial(listener.port, { key: md5("old") });
    expect(await client.says("before")).toBe("before");
    const [server] = accepted;
    if (server === undefined) throw new Error("nothing was accepted");
    nativeSockets.changeKey(server, md5("new"));
    nativeSockets.changeKey(client.connection, md5("new"));
    expect(await client.says("after")).toBe("after");
  },
);

test.skipIf(!kernelHasMd5)(
  "an accepted connection gets its password even where the listener asked for none",
  async () => {
    const { listener, accepted } = await echo("127.0.0.1", { key: md5("late") });
    const client = await dial(listener.port, impatient);
    // What comes before is let through.
    while (accepted.length === 0) await nextTurn();
    await expect(client.says("hello")).rejects.toMatchObject({ code: "ETIMEDOUT" });
  },
);

describe("TTL security", () => {
  const addresses = kernelHasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"];

  test.each(addresses)("lets packets of the highest TTL through in both directions (%s)", async (address) => {
    const { listener } = await echo(address, { minimumTtl: 255 });
    expect(await (await dial(listener.port, { minimumTtl: 255 }, address)).says("near")).toBe("near");
  });

  test.each(addresses)("drops what comes from further away (%s)", async (address) => {
    const { listener, accepted } = await echo(address, { minimumTtl: 254 });
    const far = await dial(listener.port, { ttl: 253, ...impatient }, address);
    while (accepted.length === 0) await nextTurn();
    await expect(far.says("hello")).rejects.toMatchObject({ code: "ETIMEDOUT" });
  });
});

test("a dial leaves by its own address, port and device", async () => {
  const { listener, accepted } = await echo("127.0.0.1");
  const spare = await echo("127.0.0.9");
  const localPort = spare.listener.port;
  spare.listener.close();
  const request = { address: "127.0.0.1", port: listener.port, localAddress: "127.0.0.9", localPort };
  const connection = await nativeSockets.dial({ ...request, options: { device: "lo" } }, new AbortController().signal);
  connections.push(connection);
  expect(await new TcpEnd(connection).says("hello")).toBe("hello");
  expect(accepted[0]).toMatchObject({ remoteAddress: "127.0.0.9", remotePort: localPort });
  const away = nativeSockets.dial({ ...request, options: { device: "nothing0" } }, new AbortController().signal);
  await expect(away).rejects.toMatchObject({ code: "ENODEV" });
});

test.skipIf(!kernelHasMd5)("a dial does not take what happened to an earlier socket for its own answer", async () => {
  const { listener, accepted } = await echo("127.0.0.1");
  const silent = await echo("127.0.0.1");
  silent.listener.setKey({ address: "127.0.0.1" }, md5("nobody has it"));
  const earlier = await dial(listener.port);
  await earlier.says("hello");
  accepted[0]?.destroy();
  // The thread that waits for events has got this one, and the event loop has not.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  earlier.connection.destroy();
  await expect(dial(silent.listener.port, impatient)).rejects.toMatchObject({ code: "ETIMEDOUT" });
});

test("a dial that is given up leaves no socket behind", async () => {
  const { listener } = await echo("127.0.0.1");
  listener.setKey({ address: "127.0.0.1" }, md5("right"));
  const given = new AbortController();
  const dialled = nativeSockets.dial({ address: "127.0.0.1", port: listener.port, options: {} }, given.signal);
  given.abort();
  await expect(dialled).rejects.toThrow("given up");
});

test("a port that is taken is told by the system's code", async () => {
  const { listener } = await echo("127.0.0.1");
  const again = nativeSockets.listen({
    address: "127.0.0.1",
    port: listener.port,
    backlog: 1,
    onConnection: () => {},
    onError: () => {},
  });
  await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
});

describe("what no socket can have", () => {
  test.each([
    [{ ttl: 256 }, "ttl 256 must be from 1 to 255"],
    [{ minimumTtl: 0 }, "minimumTtl 0 must be from 1 to 255"],
    [{ device: "" }, '"" is no name of a network device: it must have 1 to 15 octets'],
    [{ userTimeoutMs: 0.5 }, "userTimeoutMs 0.5 must be a number of milliseconds above 0"],
    [{ key: md5("") }, "a TCP password has 1 to 80 octets, not 0"],
    [{ key: md5("x".repeat(81)) }, "a TCP password has 1 to 80 octets, not 81"],
    [
      { key: { kind: "ao", algorithm: "hmac-sha-1-96", password: new Secret("x"), sendId: 256, receiveId: 1 } },
      "sendId 256 of a TCP-AO key must be from 0 to 255",
    ],
  ] as const)("is refused before anything is opened: %j", (options, reason) => {
    expect(nativeSockets.refusal(options)).toBe(reason);
  });

  test.skipIf(!kernelHasMd5)("is nothing of what this machine has", () => {
    const options = { device: "eth0", ttl: 1, minimumTtl: 255, userTimeoutMs: 30_000, key: md5("x".repeat(80)) };
    expect(nativeSockets.refusal(options)).toBeUndefined();
  });
});

test("TCP-AO works, or is refused with the reason", async () => {
  const key: TcpKey = {
    kind: "ao",
    algorithm: "hmac-sha-1-96",
    password: new Secret("right"),
    sendId: 1,
    receiveId: 1,
  };
  const refusal = nativeSockets.refusal({ key });
  if (refusal !== undefined) {
    expect(refusal).toBe("this kernel has no TCP-AO (RFC 5925): it needs Linux 6.7 with CONFIG_TCP_AO");
    return;
  }
  const { listener } = await echo();
  listener.setKey({ address: "127.0.0.1" }, key);
  expect(await (await dial(listener.port, { key })).says("hello")).toBe("hello");
  await expect(dial(listener.port, impatient)).rejects.toMatchObject({ code: "ETIMEDOUT" });
  listener.setKey({ address: "127.0.0.1" }, undefined);
  expect(await (await dial(listener.port)).says("plain")).toBe("plain");
});
