import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { unlessAborted } from "../core/unless-aborted.ts";
import type { Datastore } from "../datastore/datastore.ts";
import type { SteadyDatastore } from "../datastore/last-known/steady-datastore.ts";
import { ResourceClient } from "../datastore/resource-client.ts";
import { enableForwarding } from "../endpoint/forwarding.ts";
import { Prefix } from "../net/prefix.ts";
import { openNetlink } from "../netlink/open.ts";
import { checkNotServed } from "./api/unix-server.ts";
import type { Cleanups } from "./cleanups.ts";
import { ClusterCache } from "./cluster-cache.ts";
import { openClusterStore } from "./cluster-store.ts";
import { resolveNodeName } from "./config/node-name.ts";
import { checkNoLiveBird } from "./live-bird.ts";
import { LocalAddresses } from "./local-addresses.ts";
import type { AgentOptions } from "./options.ts";
import { checkAddressesAreFree } from "./own-node.ts";
import { AddressFollower } from "./start/address-follower.ts";
import { ClusterDefaults } from "./start/cluster-defaults.ts";
import { readMachine } from "./start/machine.ts";
import { machineIdentity } from "./start/machine-identity.ts";
import { NodeClaim } from "./start/node-claim.ts";
import { detectedFamilies, detectOwnAddress, type OwnAddresses, resolveOwnAddresses } from "./start/own-addresses.ts";

/** What everything else stands on: the kernel, the datastore, and what they say of this node. */
export interface Platform {
  readonly nodeName: string;
  readonly netlink: Awaited<ReturnType<typeof openNetlink>>;
  readonly addresses: LocalAddresses;
  readonly datastore: SteadyDatastore;
  /** For what the agent itself writes: nothing while the datastore is locked. */
  readonly client: ResourceClient;
  /** For what an operator orders, such as to unlock the datastore. */
  readonly operator: ResourceClient;
  readonly operatorStore: Datastore;
  readonly cluster: ClusterCache;
  readonly ownAddresses: OwnAddresses;
  readonly claim: NodeClaim;
}

/** Opens kernel and datastore, and finds out who and where this node is. Throws a CalibirdError, or the reason of `giveUp`. */
export async function openPlatform(options: AgentOptions, cleanups: Cleanups): Promise<Platform> {
  const { config, logger, clock, giveUp } = options;
  // Before anything of the running agent is touched: its state folder, its routes, its pods.
  await checkNotServed(join(config.runDir, "status.sock"));
  await checkNoLiveBird(config);
  const nodeName = resolveNodeName(config.nodeName, config.stateDir);

  const netlink = await openNetlink({ logger, hidesOwnRouteChanges: true, onFailure: options.onFailure });
  cleanups.add("netlink", () => netlink.close());
  const addresses = new LocalAddresses(netlink, clock, logger);
  await addresses.start();
  cleanups.add("addresses", () => addresses.stop());
  enableForwarding();

  giveUp.throwIfAborted();
  const { datastore, bare } = await openClusterStore(options, nodeName, cleanups);
  const clientOf = (store: Datastore) => new ResourceClient({ datastore: store, clock, createUid: randomUUID });
  const cluster = new ClusterCache({ datastore, clock, logger });
  cleanups.add("resources", () => cluster.stop());
  await unlessAborted(giveUp, cluster.start());

  const stored = cluster.resources.nodes.find(({ metadata }) => metadata.name === nodeName);
  const machine = await readMachine(netlink, config.hostIps);
  const ownAddresses = options.movedTo ?? (await resolveOwnAddresses(config, stored?.spec, machine));
  if (!config.skipNodeIpCheck) checkAddressesAreFree(cluster.resources.nodes, nodeName, ownAddresses);
  giveUp.throwIfAborted();
  const claim = new NodeClaim({ datastore, clock, logger, nodeName, machine: machineIdentity(config.stateDir) });
  cleanups.add("claim", () => claim.stop());
  const follower = new AddressFollower({
    ...{ netlink, clock, logger, current: ownAddresses, onMove: options.onMove },
    families: detectedFamilies(config),
    detect: async (family) => detectOwnAddress(family, config, await readMachine(netlink, config.hostIps)),
  });
  cleanups.add("address follower", () => follower.stop());
  await follower.start();
  const claimed = config.skipNodeIpCheck ? [] : Object.values(ownAddresses).map(({ address }) => address);
  await claim.start(claimed, giveUp);
  const defaults = new ClusterDefaults({
    datastore,
    clock,
    logger,
    createUid: randomUUID,
    pools: config,
    surroundings: {
      families: Object.values(ownAddresses).map(({ address }) => address.family),
      ownSubnets: machine.addresses.map(({ address, prefixLength }) => Prefix.of(address, prefixLength)),
      randomBytes,
    },
  });
  cleanups.add("defaults", () => defaults.stop());
  if (datastore.isHeld) datastore.onRelease(() => void defaults.ensure());
  else await defaults.ensure();
  return {
    nodeName,
    netlink,
    addresses,
    datastore,
    client: clientOf(datastore),
    operator: clientOf(bare),
    operatorStore: bare,
    cluster,
    ownAddresses,
    claim,
  };
}
