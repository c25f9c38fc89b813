import { describe, expect, test } from "vitest";
import { encodeKeepalive } from "../../../../src/bgp/packet/keepalive.ts";
import type { PeerRange } from "../../../../src/bgp/types.ts";
import { Secret } from "../../../../src/core/secret.ts";
import type { TcpKey } from "../../../../src/core/tcp.ts";
import { nativeSockets } from "../../../../src/sys/tcp/native-sockets.ts";
import { addressOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
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
import { RawPeer, until } from "../session/harness.ts";

const md5 = (password: string): TcpKey => ({ kind: "md5", password: new Secret(password) });

const one = (asNumber: number) => [{ first: asNumber, last: asNumber }];

/** All that peers of the test's own network are, beside what a test says. */
function rangeOf(hub: TestSpeaker, changes: Partial<PeerRange> = {}): PeerRange {
  const {
    name: _name,
    address: _address,
    port: _port,
    remoteAs: _as,
    passive: _passive,
    ...template
  } = peerConfigOf(
    { name: "", address: hub.address, port: 0 },
    { localAddress: addressOf(hub.address), holdTimeSec: 90 },
  );
  const prefix = prefixOf(hub.address.replace(/\.\d+$/, ".0/24"));
  return { name: "lan", prefix, remoteAs: one(64512), limit: 10, template, ...changes };
}

async function makeHub(
  changes: Partial<PeerRange> = {},
): Promise<{ hub: TestSpeaker; port: number; range: PeerRange }> {
  const port = await freePort();
  const hub = makeSpeaker(port, {}, freshAddress(), nativeSockets);
  const range = rangeOf(hub, changes);
  await hub.speaker.start();
  hub.speaker.setPeerRanges([range]);
  return { hub, port, range };
}

/** A speaker that dials the hub. */
async function join(hub: TestSpeaker, port: number, config: Parameters<typeof peering>[3] = {}): Promise<TestSpeaker> {
  const guest = makeSpeaker(port, {}, freshAddress(), nativeSockets);
  await guest.speaker.start();
  guest.speaker.setPeers([peering(guest, hub, port, config)]);
  return guest;
}

const restText = "more than 1 ipv4-unicast routes; down until its configuration changes";
const names = ({ speaker }: TestSpeaker): string[] => speaker.peers().map(({ config }) => config.name);
const isUp = ({ speaker }: TestSpeaker): boolean => speaker.peers().some(({ state }) => state === "Established");
const reasonOf = ({ speaker }: TestSpeaker): string => speaker.peers()[0]?.lastReason?.text ?? "";

describe("whoever connects out of a range", () => {
  test("is not forgotten while it rests because it had too many routes", async () => {
    const port = await freePort();
    const hub = makeSpeaker(port, {}, freshAddress(), nativeSockets);
    const range = rangeOf(hub);
    const maxPrefix = { "ipv4-unicast": { limit: 1, action: "shutdown" } } as const;
    await hub.speaker.start();
    hub.speaker.setPeerRanges([{ ...range, template: { ...range.template, maxPrefix } }]);
    const guest = await join(hub, port);
    originate(guest, "10.1.0.0/24", "10.2.0.0/24");
    const refused = () => hub.speaker.peers()[0]?.lastReason?.text === restText;
    await until(refused, "the end of the session");
    // A newcomer that leaves again is what shows that the hub has looked for peers that are over.
    const other = await join(hub, port);
    await until(() => isUp(other), "another guest");
    await other.speaker.stop("shutdown");
    await until(() => names(hub).length === 1, "the end of the other guest");
    expect(names(hub)).toEqual([`lan/${guest.address}`]);
    expect(refused()).toBe(true);
    expect(hub.states.filter((state) => state === `lan/${guest.address} Established`)).toHaveLength(1);
  });

  test("becomes a peer of the AS number that it names, and is forgotten when its session is over", async () => {
    const { hub, port } = await makeHub({ remoteAs: [...one(64512), { first: 65001, last: 65010 }] });
    const inside = await join(hub, port);
    const outside = await join(hub, port, { localAs: 65007 });
    await until(() => isUp(inside) && isUp(outside), "both sessions");
    expect(hub.speaker.peers().map(({ config }) => [config.name, config.remoteAs, config.passive])).toEqual(
      expect.arrayContaining([
        [`lan/${inside.address}`, 64512, true],
        [`lan/${outside.address}`, 65007, true],
      ]),
    );
    originate(inside, "10.1.0.0/24");
    await until(() => "10.1.0.0/24" in tableOf(hub), "the route");
    await inside.speaker.stop("shutdown");
    await until(() => names(hub).length === 1, "the end of the peer");
    expect(tableOf(hub)).toEqual({});
    expect(isUp(outside)).toBe(true);
  });

  test("is told 2/2 if its AS is none of the range's, and nothing is made for it", async () => {
    const { hub, port } = await makeHub({ remoteAs: one(65001) });
    const guest = await join(hub, port, { localAs: 65002 });
    await until(() => reasonOf(guest).includes("Bad Peer AS"), "the refusal");
    expect(names(hub)).toEqual([]);
  });

  test("is told 6/5 when the range is full, until somebody leaves", async () => {
    const { hub, port } = await makeHub({ limit: 1 });
    const first = await join(hub, port);
    await until(() => isUp(first), "the first session");
    const second = await join(hub, port);
    await until(() => reasonOf(second).includes("Connection Rejected"), "the refusal");
    expect(names(hub)).toEqual([`lan/${first.address}`]);
    await first.speaker.stop("shutdown");
    await until(() => isUp(second), "the second session");
  });

  test.skipIf(!kernelHasMd5)("is asked for the password of the range", async () => {
    const { hub, port, range } = await makeHub();
    hub.speaker.setPeerRanges([{ ...range, template: { ...range.template, transport: { key: md5("right") } } }]);
    const stranger = await join(hub, port);
    const guest = await join(hub, port, { transport: { key: md5("right") } });
    await until(() => isUp(guest), "the session with the password");
    await until(() => (stranger.speaker.peers()[0]?.counters.connectAttempts ?? 0) > 1, "a second dial in vain");
    expect(names(hub)).toEqual([`lan/${guest.address}`]);
  });

  test.each([
    ["says nothing of BGP", (peer: RawPeer) => peer.socket.write("GET / HTTP/1.0\r\n\r\n".padEnd(64)), "1/1"],
    ["says something else than OPEN first", (peer: RawPeer) => peer.socket.write(encodeKeepalive()), "5/1"],
  ])("and %s gets an answer and no peer", async (_title, speak, answer) => {
    const { hub, port } = await makeHub({ prefix: prefixOf("127.0.0.0/8") });
    const raw = await RawPeer.dial(port, hub.address);
    speak(raw);
    await until(() => raw.ended, "the end");
    expect(raw.notification()).toBe(answer);
    expect(names(hub)).toEqual([]);
  });

  test("and leaves without a word makes room again", async () => {
    const { hub, port } = await makeHub({ prefix: prefixOf("127.0.0.0/8"), limit: 1 });
    const raw = await RawPeer.dial(port, hub.address);
    raw.socket.destroy();
    const guest = await join(hub, port);
    await until(() => isUp(guest), "the session");
  });

  test("from elsewhere is refused", async () => {
    const { hub, port } = await makeHub({ prefix: prefixOf("127.255.255.0/24") });
    const guest = await join(hub, port);
    await until(() => reasonOf(guest).includes("Connection Rejected"), "the refusal");
  });
});

test("a guest that restarts gracefully keeps its place and its routes while it is away", async () => {
  const gracefulRestart = { restartTimeSec: 120 };
  const { hub, port, range } = await makeHub();
  hub.speaker.setPeerRanges([{ ...range, template: { ...range.template, gracefulRestart } }]);
  const guest = await join(hub, port, { gracefulRestart });
  originate(guest, "10.1.0.0/24");
  await until(() => "10.1.0.0/24" in tableOf(hub), "the route");
  await guest.speaker.stop("restart");
  await until(() => hub.speaker.peers()[0]?.stale === 1, "the stale route");
  const back = makeSpeaker(port, {}, guest.address, nativeSockets);
  await back.speaker.start();
  back.speaker.setPeers([peering(back, hub, port, { gracefulRestart })]);
  await until(() => isUp(back) && isUp(hub), "the session");
  expect(names(hub)).toEqual([`lan/${guest.address}`]);
});

describe("other configuration", () => {
  test("of what does not concern the session leaves it alone, a range that goes ends it", async () => {
    const { hub, port, range } = await makeHub();
    const guest = await join(hub, port);
    await until(() => isUp(guest) && isUp(hub), "the session");
    hub.speaker.setPeerRanges([{ ...range, limit: 5, template: { ...range.template, allowLocalAs: 1 } }]);
    hub.speaker.setPeers([]);
    expect(hub.speaker.peers()[0]?.config.allowLocalAs).toBe(1);
    expect(hub.states).toEqual([`lan/${guest.address} Established`]);
    hub.speaker.setPeerRanges([]);
    expect(names(hub)).toEqual([]);
    await until(() => reasonOf(guest).includes("De-configured"), "the farewell");
  });

  test("puts a configured peer in the place of a guest with its address", async () => {
    const { hub, port } = await makeHub();
    const guest = await join(hub, port);
    await until(() => isUp(guest) && isUp(hub), "the session");
    hub.speaker.setPeers([peering(hub, guest, port, { passive: true })]);
    expect(names(hub)).toEqual([guest.address]);
    await until(() => isUp(hub), "the session with the configured peer");
  });

  test("that no socket can have is refused", async () => {
    const { hub, range } = await makeHub();
    const bad = { ...range, template: { ...range.template, transport: { key: md5("x".repeat(81)) } } };
    expect(() => hub.speaker.setPeerRanges([bad])).toThrow("peer range lan: a TCP password has 1 to 80 octets, not 81");
    const link = { ...range, prefix: prefixOf("fe80::/10") };
    expect(() => hub.speaker.setPeerRanges([link])).toThrow("needs the device that it is on");
  });
});

test("the one neighbour that is discovered is dialled, also when it becomes another one", async () => {
  const port = await freePort();
  const make = () => makeSpeaker(port, {}, freshAddress(), nativeSockets);
  const [hub, first, second] = [make(), make(), make()];
  for (const { speaker } of [hub, first, second]) await speaker.start();
  // Neither of them dials.
  for (const other of [first, second]) other.speaker.setPeers([peering(other, hub, port, { passive: true })]);
  let neighbours = [addressOf(first.address), addressOf(second.address)];
  hub.speaker.setPeerRanges([rangeOf(hub, { limit: 1, port, discover: () => neighbours })]);
  expect(names(hub)).toEqual([]);
  neighbours = [addressOf(first.address)];
  await until(() => isUp(first), "the session with the first");
  await first.speaker.stop("shutdown");
  neighbours = [addressOf(second.address)];
  await until(() => isUp(second), "the session with the second");
  expect(names(hub)).toEqual([`lan/${second.address}`]);
});
