import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import { encodeKeepalive, encodeUpdates } from "../../src/bgp/packet/index.ts";
import type { CodecContext } from "../../src/bgp/packet/message.ts";
import type { Path } from "../../src/bgp/paths.ts";
import { createSpeaker } from "../../src/bgp/speaker.ts";
import type { BgpSpeaker } from "../../src/bgp/types.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { addressOf, attributesOf, contextOf, peerConfigOf } from "../support/bgp.ts";
import { allowedOutcomes, type Vector, vectors } from "../support/bgp-vectors.ts";
import { freePort, freshAddress } from "../support/speakers.ts";
import { type Ending, RawPeer } from "./support/raw-peer.ts";

const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const families = ["ipv4-unicast", "ipv6-unicast"] as const;

/** Marks the path that a case has to replace or to take away. */
const mark = 65001 * 65536 + 4711;
const sentinel = "198.51.100.0/24";

/** A speaker with one peer that the test plays, as the head of the vectors' file describes them. */
class Bench {
  readonly session: "ebgp" | "ibgp";
  readonly #context: CodecContext;
  readonly #open: Uint8Array;
  readonly #from = freshAddress();
  readonly #to = freshAddress();
  readonly #speaker: BgpSpeaker;
  readonly #port: number;

  private constructor(session: "ebgp" | "ibgp", port: number) {
    this.session = session;
    this.#port = port;
    this.#context = contextOf(session, { families });
    this.#open = fromHex(find("open-good", session).hex);
    this.#speaker = createSpeaker({
      routerId: addressOf("10.0.0.1").w0,
      listen: { addresses: [addressOf(this.#to)], port },
      listener: { onLocRibChanges: () => {}, onPeerStateChange: () => {}, onInitialConvergence: () => {} },
      clock: systemClock,
      logger: silentLogger,
      random: Math.random,
      options: {
        timing: { idleHoldMinMs: 1, idleHoldMaxMs: 1, stableMs: 0 },
        ownNextHops: { "ipv4-unicast": addressOf("10.0.0.1"), "ipv6-unicast": addressOf("fd00::1") },
      },
    });
    const remoteAs = session === "ebgp" ? 65001 : 65000;
    const identity = { name: "tester", address: this.#from, port };
    // The cases are for sessions without extended messages: who offers them has to take longer ones (RFC 8654 §4).
    const config = { localAs: 65000, remoteAs, passive: true, families, extendedMessages: false };
    this.#speaker.setPeers([peerConfigOf(identity, config)]);
  }

  static async start(session: "ebgp" | "ibgp"): Promise<Bench> {
    const bench = new Bench(session, await freePort());
    await bench.#speaker.start();
    return bench;
  }

  stop(): Promise<void> {
    return this.#speaker.stop("shutdown");
  }

  get isEstablished(): boolean {
    return this.#speaker.peers()[0]?.state === "Established";
  }

  /** A new connection to a speaker that has forgotten all earlier ones. */
  async connect(): Promise<RawPeer> {
    await vi.waitFor(() => {
      expect(["Active", "Connect"]).toContain(this.#speaker.peers()[0]?.state);
      expect([...this.#speaker.locRib()]).toEqual([]);
    }, patience);
    return RawPeer.connect(this.#from, this.#to, this.#port, this.#context);
  }

  async establish(): Promise<RawPeer> {
    const peer = await this.connect();
    expect(await peer.open(this.#open), "a good OPEN is refused").toBe(true);
    return peer;
  }

  /** Announces a prefix well formed, recognisable by its community unless `others` says otherwise. */
  announce(peer: RawPeer, text: string, others: Partial<PathAttributes> = {}): void {
    const prefix = Prefix.parse(text);
    const [family, nextHop] = prefix.family === 4 ? [families[0], "10.1.0.1"] : [families[1], "fd00::2"];
    const attributes = attributesOf([65001, 59367], {
      communities: [mark],
      ...(this.session === "ibgp" ? { localPref: 100 } : {}),
      ...others,
    });
    const announcements = [{ family, nextHop: { address: addressOf(nextHop) }, nlri: [{ prefix, pathId: 0 }] }];
    for (const message of encodeUpdates({ withdrawals: [], announcements, attributes }, this.#context))
      peer.send(message);
  }

  /** Resolves when the speaker has worked off all that was sent, or has ended the session. */
  async worked(peer: RawPeer): Promise<Ending | undefined> {
    this.announce(peer, sentinel);
    await vi.waitFor(
      () => expect(peer.ending !== undefined || this.#speaker.bestPaths(Prefix.parse(sentinel)).length > 0).toBe(true),
      patience,
    );
    return peer.ending;
  }

  /** The paths that are used for a prefix or for what covers it. */
  pathsFor(text: string): readonly Path[] {
    const wanted = Prefix.parse(text);
    return [...this.#speaker.locRib()].flatMap(({ prefix, paths }) => (prefix.contains(wanted) ? paths : []));
  }
}

const patience = { timeout: 5_000, interval: 1 };

function find(name: string, session: "ebgp" | "ibgp"): Vector {
  const found = vectors.find((vector) => vector.case === name && vector.session === session);
  if (found === undefined) throw new Error(`there is no case ${name}`);
  return found;
}

type Send = (peer: RawPeer, octets: Uint8Array) => void;

const ways: readonly (readonly [string, Send])[] = [
  ["at once", (peer, octets) => peer.send(octets)],
  ["octet by octet", (peer, octets) => peer.sendSlowly(octets)],
];

function nameOf(ending: Ending): string[] {
  return ending === "closed" ? ["CLOSE"] : [`RESET ${ending.code}/${ending.subcode}`, `RESET ${ending.code}/x`];
}

/** Everything that `expect` may call what happened to the route of an UPDATE, or to the session of another message. */
async function outcomesInSession(bench: Bench, vector: Vector, send: Send, control: PathAttributes): Promise<string[]> {
  const peer = await bench.establish();
  try {
    const prefix = vector.prefix ?? "192.0.2.0/24";
    bench.announce(peer, prefix);
    await vi.waitFor(() => expect(bench.pathsFor(prefix)).toHaveLength(1), patience);
    send(peer, fromHex(vector.hex));
    const ending = await bench.worked(peer);
    if (ending !== undefined) return nameOf(await peer.ended());
    const paths = bench.pathsFor(prefix);
    const renewed = paths.find(({ attributes }) => !attributes.communities.includes(mark));
    if (renewed === undefined) return [paths.length === 0 ? "WITHDRAW" : "IGNORE"];
    return ["ACCEPT", ...namesOf(renewed.attributes, control)];
  } finally {
    peer.close();
  }
}

function namesOf(attributes: PathAttributes, control: PathAttributes): string[] {
  const { unknown } = attributes;
  const isControl = isDeepStrictEqual(attributes, control);
  return [
    ...(isControl ? ["DISCARD-ATTR"] : []),
    ...(unknown.length === 1 && unknown.every(({ flags }) => flags === 0xe0) ? ["PASS"] : []),
    ...(isControl || unknown[0]?.value[0] === 0xaa ? ["KEEP-FIRST"] : []),
  ];
}

/** What becomes of a connection whose first messages are these. */
async function outcomesOfOpen(bench: Bench, vector: Vector, send: Send): Promise<string[]> {
  const peer = await bench.connect();
  try {
    send(peer, fromHex(vector.hex));
    peer.send(encodeKeepalive());
    await vi.waitFor(() => expect(peer.ending !== undefined || bench.isEstablished).toBe(true), patience);
    // One case may also "accept as implied KEEPALIVE", which ends the same way.
    return peer.ending === undefined ? ["ESTABLISHED", "KEEPALIVE"] : nameOf(peer.ending);
  } finally {
    peer.close();
  }
}

describe.each(["ebgp", "ibgp"] as const)("outside cases of BGP octets, sent to a living speaker over %s", (session) => {
  const cases = vectors.filter((vector) => vector.session === session);
  let bench: Bench;
  let control: PathAttributes;

  beforeAll(async () => {
    bench = await Bench.start(session);
    const vector = find("control-good", session);
    const peer = await bench.establish();
    peer.send(fromHex(vector.hex));
    expect(await bench.worked(peer)).toBeUndefined();
    const [path] = bench.pathsFor(vector.prefix ?? "");
    if (path === undefined) throw new Error("the control case is not accepted");
    control = path.attributes;
    peer.close();
  });
  afterAll(() => bench.stop());

  it("are all there", () => {
    expect(cases.length).toBe(session === "ebgp" ? 166 : 129);
  });

  describe.each(ways)("%s", (_, send) => {
    it.each(cases.map((vector) => [vector.case, vector] as const))("%s", async (_name, vector) => {
      const seen =
        vector.kind === "open"
          ? await outcomesOfOpen(bench, vector, send)
          : await outcomesInSession(bench, vector, send, control);
      const names = allowedOutcomes(vector.expect);
      expect(
        names.some((name) => seen.includes(name)),
        `expected ${vector.expect} (${vector.ref}), saw ${seen.join(", ")}`,
      ).toBe(true);
    });
  });
});

describe("a loop of reflection over ibgp", () => {
  const own = addressOf("10.0.0.1").w0;
  const foreign = addressOf("10.0.0.7").w0;
  const prefix = "10.51.0.0/24";
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start("ibgp");
  });
  afterAll(() => bench.stop());

  it.each([
    ["our own ORIGINATOR_ID", { originatorId: own }, 0],
    ["our own cluster ID", { originatorId: foreign, clusterList: [foreign, own] }, 0],
    ["other identifiers", { originatorId: foreign, clusterList: [foreign] }, 1],
  ])("with %s decides whether the path that it replaces is followed by one", async (_, attributes, left) => {
    const peer = await bench.establish();
    bench.announce(peer, prefix);
    await vi.waitFor(() => expect(bench.pathsFor(prefix)).toHaveLength(1), patience);
    bench.announce(peer, prefix, { ...attributes, communities: [] });
    expect(await bench.worked(peer)).toBeUndefined();
    expect(bench.pathsFor(prefix).map(({ attributes: { communities } }) => communities)).toEqual(Array(left).fill([]));
    peer.close();
  });
});
