import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { DaemonName } from "../../interop/support/daemons/daemon.ts";
import { eventually } from "../guest/eventually.ts";
import { allNetworks, daemonNames, type Neighbour, restartTimeSec, type SoakCluster } from "./cluster.ts";

type Note = (line: string) => void;

/** What goes wrong once. Everything is well again when `run` resolves; it rejects if something was not as it must be. */
export interface Fault {
  readonly title: string;
  readonly run: (cluster: SoakCluster, note: Note) => Promise<void>;
}

const seconds = (count: number) => delay(count * 1000);
/** How late a timer may be: both sides count from their own last message, and a busy machine is slow to answer. */
const slackSec = 10;

/** Those that strike ourselves. */
const ours: readonly Fault[] = [
  { title: "our agent is killed and back within its restart time", run: weAreBackInTime },
  { title: "our agent is killed and away for longer than its restart time", run: weAreAwayTooLong },
  { title: "our agent is stopped and started", run: weAreStopped },
  { title: "our link is down for ten seconds", run: ourLinkFlaps },
];
export const ourFaults = ours.length;

/** Every fault once. Ours come first: the agent that lives after them is looked at until the end. */
export function faults(): Fault[] {
  return [...ours, ...daemonNames.flatMap((name) => faultsOf(name))];
}

function faultsOf(name: DaemonName): Fault[] {
  const fault = (title: string, run: (cluster: SoakCluster, neighbour: Neighbour, note: Note) => Promise<void>) => ({
    title: `${name} ${title}`,
    run: (cluster: SoakCluster, note: Note) => run(cluster, cluster.neighbour(name), note),
  });
  return [
    fault("is killed and back within its restart time", isBackInTime),
    fault("is killed and away for longer than its restart time", isAwayTooLong),
    fault("is silent for longer than the hold time", isSilent),
    fault("has its link down for 20 seconds", linkFlaps),
    fault("has its session shut down and opened three times", sessionFlaps),
  ];
}

async function isBackInTime(cluster: SoakCluster, neighbour: Neighbour, note: Note): Promise<void> {
  const { daemon, kept, forgotten, keepsOverRestart } = neighbour;
  const watch = await cluster.watchRoutes();
  try {
    await daemon.kill();
    await seconds(40);
    const expected = keepsOverRestart ? allNetworks(neighbour) : [];
    assert.deepEqual(await kernelRoutesOf(cluster, neighbour), expected, "40 seconds after the end");
    const began = performance.now();
    await cluster.startDaemon(neighbour, "restart", [kept]);
    await cluster.settledWithout([neighbour], neighbour);
    note(`back ${since(began)} after its start`);
    const removals = (prefix: string) => watch.removals(prefix).then(({ length }) => length);
    assert.deepEqual(
      { kept: await removals(kept), forgotten: await removals(forgotten) },
      { kept: keepsOverRestart ? 0 : 1, forgotten: 1 },
      "how often the kernel's routes were removed",
    );
  } finally {
    watch.stop();
  }
  await daemon.kill();
  await seconds(10);
  await cluster.startDaemon(neighbour, "restart", allNetworks(neighbour));
  await cluster.settledWithout([neighbour]);
}

async function isAwayTooLong(cluster: SoakCluster, neighbour: Neighbour, note: Note): Promise<void> {
  const { daemon, keepsOverRestart } = neighbour;
  const began = performance.now();
  await daemon.kill();
  if (keepsOverRestart) {
    await seconds(restartTimeSec - slackSec);
    assert.deepEqual(
      await kernelRoutesOf(cluster, neighbour),
      allNetworks(neighbour),
      "before the restart time is over",
    );
  }
  await eventually(() => kernelRoutesOf(cluster, neighbour), (2 * slackSec + 5) * 1000, 500);
  note(`its routes were gone after ${since(began)}`);
  await seconds(60);
  await cluster.startDaemon(neighbour, "restart", allNetworks(neighbour));
  await cluster.settledWithout([neighbour]);
}

