import { systemClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import type { DescribedDatastore } from "../datastore.ts";
import { DatastoreError } from "../errors.ts";
import { EtcdDatastore } from "./etcd-datastore.ts";
import { createMember } from "./member.ts";
import { Members } from "./members.ts";
import { type EtcdOptions, parseEndpoints, readTls } from "./options.ts";

const REQUEST_TIMEOUT_MS = 3_000;

/**
 * A client of an etcd cluster. It connects with the first request, so the cluster may be down; what can't be right
 * whoever answers throws `INVALID_CONNECTION`.
 */
export async function openEtcdDatastore(options: EtcdOptions): Promise<DescribedDatastore> {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, clock = systemClock, random = Math.random, credentials } = options;
  const endpoints = parseEndpoints(options.endpoints);
  const tls = readTls(endpoints, options.tls);
  const logger = (options.logger ?? silentLogger).child({ part: "datastore", endpoints });
  const settings = {
    requestTimeoutMs,
    ...(tls !== undefined && { tls }),
    ...(credentials !== undefined && { credentials }),
  };
  const [first, ...others] = await Promise.all(endpoints.map((endpoint) => createMember(endpoint, settings)));
  if (first === undefined) throw new DatastoreError("INVALID_CONNECTION", "etcd endpoints is empty");
  const members = new Members({ members: [first, ...others], requestTimeoutMs, clock, logger, random });
  return new EtcdDatastore({ members, clock, logger });
}
