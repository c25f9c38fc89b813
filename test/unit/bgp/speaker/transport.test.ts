import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { BgpError } from "../../../../src/bgp/errors.ts";
import type { PeerConfig, PeerTransport } from "../../../../src/bgp/types.ts";
import { Secret } from "../../../../src/core/secret.ts";
import { nativeSockets } from "../../../../src/sys/tcp/native-sockets.ts";
import { addressOf } from "../../../support/bgp.ts";
import { kernelHasMd5 } from "../../../support/kernel-features.ts";
import {
  freePort,
  freshAddress,
  makeSpeaker,
  originate,
  peering,
  type TestSpeaker,
  tableOf,
} from "../../../support/speakers.ts";
import { until } from "../session/harness.ts";

const withPassword = (password: string): PeerTransport => ({ key: { kind: "md5", password: new Secret(password) } });

const states = (test: TestSpeaker): string[] => test.speaker.peers().map(({ state }) => state);

const isUp = (test: TestSpeaker, count = 1): boolean =>
  states(test).filter((state) => state === "Established").length === count;

/** Two speakers with sockets that have all options; `connect` gives both the same idea of their session. */
async function makePair(sockets = nativeSockets): Promise<{
  left: TestSpeaker;
  right: TestSpeaker;
  connect: (left: Partial<PeerConfig>, right: Partial<PeerConfig>) => void;
}> {
  const port = await freePort();
  const [left, right] = [0, 1].map(() => makeSpeaker(port, {}, freshAddress(), sockets));
  if (left === undefined || right === undefined) throw new Error("no speakers");
  await Promise.all([left.speaker.start(), right.speaker.start()]);
  return {
    left,
    right,
    connect: (toRight, toLeft) => {
      left.speaker.setPeers([peering(left, right, port, toRight)]);
      right.speaker.setPeers([peering(right, left, port, toLeft)]);
    },
  };
}

describe.skipIf(!kernelHasMd5)("a TCP password", () => {
  test.each([true, false])("opens a session whichever side dials (passive %s)", async (passive) => {
    const { left, right, connect } = await makePair();
    connect({ transport: withPassword("one"), passive }, { transport: withPassword("one"), passive: !passive });
    originate(left, "10.1.0.0/24");
    await until(() => "10.1.0.0/24" in tableOf(right), "the route");
    expect(tableOf(right)["10.1.0.0/24"]).toBe(left.nextHop);
  });

  test("keeps out a peer that has none, until it gets one", async () => {
    const { left, right, connect } = await makePair();
    connect({ transport: withPassword("one"), passive: true }, {});
    await until(() => (right.speaker.peers()[0]?.counters.connectAttempts ?? 0) > 1, "a second dial in vain");
    expect(states(left)).toEqual(["Active"]);
    connect({ transport: withPassword("one"), passive: true }, { transport: withPassword("one") });
    await until(() => isUp(left) && isUp(right), "the session");
  });

  test("changes on both sides without the loss of the session, which goes on with the new one", async () => {
    const changed: string[] = [];
    const { left, right, connect } = await makePair({
      ...nativeSockets,
      changeKey: (socket, key) => {
        changed.push(key.password.reveal());
        nativeSockets.changeKey(socket, key);
      },
    });
    connect({ transport: withPassword("one"), passive: true }, { transport: withPassword("one") });
    await until(() => isUp(left) && isUp(right), "the session");
    connect({ transport: withPassword("two"), passive: true }, { transport: withPassword("two") });
    originate(left, "10.1.0.0/24");
    await until(() => "10.1.0.0/24" in tableOf(right), "the route");
    for (const test of [left, right]) expect(test.states).toHaveLength(1);
    expect(changed).toEqual(["two", "two"]);
  });

  test("that comes or goes begins a new session with what both have now", async () => {
    const { left, right, connect } = await makePair();
    connect({ passive: true }, {});
    await until(() => isUp(left) && isUp(right), "the session without");
    connect({ transport: withPassword("one"), passive: true }, { transport: withPassword("one") });
    await until(() => isUp(left) && isUp(right), "the session with it");
    connect({ passive: true }, {});
    await until(() => isUp(left) && isUp(right), "the session without");
  });

  test("stands in no status", async () => {
    const { left, right, connect } = await makePair();
    connect({ transport: withPassword("hunter2"), passive: true }, { transport: withPassword("hunter2") });
    await until(() => isUp(left) && isUp(right), "the session");
    expect(JSON.stringify(left.speaker.peers())).not.toContain("hunter2");
    expect(inspect(left.speaker.peers(), { depth: 20 })).not.toContain("hunter2");
  });
});

test("TTL security and a bound device let near peers in", async () => {
  const { left, right, connect } = await makePair();
  connect({ transport: { minimumTtl: 255, device: "lo" } }, { transport: { minimumTtl: 255, device: "lo" } });
  await until(() => isUp(left) && isUp(right), "the session");
});

describe("peers that no socket can be made for", () => {
  const attempt = (transport: PeerTransport, peer: Partial<PeerConfig> = {}): unknown => {
    const plain = makeSpeaker(1790);
    try {
      plain.speaker.setPeers([peering(plain, makeSpeaker(1790), 1790, { ...peer, transport })]);
      return undefined;
    } catch (error) {
      expect(plain.speaker.peers()).toEqual([]);
      return error;
    }
  };

  test("are refused with the peer's name and what is missing, and never the password", () => {
    const error = attempt(withPassword("hunter2"), { name: "tor" });
    expect(error).toBeInstanceOf(BgpError);
    expect(error).toMatchObject({
      code: "UNSUPPORTED_TRANSPORT",
      message: "peer tor: key: plain sockets of node have no such option",
    });
    expect(inspect(error)).not.toContain("hunter2");
  });

  test("are those with a link-local address and no device", () => {
    expect(String(attempt({}, { name: "tor", address: addressOf("fe80::1") }))).toContain(
      "peer tor: fe80::1 is a link-local address and needs the device that it is on",
    );
    expect(attempt({ device: "eth0" }, { address: addressOf("fe80::1") })).toBeUndefined();
  });
});

test("the listening place moves without the loss of a session", async () => {
  const { left, right, connect } = await makePair();
  connect({ passive: true }, {});
  await until(() => isUp(left) && isUp(right), "the session");
  const port = await freePort();
  await left.speaker.listen({ addresses: [addressOf(left.address)], port });
  const late = makeSpeaker(port, {}, freshAddress(), nativeSockets);
  await late.speaker.start();
  late.speaker.setPeers([peering(late, left, port)]);
  left.speaker.setPeers([
    ...left.speaker.peers().map(({ config }) => config),
    peering(left, late, port, { passive: true }),
  ]);
  await until(() => isUp(left, 2) && isUp(late), "the session at the new place");
  expect(right.states).toHaveLength(1);
  const taken = left.speaker.listen({ addresses: [addressOf("192.0.2.77")], port });
  await expect(taken).rejects.toMatchObject({ code: "LISTEN_FAILED" });
});
