// ipam-program.js embedded FOLDER | etcd URL: hands out addresses and checks them where a namespace reaches its datastore. Lines on
// standard input: "assign NODES EACH" hands out addresses on nodes at the same time, "fill ALLOCATIONS" writes a cluster with
// so many, "check" is `calictl ipam check`. Each is answered with "done" on standard error; the end is an object with the values.
import { createInterface } from "node:readline";
import { Readable, Writable } from "node:stream";
import { runCalictl } from "../src/calictl/program.ts";
import { systemClock } from "../src/core/clock.ts";
import { silentLogger } from "../src/core/logger.ts";
import { openDatastore } from "../src/datastore/open.ts";
import { ResourceClient } from "../src/datastore/resource-client.ts";
import { Ipam } from "../src/ipam/ipam.ts";
import { podOwner } from "../src/ipam/owners.ts";
import { effectivePool } from "../src/resources/ip-pool.ts";
import { applyPool, connectionTo, nodeName, writeAllocations } from "./cluster-data.ts";

// Whoever reads this shows the last line of it.
process.on("uncaughtException", (error) => {
  process.stderr.write(`${error.message.replaceAll("\n", " | ")}\n`);
  process.exit(1);
});

const [kind = "", place = ""] = process.argv.slice(2);
const datastore = await openDatastore(connectionTo(kind, place));
const client = new ResourceClient({ datastore, clock: systemClock, createUid: () => crypto.randomUUID() });
const values: Record<string, number> = {};
/** Pods so far, for their names. */
let pods = 0;

/** Requests of pods one after the other on each node, on all nodes at the same time; addresses per second. */
async function assign(nodes: number, each: number): Promise<number> {
  const { resources } = await client.list("IPPool");
  const pools = resources.map(({ metadata, spec }) => ({ name: metadata.name, ...effectivePool(spec, metadata) }));
  const runNode = async (index: number) => {
    const node = nodeName(index);
    const ipam = new Ipam({
      ...{ datastore, nodeName: node, clock: systemClock, random: Math.random, logger: silentLogger },
      pools: () => pools,
      nodeLabels: () => ({}),
    });
    for (let count = 0; count < each; count++) {
      const name = `pod-${++pods}`;
      const identity = { network: "k8s-pod-network", containerId: name, namespace: "default", pod: name, node };
      await ipam.autoAssign({ ...podOwner(identity, Date.now()), count4: 1, count6: 0, intendedUse: "Workload" });
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: nodes }, (_, index) => runNode(index)));
  return (nodes * each) / ((performance.now() - startMs) / 1_000);
}

/** Runs the command, which must find no problem; seconds. */
async function check(): Promise<number> {
  let output = "";
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      output += String(chunk);
      done();
    },
  });
  const environment =
    kind === "etcd" ? { ETCD_ENDPOINTS: place } : { CALIBIRD_DATASTORE: kind, CALIBIRD_EMBEDDED_PATH: place };
  const context = { stdout, stderr: process.stderr, stdin: Readable.from([]), environment, colour: false };
  const startMs = performance.now();
  const status = await runCalictl(["ipam", "check"], { ...context, nowMs: () => Date.now() });
  const seconds = (performance.now() - startMs) / 1_000;
  if (status !== 0 || !output.includes("found 0 problems")) throw new Error(`status ${status}: ${output.slice(-500)}`);
  return seconds;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word, first, second] = line.split(" ");
  if (word === "assign") {
    await applyPool(client, {});
    values[first === "1" ? "one_node_rate" : "many_nodes_rate"] = await assign(Number(first), Number(second));
  } else if (word === "fill") {
    await applyPool(client, {});
    await writeAllocations(datastore, client, Number(first));
  } else values.check_s = await check();
  process.stderr.write("done\n");
}
await datastore.close();
process.stdout.write(JSON.stringify({ ...values, peak_mib: process.resourceUsage().maxRSS / 1_024 }));
