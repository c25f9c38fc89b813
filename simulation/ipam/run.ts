import { Random } from "../../fuzz/random.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { CONFIG_KEY } from "../../src/ipam/keys.ts";
import { auditIpam } from "../../test/support/ipam-audit.ts";
import { Client } from "./client.ts";
import { type FaultType, type History, POOL_ADDRESSES, printHistory } from "./history.ts";
import { Scheduler } from "./scheduler.ts";
import { World } from "./world.ts";

const START_MS = Date.parse("2026-01-02T03:04:05Z");
/** After this even the blocks that were claimed last may be taken over, and the longest cooldown is over. */
const LONG_AFTER_MS = 120_000;

/** What a run has come to. */
export interface Outcome {
  /** What went against the rules; empty if all is well. */
  readonly violations: readonly string[];
  readonly steps: number;
  /** Answers with addresses, and how often something befell a call. */
  readonly assignments: number;
  readonly faults: number;
}

/** A history that went wrong. */
export class HistoryFailure extends Error {}

/**
 * Plays a history on an empty store: first all clients at the same time, with everything that befalls them; then, in
 * peace, everything is released, and one node takes every address there is.
 */
async function runHistory(history: History, store: Datastore): Promise<Outcome> {
  const scheduler = new Scheduler(history.schedule, START_MS);
  const world = new World(store, scheduler, history);
  const { ledger, clients } = world;
  const random = (index: number): (() => number) => {
    const source = new Random(history.seed + index);
    return () => source.below(2 ** 32) / 2 ** 32;
  };
  const startClient = (node: number, faults: ReadonlyMap<number, FaultType>) => {
    const client = new Client(world, clients.length, `node-${node}`, faults, random(clients.length));
    clients.push(client);
    return client;
  };
  await store.transact({ compares: [], success: [{ type: "put", key: CONFIG_KEY, value: configText(history) }] });
  const players = history.clients.map(({ node, operations }, index) => {
    const own = history.faults.filter(({ client }) => client === index);
    return { client: startClient(node, new Map(own.map(({ call, type }) => [call, type]))), operations };
  });
  await scheduler.run(Promise.all(players.map(({ client, operations }) => client.play(operations))));
  await scheduler.run(Promise.all(clients.map(({ connection }) => connection.settled())));
  do {
    for (const client of clients) await scheduler.run(client.recover());
    await scheduler.run(scheduler.sleep(LONG_AFTER_MS));
  } while (clients.some(({ connection }) => !connection.alive));
  for (const client of clients) checkView(world, client);
  for (const { problems } of [await auditIpam(store)]) for (const problem of problems) ledger.complain(problem);

  const assignments = clients.flatMap(({ handles }) => handles.filter(({ tenures }) => tenures.length > 0)).length;
  const faults = clients.reduce((sum, { connection }) => sum + connection.faultsMet, 0);
  const last = startClient(players.length, new Map());
  const everything = async () => {
    for (const handle of clients.flatMap(({ handles }) => handles)) await last.release(handle);
    await scheduler.sleep(LONG_AFTER_MS);
    if (!(await last.takeAll(POOL_ADDRESSES))) ledger.complain("in the end not all addresses can be assigned again");
    else if (await last.takeAll(1)) ledger.complain("in the end more addresses are assigned than there are");
    for (const handle of last.handles) await last.release(handle);
  };
  await scheduler.run(everything());
  const { problems, allocations } = await auditIpam(store);
  for (const problem of problems) ledger.complain(problem);
  if (allocations.size > 0) ledger.complain(`at last ${[...allocations.keys()].join(", ")} are taken`);
  for (const client of clients) client.stop();
  return { violations: ledger.violations, steps: scheduler.steps, assignments, faults };
}

/** Runs a history and throws a HistoryFailure that tells what went wrong and how to see it again. */
export async function checkHistory(history: History, store: Datastore): Promise<Outcome> {
  let violations: readonly string[];
  try {
    const outcome = await runHistory(history, store);
    if (outcome.violations.length === 0) return outcome;
    ({ violations } = outcome);
  } catch (error) {
    violations = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
  throw new HistoryFailure(`${violations.join("\n")}\n\n${printHistory(history)}`);
}

function configText({ strictAffinity, cooldownSec }: History): string {
  return JSON.stringify({
    ...(strictAffinity && { strict_affinity: true }),
    auto_allocate_blocks: true,
    ...(cooldownSec > 0 && { ipCooldownSeconds: cooldownSec }),
  });
}

/** What a watcher has reported in the end is what there is, however late it heard of it. */
function checkView({ ledger }: World, client: Client): void {
  const seen = [...client.view].flatMap(([block, nodes]) =>
    [...nodes].map(([node, state]) => `${node} ${block} ${state}`),
  );
  const actual = ledger.affinities().map(({ node, block, state }) => `${node} ${block} ${state}`);
  const text = (lines: readonly string[]) => [...lines].sort().join("; ");
  if (text(seen) !== text(actual))
    ledger.complain(`the watcher of client ${client.index} sees ${text(seen)}, not ${text(actual)}`);
}
