import fc from "fast-check";

const CLIENTS = 8;
/** Addresses of the IPv4 pool, and of one of its blocks. */
export const POOL_ADDRESSES = 32;
export const BLOCK_ADDRESSES = 4;
const BLOCKS = POOL_ADDRESSES / BLOCK_ADDRESSES;

/** What a client does next. `own` counts back from the latest handle, `of` names a client. */
export type Operation =
  | { readonly type: "assign"; readonly count4: number; readonly count6: number; readonly afterCrash: AfterCrash }
  | { readonly type: "assign-address"; readonly ordinal: number }
  | { readonly type: "release-handle"; readonly own: number }
  | { readonly type: "release-address"; readonly own: number; readonly guarded: boolean }
  | { readonly type: "release-others"; readonly of: number; readonly own: number }
  | { readonly type: "claim"; readonly block: number }
  | { readonly type: "ensure-block" }
  | { readonly type: "release-affinity"; readonly of: number; readonly block: number; readonly onlyEmpty: boolean }
  | { readonly type: "audit" }
  | { readonly type: "collect" }
  | { readonly type: "wait"; readonly seconds: number };

/**
 * What a client that is started again does about a request that a crash cut short: asks for its handle and goes on with what
 * it has, as the plugin's ADD does; releases it, as DEL does; or never comes back to it.
 */
type AfterCrash = "ask" | "release" | "forget";

/**
 * What befalls a call of a client. `lost-late`: the answer is lost, and the write arrives a while later. `stall`: the process
 * stands still for longer than an empty block is left alone.
 */
export type FaultType =
  | "crash-before"
  | "crash-after"
  | "lost-before"
  | "lost-after"
  | "lost-late"
  | "unavailable"
  | "stall";

interface PlannedFault {
  readonly client: number;
  /** The n-th call of the client, reads too, counted from 0. */
  readonly call: number;
  readonly type: FaultType;
}

interface Client {
  /** Clients with the same number are processes of one node. */
  readonly node: number;
  readonly operations: readonly Operation[];
}

/** All that decides a run. */
export interface History {
  readonly seed: number;
  readonly strictAffinity: boolean;
  readonly cooldownSec: number;
  readonly clients: readonly Client[];
  readonly faults: readonly PlannedFault[];
  /** Who does the next step; see Scheduler. */
  readonly schedule: readonly number[];
}

const nth = fc.nat({ max: 3 });
const client = fc.nat({ max: CLIENTS - 1 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("assign" as const),
      count4: fc.integer({ min: 1, max: 5 }),
      count6: fc.nat({ max: 1 }),
      afterCrash: fc.constantFrom<AfterCrash>("ask", "release", "forget"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("assign-address" as const),
      ordinal: fc.nat({ max: POOL_ADDRESSES - 1 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("release-handle" as const), own: nth }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("release-address" as const), own: nth, guarded: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("release-others" as const), of: client, own: nth }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("claim" as const), block: fc.nat({ max: BLOCKS - 1 }) }) },
  { weight: 1, arbitrary: fc.constant({ type: "ensure-block" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("release-affinity" as const),
      of: client,
      block: fc.nat({ max: BLOCKS - 1 }),
      onlyEmpty: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "audit" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "collect" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("wait" as const), seconds: fc.constantFrom(1, 31, 61) }),
  },
);

const fault: fc.Arbitrary<PlannedFault> = fc.record({
  client,
  call: fc.nat({ max: 40 }),
  type: fc.constantFrom<FaultType>(
    "crash-before",
    "crash-after",
    "lost-before",
    "lost-after",
    "lost-late",
    "unavailable",
    "stall",
  ),
});

export const histories: fc.Arbitrary<History> = fc.record({
  seed: fc.nat(),
  strictAffinity: fc.boolean(),
  cooldownSec: fc.constantFrom(0, 0, 30),
  clients: fc
    .array(fc.array(operation, { maxLength: 6 }), { minLength: CLIENTS, maxLength: CLIENTS })
    // The last two are second processes of nodes that have one already, such as an agent that is just being replaced.
    .map((lists) => lists.map((operations, index) => ({ node: index % (CLIENTS - 2), operations }))),
  faults: fc.array(fault, { maxLength: 10 }),
  schedule: fc.array(fc.nat({ max: CLIENTS + 1 }), { minLength: 1, maxLength: 64 }),
});

/** A history as a script that a person can read, and below it the text that repeats it. */
export function printHistory(history: History): string {
  const { seed, strictAffinity, cooldownSec, clients, faults, schedule } = history;
  const lines = clients.flatMap(({ node, operations }, index) =>
    operations.length === 0 ? [] : [`client ${index} on node-${node}: ${operations.map(printOperation).join(" -> ")}`],
  );
  return [
    `seed ${seed}, ${strictAffinity ? "strict affinity" : "borrowing allowed"}, cooldown ${cooldownSec} s`,
    ...lines,
    ...faults.map((planned) => `call ${planned.call} of client ${planned.client}: ${planned.type}`),
    `turns: ${schedule.join(" ")}, and again`,
    `to repeat it: npm run simulate -- --replay '${JSON.stringify(history)}'`,
  ].join("\n");
}

function printOperation(operation: Operation): string {
  switch (operation.type) {
    case "assign":
      return `assign ${operation.count4} v4 ${operation.count6} v6 (after a crash: ${operation.afterCrash})`;
    case "assign-address":
      return `assign address ${operation.ordinal}`;
    case "release-handle":
      return `release its ${latest(operation.own)}`;
    case "release-address":
      return `release the addresses of its ${latest(operation.own)}${operation.guarded ? ", by sequence number" : ""}`;
    case "release-others":
      return `release the ${latest(operation.own)} of client ${operation.of}`;
    case "claim":
      return `claim block ${operation.block}`;
    case "ensure-block":
      return "ensure a block";
    case "release-affinity":
      return `release block ${operation.block} of client ${operation.of}'s node${operation.onlyEmpty ? ", if empty" : ""}`;
    case "audit":
      return "audit its node";
    case "collect":
      return "collect what nobody gives back";
    case "wait":
      return `wait ${operation.seconds} s`;
  }
}

function latest(own: number): string {
  return own === 0 ? "latest handle" : `latest handle but ${own}`;
}
