import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { decodeAddress } from "../../src/netlink/codec/address.ts";
import { decodeEvent } from "../../src/netlink/codec/event.ts";
import { decodeLink } from "../../src/netlink/codec/link-decoder.ts";
import { decodeAnswer, decodeDone, readMessages } from "../../src/netlink/codec/message.ts";
import { decodeForwardingEntry, decodeNeighbour } from "../../src/netlink/codec/neighbour.ts";
import { ByteReader } from "../../src/netlink/codec/reader.ts";
import { encodeRequest } from "../../src/netlink/codec/request.ts";
import { decodeRoute } from "../../src/netlink/codec/route-decoder.ts";
import { MessageWriter } from "../../src/netlink/codec/writer.ts";
import { NetlinkError } from "../../src/netlink/errors.ts";
import type {
  InterfaceAddress,
  KernelRoute,
  Neighbour,
  NetlinkRequest,
  RouteNextHop,
} from "../../src/netlink/types.ts";
import * as captured from "../unit/netlink/codec/captured.ts";

const word = fc.nat({ max: 0xffffffff });
const ipv4 = word.map((value) => IpAddress.v4(value));
const ipv6 = fc.tuple(word, word, word, word).map((words) => IpAddress.v6(...words));
const address = fc.oneof(ipv4, ipv6);
const index = fc.integer({ min: 1, max: 0x7fffffff });
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((octets) => [...octets].map((octet) => octet.toString(16).padStart(2, "0")).join(":"));
const scope = fc.constantFrom("universe", "site", "link", "host", "nowhere");

/** Leaves out what is undefined, as the types want it. */
function defined<Shape extends object>(shape: { [Key in keyof Shape]: Shape[Key] | undefined }): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as Shape;
}

const nextHop = (gateway: fc.Arbitrary<IpAddress>, weight: fc.Arbitrary<number>): fc.Arbitrary<RouteNextHop> =>
  fc
    .record({
      gateway: fc.option(gateway, { nil: undefined }),
      interfaceIndex: index,
      onlink: fc.boolean(),
      weight,
    })
    .map((hop) => defined<RouteNextHop>(hop));

const route: fc.Arbitrary<KernelRoute> = address.chain((destination) => {
  const sameFamily = destination.family === 4 ? ipv4 : ipv6;
  // Only IPv4 routes have gateways of the other family.
  const gateway = destination.family === 4 ? address : ipv6;
  const nextHops = fc.oneof(
    fc.constant([]),
    fc.array(nextHop(gateway, fc.constant(1)), { minLength: 1, maxLength: 1 }),
    fc.array(nextHop(gateway, fc.integer({ min: 1, max: 256 })), { minLength: 2, maxLength: 9 }),
  );
  return fc
    .record({
      destination: fc.integer({ min: 0, max: destination.bits }).map((length) => Prefix.of(destination, length)),
      type: fc.constantFrom("unicast", "local", "broadcast", "anycast", "multicast", "nat"),
      table: fc.oneof(fc.integer({ min: 1, max: 255 }), word),
      protocol: fc.nat({ max: 255 }),
      scope,
      metric: word,
      tos: fc.nat({ max: 255 }),
      preferredSource: fc.option(sameFamily, { nil: undefined }),
      mtu: fc.option(fc.nat({ max: 65_535 }), { nil: undefined }),
      nextHops,
    })
    .map((fields) => defined<KernelRoute>(fields));
});

const neighbour: fc.Arbitrary<Neighbour> = fc
  .record({
    interfaceIndex: index,
    address,
    macAddress: fc.option(mac, { nil: undefined }),
    state: fc.constantFrom<Neighbour["state"][]>("permanent", "noarp", "reachable", "stale", "failed", "none"),
  })
  .map((fields) => defined<Neighbour>(fields));

const interfaceAddress: fc.Arbitrary<InterfaceAddress> = address.chain((own) =>
  fc.record({
    interfaceIndex: index,
    address: fc.constant(own),
    prefixLength: fc.integer({ min: 0, max: own.bits }),
    scope,
  }),
);

