import { Random } from "../../fuzz/random.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { ResourceClient } from "../../src/datastore/resource-client.ts";
import { CONFIG_KEY } from "../../src/ipam/keys.ts";
import { resourceKey } from "../../src/resources/resource-keys.ts";
import { auditIpam } from "../../test/support/ipam-audit.ts";
import { Client } from "./client.ts";
import { type FaultType, type History, POOL_ADDRESSES, printHistory } from "./history.ts";
import { Scheduler } from "./scheduler.ts";
import { isLive, World } from "./world.ts";

const START_MS = Date.parse("2026-01-02T03:04:05Z");
/** After this even the blocks that were claimed last may be taken over, and the longest cooldown is over. */
const LONG_AFTER_MS = 120_000;

/** Between two looks at whether the watchers have been told. */
const NEWS_PAUSE_MS = 20;
const GONE_NODES = ["node-1", "node-4"];

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
async function runHistory(history: History, store: Datastore, newsTakeMs: number): Promise<Outcome> {
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
  for (const node of new Set(history.clients.map((each) => `node-${each.node}`))) await makeNode(world, node);
  await store.transact({ compares: [], success: [{ type: "put", key: CONFIG_KEY, value: configText(history) }] });
  const players = history.clients.map(({ node, operations }, index) => {
    const own = history.faults.filter(({ client }) => client === index);
    return { client: startClient(node, new Map(own.map(({ call, type }) => [call, type]))), operations };
  });
  await scheduler.run(Promise.all(players.map(({ client, operations }) => client.play(operations))));
  await scheduler.run(Promise.all(clients.map(({ connection }) => connection.settled())));
  for (const { connection } of clients) connection.makePeace();
  for (const client of clients) await scheduler.run(client.recover());
  await scheduler.run(scheduler.sleep(LONG_AFTER_MS));
  const deadlineMs = performance.now() + newsTakeMs;
  while (differingViews(world).length > 0 && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, NEWS_PAUSE_MS));
    await scheduler.run(scheduler.sleep(LONG_AFTER_MS));
  }
  for (const difference of differingViews(world)) ledger.complain(difference);
  for (const { problems } of [await auditIpam(store)]) for (const problem of problems) ledger.complain(problem);

  await keepUp(world);
  const assignments = clients.flatMap(({ handles }) => handles.filter(({ tenures }) => tenures.length > 0)).length;
  const faults = clients.reduce((sum, { connection }) => sum + connection.faultsMet, 0);
  const last = startClient(players.length, new Map());
  await makeNode(world, last.node);
  const everything = async () => {
    for (const handle of clients.flatMap(({ handles }) => handles))
      if (ledger.held(handle.id).length > 0) await last.release(handle);
    // Blocks that nobody owns go at the second look after all of them has cooled down.
    for (let look = 0; look < 2; look++) {
      await scheduler.sleep(LONG_AFTER_MS);
      await last.collect();
    }
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

/** Audits and collects until nothing can be found any more; then some nodes leave the cluster without a word. */
async function keepUp({ scheduler, ledger, clients, store, goneNodes }: World): Promise<void> {
  const collect = async () => {
    await clients.at(-1)?.collect();
    await scheduler.sleep(LONG_AFTER_MS);
  };
  // One process of each node is enough. What the second look does may be for the third to clean up.
  const auditors = new Map(clients.map((client) => [client.node, client]));
  const upkeep = async () => {
    for (let round = 0; round < 3; round++) {
      for (const client of auditors.values()) await client.audit();
      await collect();
    }
  };
  await scheduler.run(upkeep());
  for (const { handles } of clients)
    for (const handle of handles)
      if (!isLive(handle) && ledger.held(handle.id).length > 0) ledger.complain(`${handle.id} is leaked for ever`);
      else if (isLive(handle) && handle.tenures.some(({ ended }) => ended))
        ledger.complain(`${handle.id} has lost an address that it was given`);
  for (const node of GONE_NODES) {
    goneNodes.add(node);
    await store.transact({ compares: [], success: [{ type: "delete", key: resourceKey("Node", node) }] });
  }
  for (const { node, handles } of clients) for (const handle of handles) handle.released ||= goneNodes.has(node);
  await scheduler.run(collect());
  await scheduler.run(collect());
  for (const { node, handles } of clients)
    if (goneNodes.has(node) && handles.some(({ id }) => ledger.held(id).length > 0))
      ledger.complain(`${node}, which is gone, still has addresses`);
  for (const { node, block } of ledger.affinities())
    if (goneNodes.has(node)) ledger.complain(`${node}, which is gone, still has ${block}`);
}

async function makeNode({ store, scheduler }: World, name: string): Promise<void> {
  const client = new ResourceClient({ datastore: store, clock: scheduler.clock, createUid: () => `uid-of-${name}` });
  await client.create({ kind: "Node", apiVersion: "projectcalico.org/v3", metadata: { name }, spec: {} });
}

/**
 * Runs a history and throws a HistoryFailure that tells what went wrong and how to see it again. `newsTakeMs`: how long in
 * real time a store may take to tell its watchers.
 */
export async function checkHistory(history: History, store: Datastore, newsTakeMs = 0): Promise<Outcome> {
  let violations: readonly string[];
  try {
    const outcome = await runHistory(history, store, newsTakeMs);
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
function differingViews({ ledger, clients }: World): string[] {
  const text = (lines: readonly string[]) => [...lines].sort().join("; ");
  const actual = text(ledger.affinities().map(({ node, block, state }) => `${node} ${block} ${state}`));
  return clients.flatMap(({ index, view }) => {
    const seen = text(
      [...view].flatMap(([block, nodes]) => [...nodes].map(([node, state]) => `${node} ${block} ${state}`)),
    );
    return seen === actual ? [] : [`the watcher of client ${index} sees ${seen}, not ${actual}`];
  });
}
