import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { EndpointWiring } from "../../endpoint/wiring.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import type { Prefix } from "../../net/prefix.ts";
import { AddressKeeping } from "../addresses/address-keeping.ts";
import type { Cleanups } from "../cleanups.ts";
import { ipamPools } from "../cluster-view.ts";
import type { AgentConfig } from "../config/settings.ts";
import type { Platform } from "../platform.ts";
import type { RoutingEngine } from "../routing/engine.ts";
import { PodAddresses } from "./pod-addresses.ts";
import { podFamilies } from "./pod-families.ts";
import { PodJournal } from "./pod-journal.ts";
import { PodManager } from "./pod-manager.ts";
import { PodReleases } from "./pod-releases.ts";

interface CreatePodsOptions
  extends Pick<Platform, "nodeName" | "netlink" | "datastore" | "client" | "cluster" | "ownAddresses"> {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly ipam: Ipam;
  readonly engine: RoutingEngine;
  /** True if there is a way to exactly this prefix that leads to another node. */
  readonly isRouted: (prefix: Prefix) => boolean;
}

/**
 * Adopts the pods of an earlier run, then compares the recorded addresses with those in use for the first time. What comes
 * back works from now on; addresses are given out once that comparison has gone through.
 */
export async function createPods(
  options: CreatePodsOptions,
  cleanups: Cleanups,
): Promise<{
  readonly pods: PodManager;
  readonly releases: PodReleases;
  readonly addressKeeping: AddressKeeping;
}> {
  const { nodeName, config, client, cluster, ipam, engine, netlink, clock, logger, ownAddresses } = options;
  const path = join(config.stateDir, "pending-releases.json");
  const releases = new PodReleases({ ipam, client, path, clock, logger: logger.child({ part: "pods" }) });
  cleanups.add("releases", () => releases.stop());
  const pods = new PodManager({
    releases,
    nodeName,
    wiring: new EndpointWiring({ netlink, clock, logger }),
    ipam,
    client,
    engine,
    logger,
    interfacePrefix: config.interfacePrefix,
    addresses: new PodAddresses({
      ipam,
      client,
      pools: () => ipamPools(cluster.resources),
      families: (labels) => podFamilies(cluster, nodeName, ownAddresses, labels),
    }),
    journal: new PodJournal(join(config.stateDir, "pods"), logger),
    nowMs: () => clock.wallMs(),
  });
  await pods.recover();
  const addressKeeping = new AddressKeeping({ ...options, pods });
  cleanups.add("address audit", () => addressKeeping.stop());
  await addressKeeping.start();
  return { pods, releases, addressKeeping };
}
