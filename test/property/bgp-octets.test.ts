import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import { decodeMessage } from "../../src/bgp/packet/decode.ts";
import type { CodecContext, Nlri } from "../../src/bgp/packet/message.ts";
import { decodeSharedAttributes, encodeSharedAttributes } from "../../src/bgp/packet/shared-attributes.ts";
import { encodeUpdates } from "../../src/bgp/packet/update-encode.ts";
import { UpdateScan } from "../../src/bgp/packet/update-scan.ts";
import { WellKnownCommunity } from "../../src/bgp/packet/well-known-communities.ts";
import { exportProfileOf } from "../../src/bgp/peer-rules.ts";
import { AttributeTable } from "../../src/bgp/rib/attribute-table.ts";
import { BucketTable } from "../../src/bgp/rib/bucket.ts";
import { defaultDecisionOptions, defaultLocalPref } from "../../src/bgp/rib/decision-steps.ts";
import { notAnnounced, notByOctets, OctetExport } from "../../src/bgp/rib/export-octets.ts";
import { ExportRules } from "../../src/bgp/rib/export-rules.ts";
import { acceptAll } from "../../src/bgp/rib/import-rules.ts";
import { Rib } from "../../src/bgp/rib/rib.ts";
import { UpdateWriter } from "../../src/bgp/rib/update-writer.ts";
import type { PeerConfig } from "../../src/bgp/types.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { attributesOf, type Exchange, exchange } from "../support/arbitrary-update.ts";
import {
  addressOf,
  contextOf,
  pathOf,
  peerConfigOf,
  peerSource,
  attributesOf as routeAttributes,
  sessionOf,
  via,
} from "../support/bgp.ts";

/** Attribute 0 would stand before ORIGIN, and has only an object. */
const anyAttributes = attributesOf(contextOf("ibgp")).filter(({ unknown }) => unknown.every(({ code }) => code > 0));

