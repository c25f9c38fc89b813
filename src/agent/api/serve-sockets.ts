import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { Datastore } from "../../datastore/datastore.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import type { Cleanups } from "../cleanups.ts";
import type { EventHub } from "../event-hub.ts";
import type { PodManager } from "../pods/pod-manager.ts";
import type { PoolModeChanger } from "../pools/pool-modes.ts";
import type { StatusSource } from "../status-source.ts";
import { datastoreRoutes, datastoreStreams } from "./datastore-routes.ts";
import { type Drainable, drainRoutes } from "./drain-routes.ts";
import { podRoutes } from "./pod-routes.ts";
import { poolRoutes } from "./pool-routes.ts";
import { resourceRoutes } from "./resource-routes.ts";
import { statusRoutes, statusStreams } from "./status-routes.ts";
import { UnixApiServer } from "./unix-server.ts";

/** Opens the status socket, which everybody may read, and the agent's, which root may give orders to. */
export async function serveSockets(
  parts: {
    readonly runDir: string;
    readonly logger: Logger;
    readonly source: StatusSource;
    readonly events: EventHub;
    readonly pods: PodManager;
    readonly client: ResourceClient;
    readonly datastore: Datastore;
    readonly clock: Clock;
    readonly random: () => number;
    readonly modes: PoolModeChanger;
    readonly peering: Drainable;
  },
  cleanups: Cleanups,
): Promise<void> {
  const { runDir, logger, source, events, pods, client, datastore, clock, random, modes, peering } = parts;
  const status = {
    path: join(runDir, "status.sock"),
    mode: 0o666,
    routes: statusRoutes(source),
    streams: statusStreams(events),
  };
  const orders = {
    path: join(runDir, "agent.sock"),
    mode: 0o600,
    routes: [
      ...podRoutes(pods),
      ...resourceRoutes({ client, datastore, clock, random }),
      ...datastoreRoutes(datastore),
      ...poolRoutes(modes),
      ...drainRoutes(peering),
    ],
    streams: datastoreStreams(datastore),
  };
  for (const socket of [status, orders]) {
    const server = new UnixApiServer({ ...socket, logger });
    await server.start();
    cleanups.add("socket", () => server.stop());
  }
}