async function isSilent(cluster: SoakCluster, neighbour: Neighbour, note: Note): Promise<void> {
  const { holdSec } = neighbour;
  const began = performance.now();
  await cluster.setForwarding(neighbour, false);
  try {
    await eventually(
      async () => ((await cluster.peer(neighbour)).state === "Established" ? ["still up"] : []),
      (holdSec + slackSec) * 1000,
      2_000,
    );
    const downAfterSec = (performance.now() - began) / 1000;
    note(`the session ended ${since(began)} after the silence began: ${(await cluster.peer(neighbour)).reason}`);
    assert.ok(
      downAfterSec > (holdSec * 2) / 3 - slackSec,
      `the session ended after ${downAfterSec} s, with a hold time of ${holdSec} s`,
    );
    await seconds(restartTimeSec + slackSec);
    assert.deepEqual(await kernelRoutesOf(cluster, neighbour), [], "after hold time and restart time");
  } finally {
    await cluster.setForwarding(neighbour, true);
  }
  const healed = performance.now();
  await cluster.settledWithout([neighbour]);
  note(`back ${since(healed)} after the silence ended`);
}

async function linkFlaps(cluster: SoakCluster, neighbour: Neighbour, note: Note): Promise<void> {
  const { timesEstablished } = await cluster.peer(neighbour);
  await cluster.setLink(neighbour.namespace, "down");
  await seconds(20);
  await cluster.setLink(neighbour.namespace, "up");
  // Long enough to notice also on the side that has lost no carrier.
  await seconds(neighbour.holdSec);
  await cluster.settledWithout([neighbour]);
  const ends = (await cluster.peer(neighbour)).timesEstablished - timesEstablished;
  note(ends === 0 ? "the session outlived it" : `the session ended ${ends} times`);
}

async function sessionFlaps(cluster: SoakCluster, neighbour: Neighbour, note: Note): Promise<void> {
  const began = performance.now();
  for (let round = 0; round < 3; round++) {
    await cluster.setPeer(neighbour, "maintenance");
    await eventually(async () => ((await cluster.peer(neighbour)).state === "Established" ? ["still up"] : []));
    await eventually(() => kernelRoutesOf(cluster, neighbour), slackSec * 1000, 500);
    await seconds(15);
    await cluster.setPeer(neighbour);
    await cluster.settledWithout([neighbour]);
  }
  note(`three times in ${since(began)}`);
}

async function weAreBackInTime(cluster: SoakCluster, note: Note): Promise<void> {
  const block = await cluster.agent.block();
  const watch = await cluster.watchRoutes();
  try {
    await cluster.agent.end("SIGKILL");
    await seconds(30);
    await othersHave(cluster, [block]);
    const began = performance.now();
    await cluster.agent.start();
    await cluster.settled();
    note(`everybody back ${since(began)} after our start`);
    for (const neighbour of cluster.neighbours.filter(({ alwaysRestarts }) => !alwaysRestarts))
      for (const prefix of allNetworks(neighbour))
        assert.deepEqual(await watch.removals(prefix), [], "a route of the kernel was removed");
  } finally {
    watch.stop();
  }
}

async function weAreAwayTooLong(cluster: SoakCluster, note: Note): Promise<void> {
  const block = await cluster.agent.block();
  await cluster.agent.end("SIGKILL");
  await seconds(restartTimeSec - slackSec);
  await othersHave(cluster, [block]);
  await seconds(2 * slackSec);
  await othersHave(cluster, []);
  await seconds(60);
  const began = performance.now();
  await cluster.agent.start();
  await cluster.settled();
  note(`everybody back ${since(began)} after our start`);
}

async function weAreStopped(cluster: SoakCluster, note: Note): Promise<void> {
  await cluster.agent.end("SIGTERM");
  await seconds(20);
  const began = performance.now();
  await cluster.agent.start();
  await cluster.settled();
  note(`everybody back ${since(began)} after our start`);
}

async function ourLinkFlaps(cluster: SoakCluster, note: Note): Promise<void> {
  await cluster.setLink(cluster.agent.namespace, "down");
  await seconds(10);
  await cluster.setLink(cluster.agent.namespace, "up");
  const began = performance.now();
  await cluster.settled();
  note(`everybody well ${since(began)} after the link was up`);
}

/** Throws unless those that keep routes of a neighbour that restarts have exactly these of ours. */
async function othersHave(cluster: SoakCluster, prefixes: readonly string[]): Promise<void> {
  for (const neighbour of cluster.neighbours)
    if (neighbour.keepsForOthers)
      assert.deepEqual(
        await cluster.heardBy(neighbour),
        prefixes,
        `what ${neighbour.daemon.name} has while we are away`,
      );
}

/** Those routes of the kernel that lead to what the neighbour announces. */
async function kernelRoutesOf(cluster: SoakCluster, neighbour: Neighbour): Promise<string[]> {
  const wanted = allNetworks(neighbour);
  return (await cluster.agent.kernelRoutes()).filter((prefix) => wanted.includes(prefix));
}

function since(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}
