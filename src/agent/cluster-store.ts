import { join } from "node:path";
import { errorMessage } from "../core/errors.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import type { DatastoreConnection, EtcdConnection } from "../datastore/connection.ts";
import type { DescribedDatastore } from "../datastore/datastore.ts";
import { DatastoreError } from "../datastore/errors.ts";
import { KeptFile } from "../datastore/last-known/kept-file.ts";
import { SteadyDatastore } from "../datastore/last-known/steady-datastore.ts";
import { openDatastore } from "../datastore/open.ts";
import type { Cleanups } from "./cleanups.ts";
import { datastoreConnection } from "./config/datastore-settings.ts";
import { keptPolicy } from "./kept-policy.ts";
import type { AgentOptions } from "./options.ts";

const DNS_RETRY_MS = 1_000;

/** The datastore as the agent's parts see it, and as it is, for what an operator orders. */
interface ClusterStore {
  readonly datastore: SteadyDatastore;
  readonly bare: DescribedDatastore;
}

/**
 * Opens the datastore and waits until it is there, or until what was last known of it will do. Throws what `openDatastore`
 * throws, but not because the DNS does not answer; or the reason of `giveUp`.
 */
export async function openClusterStore(
  options: AgentOptions,
  nodeName: string,
  cleanups: Cleanups,
): Promise<ClusterStore> {
  const { config, logger, clock, random, giveUp } = options;
  const connection = datastoreConnection(config);
  // What lies on this machine is there if anything is.
  const file =
    connection.kind === "embedded"
      ? undefined
      : new KeptFile({
          path: join(config.stateDir, "last-known"),
          identity: { node: nodeName, names: namesOf(connection) },
          logger,
        });
  const bare = await openFound(connection, file, options);
  const datastore = new SteadyDatastore({
    store: bare,
    policy: keptPolicy(nodeName),
    file,
    clock,
    random,
    logger: logger.child({ part: "datastore" }),
  });
  cleanups.add("datastore", () => datastore.close());
  await datastore.start(giveUp);
  return { datastore, bare };
}

function namesOf({ members }: EtcdConnection): readonly string[] {
  return "endpoints" in members ? members.endpoints : [`srv:${members.discoverySrv}`];
}

/** While the DNS does not name the members those of the last time will do. */
async function openFound(
  connection: DatastoreConnection,
  file: KeptFile | undefined,
  { logger, clock, random, giveUp }: AgentOptions,
): Promise<DescribedDatastore> {
  for (;;)
    try {
      return await unlessAborted(giveUp, openDatastore(connection, { clock, logger, random }));
    } catch (error) {
      if (!(error instanceof DatastoreError) || error.code !== "DATASTORE_UNAVAILABLE") throw error;
      const places = file?.read()?.content.places ?? [];
      logger.warn({ error: errorMessage(error), places }, "the DNS does not say where the datastore is");
      if (connection.kind === "etcd" && places.length > 0)
        return openDatastore({ ...connection, members: { endpoints: places } }, { clock, logger, random });
      await unlessAborted(giveUp, new Promise<void>((resolve) => void clock.setTimer(DNS_RETRY_MS, resolve)));
    }
}
