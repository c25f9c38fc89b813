import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeMessage } from "../../src/bgp/packet/decode.ts";
import { families } from "../../src/bgp/packet/family.ts";
import { MessageFramer } from "../../src/bgp/packet/framer.ts";
import { encodeKeepalive } from "../../src/bgp/packet/keepalive.ts";
import type {
  Announcement,
  BgpMessage,
  CodecContext,
  OpenMessage,
  UpdateMessage,
  Withdrawal,
} from "../../src/bgp/packet/message.ts";
import { encodeNotification } from "../../src/bgp/packet/notification.ts";
import { encodeOpen } from "../../src/bgp/packet/open.ts";
import { encodeRouteRefresh } from "../../src/bgp/packet/route-refresh.ts";
import { encodeEndOfRib, encodeUpdates } from "../../src/bgp/packet/update-encode.ts";
import { capability } from "../support/arbitrary-capability.ts";
import { context, exchange } from "../support/arbitrary-update.ts";

const uint8 = fc.integer({ min: 0, max: 255 });
const uint16 = fc.integer({ min: 0, max: 65535 });
const asNumber = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 1, max: 0xffffffff }));
const octets = (maxLength: number) => fc.uint8Array({ maxLength });
const afiSafi = { afi: uint16, safi: uint8 };

const openMessage: fc.Arbitrary<OpenMessage> = fc
  .record({
    type: fc.constant("open" as const),
    version: fc.constant(4),
    myAs: fc.integer({ min: 1, max: 65535 }),
    holdTimeSec: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 65535 })),
    bgpIdentifier: fc.integer({ min: 1, max: 0xffffffff }),
    capabilities: fc.array(capability, { maxLength: 12 }),
    fourOctetAs: fc.option(asNumber, { nil: undefined }),
  })
  .map(({ fourOctetAs, ...open }) => ({
    ...open,
    capabilities:
      fourOctetAs === undefined
        ? open.capabilities
        : [...open.capabilities, { kind: "four-octet-as", asNumber: fourOctetAs }],
  }));

function decode(bytes: Uint8Array, session: CodecContext | undefined): BgpMessage {
  const result = decodeMessage(bytes, session);
  if (!result.ok) throw new Error(`${result.error.code}/${result.error.subcode} ${result.error.reason}`);
  return result.message;
}

function decodeUpdates(messages: readonly Uint8Array[], session: CodecContext): UpdateMessage[] {
  return messages.map((bytes) => {
    const message = decode(bytes, session);
    if (message.type !== "update") throw new Error("no UPDATE");
    return message;
  });
}

/** One text per route in order, which is quicker to compare than objects. */
function withdrawalTexts(withdrawals: readonly Withdrawal[]): string[] {
  return withdrawals.flatMap(({ family, nlri }) => nlri.map(({ prefix, pathId }) => `${family} ${prefix} ${pathId}`));
}

function announcementTexts(announcements: readonly Announcement[]): string[] {
  return announcements.flatMap(({ family, nextHop, nlri }) =>
    nlri.map(({ prefix, pathId }) => `${family} ${prefix} ${pathId} via ${nextHop.address} ${nextHop.linkLocal ?? ""}`),
  );
}

const anyMessage: fc.Arbitrary<{ readonly bytes: Uint8Array; readonly session: CodecContext }> = fc.oneof(
  fc.record({ bytes: openMessage.map(encodeOpen), session: context }),
  fc.record({ bytes: fc.constant(encodeKeepalive()), session: context }),
  fc.record({
    bytes: fc.record({ code: uint8, subcode: uint8, data: octets(100) }).map(encodeNotification),
    session: context,
  }),
  fc.record({ bytes: fc.record({ ...afiSafi, subtype: uint8 }).map(encodeRouteRefresh), session: context }),
  exchange.chain(({ session, parts }) =>
    fc.record({
      bytes: fc.constantFrom(...encodeUpdates(parts, session), encodeEndOfRib("ipv6-unicast")),
      session: fc.constant(session),
    }),
  ),
);

