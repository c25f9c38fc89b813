import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { PodAddresses } from "../../src/agent/pods/pod-addresses.ts";
import { PodJournal } from "../../src/agent/pods/pod-journal.ts";
import { PodManager, type PodManagerOptions } from "../../src/agent/pods/pod-manager.ts";
import { type PodRecord, podEndpointName, podIdentity, podToResource } from "../../src/agent/pods/pod-record.ts";
import { PodReleases } from "../../src/agent/pods/pod-releases.ts";
import type { RoutingWorkload } from "../../src/agent/routing/sources.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { ResourceClient } from "../../src/datastore/resource-client.ts";
import { podInterfaceName } from "../../src/endpoint/names.ts";
import { allocationsOf } from "../../src/ipam/allocations.ts";
import { Ipam } from "../../src/ipam/ipam.ts";
import { podOwner } from "../../src/ipam/owners.ts";
import { ipamPool } from "./ipam-pools.ts";

/** A PodManager of node n1 on a real store, without a kernel: what is wired and routed is only written down. */
export function podManagerOn(store: Datastore, options: Partial<PodManagerOptions> = {}) {
  const client = new ResourceClient({ datastore: store, clock: systemClock, createUid: randomUUID });
  const pools = [ipamPool("pool", "10.0.0.0/26", { blockSize: 29 })];
  const common = { datastore: store, clock: systemClock, random: Math.random, logger: silentLogger };
  const ipam = new Ipam({ ...common, nodeName: "n1", pools: () => pools, nodeLabels: () => ({}) });
  /** The pods that have a route, by address. */
  const routed = new Map<string, string>();
  const engine = {
    updateWorkloads: (added: readonly RoutingWorkload[], removed: readonly { toString(): string }[]) => {
      for (const prefix of removed) routed.delete(prefix.toString());
      for (const { address, pod } of added) routed.set(address.toString(), pod);
    },
    flush: () => Promise.resolve(),
  };
  const wiring = {
    wire: () => Promise.resolve({ containerMacAddress: "02:00:00:00:00:01" }) as never,
    unwire: () => Promise.resolve() as never,
  };
  const addresses = new PodAddresses({ ipam, client, pools: () => pools, families: () => [4] });
  const fixed = { addresses, nodeName: "n1", interfacePrefix: "cali", nowMs: () => 0, logger: silentLogger };
  const directory = mkdtempSync(join(tmpdir(), "calibird-pods-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const journal = new PodJournal(directory, silentLogger);
  const path = join(tmpdir(), `calibird-releases-${randomUUID()}.json`);
  const releases = new PodReleases({ ipam, client, path, clock: systemClock, logger: silentLogger });
  const manager = new PodManager({ ...fixed, releases, journal, wiring, ipam, client, engine, ...options });

  /** Takes an address for a pod, and nothing else: what a crash right afterwards leaves. */
  async function takeAddress(name: string): Promise<PodRecord> {
    const identity = { namespace: "default", name, containerId: randomBytes(8).toString("hex") };
    const owner = podOwner(podIdentity("n1", identity), 0);
    const { ipv4 } = await ipam.autoAssign({ ...owner, count4: 1, count6: 0, intendedUse: "Workload" });
    const addresses = ipv4.map(({ address }) => address);
    const hostInterface = podInterfaceName("default", name, "cali");
    return { ...identity, addresses, hostInterface, macAddress: undefined, namespacePath: undefined };
  }

  /** Writes the record of a pod, as an earlier agent has. */
  async function record(pod: PodRecord): Promise<void> {
    await client.apply(podToResource("n1", podEndpointName("n1", pod.name) ?? "", pod));
  }

  const taken = async () =>
    (await ipam.blocks())
      .flatMap(allocationsOf)
      .filter(({ coolingDown }) => !coolingDown)
      .map(({ address, attributes }) => `${attributes.pod} ${address}`);
  return { manager, ipam, client, journal, routed, takeAddress, record, taken };
}
