import { systemClock } from "../core/clock.ts";
import type { Datastore } from "../datastore/datastore.ts";
import type { AgentClient } from "./agent-client.ts";
import { AgentDatastore } from "./agent-datastore.ts";
import { type CalicoConfigSources, readCalicoConnection } from "./datastore-config.ts";

/**
 * Opens the cluster's datastore for one command and closes it when `run` has ended, however it ended: the one that the sources
 * name, as for calicoctl; if they name none, that of the agent on this node.
 */
export async function withDatastore<Result>(
  sources: CalicoConfigSources,
  agent: () => AgentClient,
  run: (datastore: Datastore) => Promise<Result>,
): Promise<Result> {
  const datastore = await open(sources, agent);
  try {
    return await run(datastore);
  } finally {
    await datastore.close();
  }
}

async function open(sources: CalicoConfigSources, agent: () => AgentClient): Promise<Datastore> {
  const connection = await readCalicoConnection(sources);
  if (connection === undefined) return new AgentDatastore(agent(), systemClock);
  // The drivers are large, and the embedded one needs libc.
  const { openDatastore } = await import("../datastore/open.ts");
  return openDatastore(connection);
}
