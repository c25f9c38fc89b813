import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import {
  afiSafiOf,
  asTrans,
  type Capability,
  type CodecContext,
  decodeMessage,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeUpdates,
  extendedMaxMessageLength,
  IpAddress,
  MessageFramer,
  type OpenMessage,
  Origin,
  Prefix,
  standardMaxMessageLength,
  WellKnownCommunity,
} from "../../../../src/bgp/packet/index.ts";

const routes = new Map<string, string>();
beforeEach(() => routes.clear());

// The examples of the README, between markers, as they stand there.

// example: reading
const framer = new MessageFramer();

/** What arrived, for a socket's `data` event. Returns the NOTIFICATION to end the session with, if there is one. */
function receive(chunk: Uint8Array, context: CodecContext | undefined): Uint8Array | undefined {
  framer.push(chunk);
  for (let framed = framer.next(); framed !== undefined; framed = framer.next()) {
    const result = framed.ok ? decodeMessage(framed.bytes, context) : framed;
    if (!result.ok) return encodeNotification(result.error);
    if (result.message.type === "update")
      for (const { nextHop, nlri } of result.message.announcements)
        for (const { prefix } of nlri) routes.set(prefix.toString(), nextHop.address.toString());
  }
  return undefined;
}
// end

// example: agreeing
const ours: Omit<OpenMessage, "type"> = {
  version: 4,
  myAs: asTrans,
  holdTimeSec: 90,
  bgpIdentifier: IpAddress.parse("10.0.0.1").w0,
  capabilities: [
    { kind: "multiprotocol", ...afiSafiOf("ipv4-unicast") },
    { kind: "four-octet-as", asNumber: 4200000001 },
    { kind: "extended-message" },
  ],
};

function agree(theirs: OpenMessage): CodecContext {
  const offers = (kind: Capability["kind"]) => theirs.capabilities.some((capability) => capability.kind === kind);
  return {
    peerType: "ebgp",
    fourOctetAs: offers("four-octet-as"),
    maxMessageLength: offers("extended-message") ? extendedMaxMessageLength : standardMaxMessageLength,
    families: ["ipv4-unicast"],
    addPathReceive: [],
    addPathSend: [],
  };
}
// end

// example: writing
function announce(prefixes: readonly string[], context: CodecContext): Uint8Array[] {
  const nlri = prefixes.map((prefix) => ({ prefix: Prefix.parse(prefix), pathId: 0 }));
  return encodeUpdates(
    {
      withdrawals: [],
      announcements: [{ family: "ipv4-unicast", nextHop: { address: IpAddress.parse("10.0.0.1") }, nlri }],
      attributes: {
        origin: Origin.igp,
        asPath: [{ type: "sequence", asNumbers: [4200000001] }],
        atomicAggregate: false,
        communities: [WellKnownCommunity.noExport],
        extendedCommunities: [],
        largeCommunities: [{ global: 4200000001, local1: 1, local2: 2 }],
        clusterList: [],
        unknown: [],
      },
    },
    context,
  );
}
// end

describe("the README of calibird/bgp-packet", () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

  test("shows the examples that run here, and no others", () => {
    const readme = read("../../../../src/bgp/packet/README.md");
    const shown = new Map(
      [...readme.matchAll(/<!-- example: (\w+) -->\n```ts\n([\s\S]*?)```/g)].map(([, name, text]) => [name, text]),
    );
    const run = new Map(
      [...read("readme.test.ts").matchAll(/^\/\/ example: (\w+)\n([\s\S]*?)^\/\/ end$/gm)].map(([, name, text]) => [
        name,
        text,
      ]),
    );
    expect([...shown.keys()]).toEqual(["reading", "agreeing", "writing"]);
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(run));
  });

  test("has examples that do what they say", () => {
    const open = decodeMessage(encodeOpen(ours), undefined);
    if (!open.ok || open.message.type !== "open") throw new Error("no OPEN");
    const context = agree(open.message);
    expect(context).toMatchObject({ fourOctetAs: true, maxMessageLength: 65535 });
    expect(receive(encodeKeepalive(), undefined)).toBeUndefined();
    for (const octets of announce(["10.1.0.0/26", "10.2.0.0/26"], context)) {
      expect(receive(octets.subarray(0, 30), context)).toBeUndefined();
      expect(receive(octets.subarray(30), context)).toBeUndefined();
    }
    expect([...routes]).toEqual([
      ["10.1.0.0/26", "10.0.0.1"],
      ["10.2.0.0/26", "10.0.0.1"],
    ]);
    const answer = receive(new Uint8Array(19), context);
    expect(answer && decodeMessage(answer, context)).toMatchObject({
      message: { type: "notification", code: 1, subcode: 1 },
    });
  });
});