function payloadOf(request: NetlinkRequest): ByteReader {
  const writer = new MessageWriter(16);
  encodeRequest(writer, 1, request);
  const [message, ...rest] = readMessages(writer.finish());
  if (message === undefined || rest.length > 0) throw new TypeError("not one message");
  return message.payload;
}

describe("what is written is read back the same", () => {
  test("routes", () => {
    fc.assert(
      fc.property(route, (given) => {
        expect(decodeRoute(payloadOf({ op: "route-replace", route: given }))).toEqual(given);
      }),
      { numRuns: 500 },
    );
  });

  test("neighbours and forwarding entries", () => {
    fc.assert(
      fc.property(neighbour, mac, (given, macAddress) => {
        expect(decodeNeighbour(payloadOf({ op: "neighbour-replace", neighbour: given }))).toEqual(given);
        const entry = { interfaceIndex: given.interfaceIndex, macAddress, destination: given.address };
        const read = decodeForwardingEntry(payloadOf({ op: "forwarding-replace", entry }));
        expect(read).toEqual({ ...entry, permanent: true });
      }),
    );
  });

  test("addresses", () => {
    fc.assert(
      fc.property(interfaceAddress, (given) => {
        expect(decodeAddress(payloadOf({ op: "address-replace", address: given }))).toEqual(given);
      }),
    );
  });

  test("several messages in a row, whatever the buffer's first size", () => {
    fc.assert(
      fc.property(fc.array(route, { maxLength: 20 }), fc.integer({ min: 16, max: 64 }), (routes, size) => {
        const writer = new MessageWriter(size);
        for (const [sequence, given] of routes.entries())
          encodeRequest(writer, sequence + 1, { op: "route-add", route: given });
        const read = [...readMessages(writer.finish())].map(({ sequence, payload }) => [
          sequence,
          decodeRoute(payload),
        ]);
        expect(read).toEqual(routes.map((given, position) => [position + 1, given]));
      }),
    );
  });
});

describe("octets that the kernel would never send", () => {
  const decoders = [decodeRoute, decodeLink, decodeAddress, decodeNeighbour, decodeForwardingEntry] as const;

  /** Runs everything that reads octets; only typed errors may come out. */
  const readAll = (octets: Uint8Array): void => {
    const attempts = [
      ...decoders.map((decode) => () => void decode(ByteReader.over(octets))),
      () => {
        for (const message of readMessages(octets)) decodeEvent(message);
      },
      () => {
        for (const message of readMessages(octets)) decodeAnswer(message);
      },
      () => {
        for (const message of readMessages(octets)) decodeDone(message);
      },
    ];
    for (const attempt of attempts) {
      try {
        attempt();
      } catch (error) {
        expect(error).toBeInstanceOf(NetlinkError);
        expect(error).toMatchObject({ code: "MALFORMED_MESSAGE" });
      }
    }
  };

  test("cause nothing but typed errors", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), readAll), { numRuns: 1_000 });
  });

  test("cause nothing but typed errors where real ones were cut or had a bit flipped", () => {
    const samples = Object.values(captured).map((hex) => Buffer.from(hex, "hex"));
    const damaged = fc.constantFrom(...samples).chain((octets) =>
      fc.tuple(fc.nat({ max: octets.length }), fc.nat({ max: octets.length * 8 - 1 })).map(([length, bit]) => {
        const copy = Uint8Array.from(octets);
        copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        return copy.subarray(0, length);
      }),
    );
    fc.assert(fc.property(damaged, readAll), { numRuns: 2_000 });
  });

  test("are never read beyond their end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 60 }), (octets, wanted) => {
        // What lies behind belongs to somebody else.
        const larger = new Uint8Array(octets.length + 100).fill(0xee);
        larger.set(octets);
        const reader = ByteReader.over(larger.subarray(0, octets.length));
        if (wanted <= octets.length) expect(reader.take(wanted).remaining).toBe(wanted);
        else expect(() => reader.take(wanted)).toThrow(NetlinkError);
      }),
    );
  });
});
