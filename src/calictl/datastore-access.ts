import { systemClock } from "../core/clock.ts";
import type { Datastore } from "../datastore/datastore.ts";
import type { AgentClient } from "./agent-client.ts";
import { AgentDatastore } from "./agent-datastore.ts";

/** Opens the cluster's datastore for one command and closes it when `run` has ended, however it ended. */
export async function withDatastore<Result>(
  client: AgentClient,
  run: (datastore: Datastore) => Promise<Result>,
): Promise<Result> {
  const datastore = new AgentDatastore(client, systemClock);
  try {
    return await run(datastore);
  } finally {
    await datastore.close();
  }
}
