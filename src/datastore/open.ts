import { Resolver } from "node:dns/promises";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { DatastoreConnection, EtcdConnection } from "./connection.ts";
import type { DescribedDatastore } from "./datastore.ts";
import { openEmbeddedDatastore } from "./embedded/open.ts";
import { discoverEndpoints, type ServiceResolver } from "./etcd/discovery.ts";
import { openEtcdDatastore } from "./etcd/open.ts";

export interface OpenOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Numbers in [0, 1); spread the retries of many nodes. */
  readonly random?: () => number;
  /** Who is asked for SRV records; the host's DNS by default. */
  readonly resolver?: ServiceResolver;
}

const DNS_TIMEOUT_MS = 2_000;

/**
 * Opens the datastore of a connection. etcd is connected to with the first request, so it may be down now. Throws
 * `INVALID_CONNECTION`, `INVALID_PATH`, `CORRUPT_JOURNAL`; `DATASTORE_UNAVAILABLE` if the DNS names no member.
 */
export async function openDatastore(
  connection: DatastoreConnection,
  options: OpenOptions = {},
): Promise<DescribedDatastore> {
  const { resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: 2 }), ...rest } = options;
  if (connection.kind === "embedded") return openEmbeddedDatastore({ path: connection.path, ...rest });
  const { members, tls, credentials } = connection;
  const endpoints = await endpointsOf(members, resolver);
  return openEtcdDatastore({ endpoints, ...(tls && { tls }), ...(credentials && { credentials }), ...rest });
}

async function endpointsOf(members: EtcdConnection["members"], resolver: ServiceResolver): Promise<readonly string[]> {
  return "endpoints" in members ? members.endpoints : discoverEndpoints(members.discoverySrv, resolver);
}