describe("what is encoded comes back", () => {
  test("OPEN", () => {
    fc.assert(
      fc.property(openMessage, (open) => {
        expect(decode(encodeOpen(open), undefined)).toEqual(open);
      }),
    );
  });

  test("NOTIFICATION, ROUTE-REFRESH, KEEPALIVE and End-of-RIB", () => {
    fc.assert(
      fc.property(uint8, uint8, octets(4075), (code, subcode, data) => {
        const message = { type: "notification", code, subcode, data } as const;
        expect(decode(encodeNotification(message), undefined)).toEqual(message);
      }),
    );
    fc.assert(
      fc.property(uint16, uint8, uint8, (afi, safi, subtype) => {
        const message = { type: "route-refresh", afi, safi, subtype } as const;
        expect(decode(encodeRouteRefresh(message), undefined)).toEqual(message);
      }),
    );
    expect(decode(encodeKeepalive(), undefined)).toEqual({ type: "keepalive" });
    fc.assert(
      fc.property(context, fc.constantFrom(...families), (session, family) => {
        const message = { type: "update", withdrawals: [], announcements: [], endOfRib: family, problems: [] };
        expect(decode(encodeEndOfRib(family), session)).toEqual(message);
      }),
    );
  });

  test("UPDATE: every route once and in order, every attribute in every message, none beyond the session's length", () => {
    fc.assert(
      fc.property(exchange, ({ session, parts }) => {
        const messages = encodeUpdates(parts, session);
        for (const bytes of messages) expect(bytes.length).toBeLessThanOrEqual(session.maxMessageLength);
        const updates = decodeUpdates(messages, session);
        expect(withdrawalTexts(updates.flatMap((update) => update.withdrawals))).toEqual(
          withdrawalTexts(parts.withdrawals),
        );
        expect(announcementTexts(updates.flatMap((update) => update.announcements))).toEqual(
          announcementTexts(parts.announcements),
        );
        for (const update of updates) {
          expect(update.problems).toEqual([]);
          if (update.announcements.length > 0) expect(update.attributes).toEqual(parts.attributes);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("octets that we make are those that their value makes again", () => {
    fc.assert(
      fc.property(anyMessage, ({ bytes, session }) => {
        expect(encodeAgain(decode(bytes, session), session)).toEqual(bytes);
      }),
      { numRuns: 100 },
    );
  });
});

function encodeAgain(message: BgpMessage, session: CodecContext): Uint8Array {
  switch (message.type) {
    case "open":
      return encodeOpen(message);
    case "notification":
      return encodeNotification(message);
    case "route-refresh":
      return encodeRouteRefresh(message);
    case "keepalive":
      return encodeKeepalive();
    case "update": {
      if (message.endOfRib !== undefined) return encodeEndOfRib(message.endOfRib);
      const [bytes] = encodeUpdates(message, session);
      return bytes ?? new Uint8Array();
    }
  }
}

describe("octets from outside", () => {
  /** The message between other octets of one buffer, which must not show through. */
  const embedded = (bytes: Uint8Array, filler: number) => {
    const buffer = new Uint8Array(bytes.length + 64).fill(filler);
    buffer.set(bytes, 32);
    return buffer.subarray(32, 32 + bytes.length);
  };
  const outcome = (bytes: Uint8Array, session: CodecContext | undefined) =>
    JSON.stringify(decodeMessage(bytes, session), (_, value) => (typeof value === "bigint" ? `${value}n` : value));
  const check = (bytes: Uint8Array, session: CodecContext | undefined) => {
    expect(outcome(embedded(bytes, 0), session)).toBe(outcome(embedded(bytes, 0xff), session));
  };
  const withLength = (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[16] = bytes.length >>> 8;
    copy[17] = bytes.length;
    return copy;
  };

  test("never make the decoder throw or read beyond them, however a message is cut", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), ({ bytes, session }, at) => {
        const cut = bytes.slice(0, at % (bytes.length + 1));
        check(cut, session);
        if (cut.length >= 19) check(withLength(cut), session);
      }),
      { numRuns: 200 },
    );
  });

  test("nor however its octets are changed", () => {
    const change = fc.record({ at: fc.nat(), value: uint8 });
    fc.assert(
      fc.property(anyMessage, fc.array(change, { minLength: 1, maxLength: 4 }), ({ bytes, session }, changes) => {
        const copy = bytes.slice();
        // Past the header, or else only the header would be tested.
        for (const { at, value } of changes) if (copy.length > 19) copy[19 + (at % (copy.length - 19))] = value;
        check(copy, session);
      }),
      { numRuns: 300 },
    );
  });

  test("nor when they are random, after a header that is right", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), octets(200), context, (type, body, session) => {
        const bytes = withLength(Uint8Array.from([...new Array(16).fill(255), 0, 0, type, ...body]));
        check(bytes, session);
        check(bytes, undefined);
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(octets(100), context, (bytes, session) => check(bytes, session)));
  });
});

describe("framing", () => {
  test("gives the same messages for every way to cut the stream into chunks", () => {
    fc.assert(
      fc.property(
        fc.array(anyMessage, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 40 }),
        (messages, sizes) => {
          const framer = new MessageFramer(65535);
          const stream = Uint8Array.from(messages.flatMap(({ bytes }) => [...bytes]));
          const seen: Uint8Array[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            framer.push(stream.subarray(at, at + size));
            at += size;
            // Now and then several chunks wait.
            if (turn % 3 === 1 && at < stream.length) continue;
            for (let next = framer.next(); next !== undefined; next = framer.next()) {
              if (!next.ok) throw new Error(next.error.reason);
              seen.push(next.bytes);
            }
          }
          expect(seen).toEqual(messages.map(({ bytes }) => bytes));
        },
      ),
      { numRuns: 60 },
    );
  });
});
