import fc from "fast-check";
import { type Family, families } from "../../src/bgp/packet/family.ts";
import { attributeSetCount, nextHopTexts, peerCount, policies } from "./speaker-peers.ts";

const few = (most: number) => fc.integer({ min: 0, max: most });
const peer = fc.nat(peerCount - 1);
const family = fc.constantFrom<Family>("ipv4-unicast", "ipv4-unicast", "ipv6-unicast");
const routes = (most: number) =>
  fc.array(fc.record({ prefix: fc.nat(9), pathId: fc.nat(2) }), { maxLength: most, size: "max" });

/** One thing that a peer says of a family: routes, some gone and some there, in one UPDATE where that is possible. */
const saying = fc.record({
  family,
  withdrawn: routes(3),
  announced: routes(5),
  set: fc.nat(attributeSetCount - 1),
  nextHop: fc.nat(9),
  /** Octets of the message that are changed on the way. */
  errors: fc.oneof(
    { weight: 5, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc.array(fc.record({ at: fc.nat(200), value: few(255) }), { minLength: 1, maxLength: 2 }),
    },
  ),
});
export type Saying = typeof saying extends fc.Arbitrary<infer Value> ? Value : never;

/** Many routes with few sets of attributes; where others have been, too. */
const burstOf = (most: number) => ({
  peer,
  family,
  first: fc.nat(most),
  count: fc.integer({ min: 1, max: most }),
  perUpdate: fc.constantFrom(1, 7, 700),
  withdrawn: fc.boolean(),
  sets: fc.integer({ min: 1, max: 4 }),
});

const kinds = {
  say: [
    7,
    {
      peer,
      sayings: fc.array(saying, { minLength: 1, maxLength: 4 }),
      cuts: fc.array(fc.nat(600), { maxLength: 4 }),
      /** How many messages of a chunk are handled at once. */
      atOnce: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
    },
  ],
  /** Routes come, go, and come with other attributes, with turns in between. */
  flap: [
    2,
    {
      peer,
      family,
      prefix: fc.nat(9),
      sets: fc.array(fc.nat(attributeSetCount - 1), { minLength: 1, maxLength: 3 }),
      turns: few(3),
    },
  ],
  burst: [2, burstOf(300)],
  originate: [2, { family, prefix: fc.nat(9), med: fc.nat(2), isWithdrawn: fc.boolean() }],
  down: [1, { peer, graceful: fc.boolean() }],
  up: [3, { peer, preserved: fc.subarray([...families]) }],
  remove: [1, { peer }],
  replace: [1, { peer }],
  "end-of-rib": [1, { peer, family }],
  policies: [3, { peer, imports: fc.nat(policies.length - 1), exports: fc.nat(policies.length - 1) }],
  reach: [2, { nextHop: fc.nat(nextHopTexts.length - 1), isUp: fc.boolean() }],
  refresh: [1, { peer, family }],
  "begin-refresh": [1, { peer, family }],
  "end-refresh": [1, { peer, family }],
  lapse: [1, {}],
  wait: [1, { ms: fc.constantFrom(1, 9, 100) }],
  block: [3, { peer, capacity: fc.constantFrom(0, 0, 100, 5000) }],
  drain: [1, { peer }],
  turns: [4, { count: fc.integer({ min: 1, max: 4 }) }],
  check: [1, {}],
} as const;

type Kinds = typeof kinds;
type Fields<Shape> = { readonly [Key in keyof Shape]: Shape[Key] extends fc.Arbitrary<infer Value> ? Value : never };
/** Something that happens to the speaker, or that it is given time for. */
export type Operation = { [Type in keyof Kinds]: { readonly type: Type } & Fields<Kinds[Type][1]> }[keyof Kinds];

const operationsOf = (some: Readonly<Record<string, readonly [number, object]>>): fc.Arbitrary<Operation> =>
  fc.oneof(
    ...Object.entries(some).map(([type, [weight, fields]]) => ({
      weight,
      arbitrary: fc.record({ type: fc.constant(type), ...fields }) as unknown as fc.Arbitrary<Operation>,
    })),
  );

export const operation = operationsOf(kinds);

/** Of tables that grow several times; compared only in the end, since that takes long. */
export const largeOperation = operationsOf({ ...kinds, burst: [12, burstOf(5000)], check: [0, {}] });
