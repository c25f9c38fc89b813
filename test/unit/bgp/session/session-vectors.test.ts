import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatAsPath } from "../../../../src/bgp/packet/format.ts";
import { encodeKeepalive } from "../../../../src/bgp/packet/keepalive.ts";
import { encodeUpdates } from "../../../../src/bgp/packet/update-encode.ts";
import { addressOf, attributesOf, contextOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import { freePort, freshAddress, makeSpeaker, type TestSpeaker } from "../../../support/speakers.ts";
import { fromHex, toHex } from "../packet/sessions.ts";
import { RawPeer, until } from "./harness.ts";

/** One case of test/vectors/session-cases.json, whose head says what its fields mean. */
interface SessionVector {
  readonly table: string;
  readonly rule: string;
  readonly session: "ebgp" | "ibgp";
  readonly say: readonly string[];
  readonly expect: string;
  readonly routes?: Readonly<Record<string, string | null>>;
  readonly endOfRib?: boolean;
}

const vectors: readonly SessionVector[] = JSON.parse(
  readFileSync(new URL("../../../vectors/session-cases.json", import.meta.url), "utf8"),
).cases;

/** Announced behind everything else: when we have it, all that was said before has been heard. */
const sentinel = "203.0.113.0/24";

/** One pair of addresses for all cases, which come one after another. */
const ourAddress = freshAddress();
const peerAddress = freshAddress();
let port: number;
beforeAll(async () => {
  port = await freePort();
});

/** A speaker and its one peer, which is made of a bare socket. */
class Stage {
  readonly us: TestSpeaker;
  readonly #vector: SessionVector;

  constructor(vector: SessionVector) {
    this.#vector = vector;
    this.us = makeSpeaker(port, {}, ourAddress);
    this.us.speaker.setPeers([
      peerConfigOf(
        { name: "peer", address: peerAddress, port },
        {
          localAddress: addressOf(ourAddress),
          localAs: 65000,
          remoteAs: vector.session === "ebgp" ? 65001 : 65000,
          passive: true,
        },
      ),
    ]);
  }

  /** Connects and says everything. */
  async play(): Promise<RawPeer> {
    await this.us.speaker.start();
    const socket = connect({ host: ourAddress, port, localAddress: peerAddress });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const peer = new RawPeer(socket);
    const us = toHex(addressOf(ourAddress).toBytes());
    for (const text of this.#vector.say) socket.write(fromHex(text.replace("{us}", us)));
    return peer;
  }

  /** Resolves when all that was said has been heard, and the session lives. */
  async heard(peer: RawPeer): Promise<void> {
    const { session } = this.#vector;
    const asPath = session === "ebgp" ? [65001] : [];
    const fourOctetAs = this.status?.negotiated?.fourOctetAs;
    if (fourOctetAs === undefined) {
      await until(() => this.status?.negotiated !== undefined || peer.ended, "the session");
      if (peer.ended) throw new Error(`no session: ${this.status?.lastReason?.text}`);
      return this.heard(peer);
    }
    const announcements = [
      {
        family: "ipv4-unicast",
        nextHop: { address: addressOf("10.0.0.1") },
        nlri: [{ prefix: prefixOf(sentinel), pathId: 0 }],
      } as const,
    ];
    const attributes = attributesOf(asPath, session === "ibgp" ? { localPref: 100 } : {});
    for (const octets of encodeUpdates(
      { withdrawals: [], announcements, attributes },
      contextOf(session, { fourOctetAs }),
    ))
      peer.socket.write(octets);
    peer.socket.write(encodeKeepalive());
    await until(
      () => peer.ended || this.us.speaker.bestPaths(prefixOf(sentinel)).length > 0,
      "the sentinel, or the end of the session",
    );
  }

  get status() {
    return this.us.speaker.peers()[0];
  }
}

let peer: RawPeer | undefined;
afterEach(() => {
  peer?.socket.destroy();
  peer = undefined;
});

describe.each([...new Set(vectors.map(({ table }) => table))])("what a peer may say, table %s", (table) => {
  const ofTable = vectors.filter((vector) => vector.table === table);
  test.each(ofTable.map((vector) => [`${vector.session} ${vector.rule}: ${vector.expect}`, vector] as const))(
    "%s",
    async (_, vector) => {
      const stage = new Stage(vector);
      peer = await stage.play();
      if (vector.expect === "established") {
        await stage.heard(peer);
        expect(stage.status?.lastReason?.text).toBeUndefined();
        expect(peer.notification()).toBeUndefined();
        for (const [prefix, asPath] of Object.entries(vector.routes ?? {})) {
          const [best] = stage.us.speaker.bestPaths(prefixOf(prefix));
          expect(best === undefined ? null : formatAsPath(best.attributes.asPath), prefix).toBe(asPath);
        }
        if (vector.endOfRib !== undefined)
          expect(stage.status?.endOfRibReceived).toEqual(vector.endOfRib ? ["ipv4-unicast"] : []);
        return;
      }
      const answer = await farewellTo(peer);
      if (vector.expect === "closed") expect(answer).toBe("");
      else expect(`${answer} `).toMatch(new RegExp(`^${vector.expect}\\b`));
    },
  );
});

/** The NOTIFICATION with which the peer's connection ended: `code/subcode data`, or nothing. */
async function farewellTo(gone: RawPeer): Promise<string> {
  await until(() => gone.ended, "the end of the connection");
  const last = gone.received.at(-1);
  return last?.type === "notification" ? `${last.code}/${last.subcode} ${toHex(last.data)}` : "";
}

test("no case has vanished", () => {
  expect(vectors.length).toBeGreaterThan(200);
  expect([...new Set(vectors.map(({ table }) => table))]).toEqual(["D.1", "D.2", "D.3", "D.4", "D.5", "D.6"]);
});