describe("attributes as octets", () => {
  it("come back as they were, and are the same octets for the same attributes", () => {
    fc.assert(
      fc.property(anyAttributes, (attributes) => {
        const octets = encodeSharedAttributes(attributes);
        const again = decodeSharedAttributes(octets);
        expect(again).toEqual(attributes);
        expect(encodeSharedAttributes(again)).toEqual(octets);
      }),
      { numRuns: 200 },
    );
  });

  it("get one number for each content while somebody holds it", () => {
    const pool = fc.array(anyAttributes, { minLength: 1, maxLength: 6 });
    const operations = fc.array(fc.record({ isRelease: fc.boolean(), index: fc.nat(5) }), { maxLength: 80 });
    fc.assert(
      fc.property(pool, operations, (sets, steps) => {
        const table = new AttributeTable();
        const texts = sets.map((set) => JSON.stringify([...encodeSharedAttributes(set)]));
        const model = new Map<string, { id: number; count: number }>();
        for (const { isRelease, index } of steps) {
          const set = sets[index % sets.length];
          const text = texts[index % sets.length] ?? "";
          if (set === undefined) continue;
          const known = model.get(text);
          if (isRelease && known !== undefined) {
            table.release(known.id);
            known.count--;
            if (known.count === 0) model.delete(text);
          } else if (!isRelease) {
            const octets = encodeSharedAttributes(set);
            const id = index % 2 === 0 ? table.take({ ...set }) : table.takeOctets(octets, 0, octets.length);
            if (known !== undefined) expect(id).toBe(known.id);
            else expect([...model.values()].map((other) => other.id)).not.toContain(id);
            model.set(text, { id, count: (known?.count ?? 0) + 1 });
            expect(table.get(id)).toEqual(set);
            expect(table.get(id)).toBe(table.get(id));
          }
          expect(table.size).toBe(model.size);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("say of themselves what the choice among paths compares", () => {
    fc.assert(
      fc.property(anyAttributes, anyAttributes, (attributes, others) => {
        const table = new AttributeTable();
        const id = table.take(attributes);
        const sequences = attributes.asPath.filter(({ type }) => type === "sequence");
        const numbers = sequences.flatMap(({ asNumbers }) => asNumbers);
        expect({
          origin: table.originOf(id),
          med: table.medOf(id),
          localPref: table.localPrefOf(id) ?? defaultLocalPref,
          length: table.asPathLengthOf(id),
          neighbor: table.neighborAsOf(id),
        }).toEqual({
          origin: attributes.origin,
          med: attributes.med,
          localPref: attributes.localPref ?? defaultLocalPref,
          length: numbers.length,
          neighbor: numbers[0] ?? 0,
        });
        for (const asNumber of attributes.asPath.flatMap((segment) => segment.asNumbers))
          expect(table.namesAs(id, asNumber)).toBe(true);
        expect(table.namesAs(id, 0)).toBe(false);
        const other = table.take(others);
        const same = JSON.stringify(attributes.asPath) === JSON.stringify(others.asPath);
        expect(table.asPathsEqual(id, other)).toBe(same);
        const sibling = table.take({ ...others, asPath: attributes.asPath });
        expect(table.asPathsEqual(id, sibling)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

/** What `decodeUpdate` finds, in the words of the scan. */
function decoded(octets: Uint8Array, context: CodecContext) {
  const result = decodeMessage(octets, context);
  if (!result.ok || result.message.type !== "update") return undefined;
  const { withdrawals, announcements, attributes, problems, endOfRib } = result.message;
  const texts = (nlri: readonly Nlri[]) => nlri.map(({ prefix }) => prefix.toString());
  return {
    withdrawn: withdrawals.flatMap(({ nlri }) => texts(nlri)),
    announced: announcements.flatMap(({ nlri }) => texts(nlri)),
    nextHop: announcements[0]?.nextHop.address.w0,
    attributes: attributes && encodeSharedAttributes(attributes),
    isPlain:
      problems.length === 0 &&
      endOfRib === undefined &&
      [...withdrawals, ...announcements].every(({ family }) => family === "ipv4-unicast"),
  };
}

function scanned(octets: Uint8Array, context: CodecContext): unknown {
  const scan = new UpdateScan(new Uint8Array(0x10000));
  // Among others, of which it must not see anything.
  const start = 7;
  const end = start + octets.length;
  const among = new Uint8Array(octets.length + 2 * start).fill(24);
  among.set(octets, start);
  if (scan.read(among, start, end - 1, context) && scan.end >= end) return "read beyond the end";
  if (!scan.read(among, start, end, context) || scan.end !== end) return undefined;
  const { addresses, lengths, count } = scan.prefixes;
  const texts = (from: number, to: number) =>
    Array.from(addresses.subarray(from, to), (address, index) =>
      Prefix.of(IpAddress.v4(address >>> 0), lengths[from + index] ?? 0).toString(),
    );
  const hasRoutes = scan.attributesLength > 0;
  return {
    withdrawn: texts(0, scan.announcedStart),
    announced: texts(scan.announcedStart, count),
    nextHop: hasRoutes ? scan.nextHop : undefined,
    attributes: hasRoutes ? scan.attributes.slice(0, scan.attributesLength) : undefined,
    isPlain: true,
  };
}

/** Without what makes an UPDATE other than plain. */
const plainExchange: fc.Arbitrary<Exchange> = exchange.map(({ session, parts }) => {
  const { onlyToCustomer: _, ...attributes } = parts.attributes;
  const isIpv4 = ({ family }: { family: string }) => family === "ipv4-unicast";
  const few = <Part extends { readonly nlri: readonly Nlri[] }>(part: Part) => ({
    ...part,
    nlri: part.nlri.slice(0, 60),
  });
  return {
    session: { ...session, fourOctetAs: true, addPathSend: [], addPathReceive: [] },
    parts: {
      withdrawals: parts.withdrawals.filter(isIpv4).map(few),
      announcements: parts.announcements.filter(isIpv4).map(few),
      attributes: {
        ...attributes,
        unknown: [],
        asPath: attributes.asPath.filter(({ type }) => type === "sequence"),
      },
    },
  };
});

describe("an UPDATE read from octets to octets", () => {
  it("says what the decoder says, for every UPDATE of the plain kind that we write", () => {
    fc.assert(
      fc.property(plainExchange, ({ session, parts }) => {
        for (const octets of encodeUpdates(parts, session))
          expect(scanned(octets, session)).toEqual(decoded(octets, session));
      }),
      { numRuns: 100 },
    );
  });

  it("says what the decoder says or leaves it to it, however octets are changed", () => {
    const change = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(plainExchange, fc.array(change, { minLength: 1, maxLength: 3 }), ({ session, parts }, changes) => {
        for (const message of encodeUpdates(parts, session)) {
          const octets = message.slice();
          // Most of them where the lengths and the attributes are.
          for (const { at, value } of changes) octets[16 + (at % Math.min(120, octets.length - 16))] = value;
          const found = scanned(octets, session);
          if (found !== undefined) expect(found).toEqual(decoded(octets, session));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("attributes exported from octets to octets", () => {
  const source = fc.constantFrom(
    { kind: "local" } as const,
    peerSource(1, { type: "ebgp" }),
    peerSource(1, { type: "ibgp", routeReflectorClient: true }),
    peerSource(1, { type: "ibgp" }),
  );
  const marked = anyAttributes.chain((attributes) =>
    fc.constantFrom<PathAttributes>(
      attributes,
      { ...attributes, communities: [...attributes.communities, WellKnownCommunity.noExport] },
      { ...attributes, extendedCommunities: [], asPath: attributes.asPath.filter(({ type }) => type === "sequence") },
    ),
  );
  const kind = fc.constantFrom({ remoteAs: 65009 }, { routeReflectorClient: true }, {});
  const profileTo = (others: Partial<PeerConfig>) => {
    const config = peerConfigOf({ name: "to", address: "10.0.0.9", port: 179 }, others);
    return exportProfileOf(config, sessionOf(config), {
      routerId: 0x0a0000fe,
      intern: (set) => set,
      requirePolicy: false,
      ownNextHops: {},
      spareNextHops: {},
    });
  };
  it("are those that the rules make of the objects, wherever it is done so", () => {
    let byOctets = 0;
    let refused = 0;
    fc.assert(
      fc.property(marked, source, kind, (attributes, from, to) => {
        const profile = profileTo(to);
        const table = new AttributeTable();
        const buckets = new BucketTable(table);
        const out = new OctetExport(table, buckets, profile).rewrite(table.take(attributes), from);
        if (out.attributes === notByOctets) return;
        const expected = new ExportRules(profile, { intern: (set) => set }).apply(pathOf(from, attributes));
        expect(expected.announced).toBe(out.attributes !== notAnnounced);
        if (!expected.announced) {
          refused++;
          return;
        }
        byOctets++;
        const bucket = buckets.take(out, via("192.0.2.1"), undefined);
        expect(buckets.attributesOf(bucket)).toEqual(expected.attributes);
        const octets = new Uint8Array(0x10000);
        const written = octets.subarray(0, buckets.writeAttributes(bucket, undefined, octets, 0));
        expect(Buffer.compare(written, encodeSharedAttributes(expected.attributes))).toBe(0);
      }),
      { numRuns: 400 },
    );
    expect(byOctets).toBeGreaterThan(60);
    expect(refused).toBeGreaterThan(0);
  });

  it("look the same exactly if peers are told the same", () => {
    const few = fc.record({
      med: fc.constantFrom({}, { med: 0 }, { med: 1 }),
      localPref: fc.constantFrom({}, { localPref: 100 }),
      asPath: fc.constantFrom<number[]>([], [65002]),
      nextHop: fc.constantFrom("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"),
      name: fc.constantFrom(undefined, undefined, undefined, "peer-1"),
      from: source,
      to: kind,
    });
    const table = new AttributeTable();
    const buckets = new BucketTable(table);
    let same = 0;
    fc.assert(
      fc.property(few, few, (...both) => {
        const told = both.map(({ med, localPref, asPath, nextHop, name, from, to }) => {
          const set = table.take(routeAttributes(asPath, { ...med, ...localPref }));
          const out = new OctetExport(table, buckets, profileTo(to)).rewrite(set, from);
          if (out.attributes < 0) return undefined;
          const bucket = buckets.take(out, via(nextHop), name);
          const octets = Buffer.from(encodeSharedAttributes(buckets.attributesOf(bucket))).toString("hex");
          return { bucket, text: `${octets} ${nextHop} ${name}` };
        });
        const [left, right] = told;
        if (left === undefined || right === undefined) return;
        if (left.text === right.text) same++;
        expect(buckets.looksTheSame(left.bucket, right.bucket)).toBe(left.text === right.text);
      }),
      { numRuns: 2000 },
    );
    expect(same).toBeGreaterThan(10);
  });
});

describe("UPDATEs written from rows", () => {
  it("are the octets that the encoder makes of the objects", () => {
    fc.assert(
      fc.property(exchange, ({ session, parts }) => {
        const rib = new Rib(defaultDecisionOptions, () => ({ metric: 0 }));
        const buckets = new BucketTable(rib.attributes);
        const writer = new UpdateWriter(rib, buckets);
        writer.begin(session);
        const table = rib.createTable({ kind: "local" }, acceptAll);
        const attributes = rib.attributes.take(parts.attributes);
        const hop = { address: addressOf("192.0.2.1") };
        for (const [index, announcement] of parts.announcements.entries()) {
          const { family, nextHop, nlri } = announcement;
          const hasIds = session.addPathSend.includes(family);
          // The identifiers that places of this prefix get, one after the other.
          const given = new Map<string, number>();
          const routes = hasIds ? nlri : [...new Map(nlri.map((one) => [one.prefix.toString(), one])).values()];
          const slots = routes.map(({ prefix }, path) => {
            const row = rib.prefixes.take(prefix);
            if (!hasIds) return row;
            rib.beginAnnouncement(table, attributes, hop);
            rib.announce(row, 10_000 * (index + 1) + path);
            rib.endAnnouncement();
            return rib.slotsOf(row, "all").at(-1) ?? row;
          });
          for (const slot of slots) given.set(`${slot}`, rib.slots.pathIdOf(slot));
          const wanted = routes.map(({ prefix }, at) => ({ prefix, pathId: given.get(`${slots[at]}`) ?? 0 }));
          const expected = encodeUpdates(
            { ...parts, withdrawals: [], announcements: [{ family, nextHop, nlri: wanted }] },
            session,
          );
          const places = Int32Array.from(slots);
          const bucket = buckets.take({ attributes, form: 0, originator: 0 }, nextHop, undefined);
          if (writer.announce(family, places, 0, places.length, bucket))
            expect(Buffer.compare(writer.finish(), Buffer.concat(expected))).toBe(0);
          // What it can't write from octets, the encoder writes: two-octet AS numbers, and attributes of the reserved code 0.
          else expect(session.fourOctetAs && parts.attributes.unknown.every(({ code }) => code !== 0)).toBe(false);
          writer.withdraw(family, places, 0, places.length);
          const withdrawn = encodeUpdates({ withdrawals: [{ family, nlri: wanted }], announcements: [] }, session);
          expect(Buffer.compare(writer.finish(), Buffer.concat(withdrawn))).toBe(0);
          rib.settle(Number.POSITIVE_INFINITY);
        }
      }),
      { numRuns: 40 },
    );
  });
});
