import { systemClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import type { DescribedDatastore } from "../datastore.ts";
import { DatastoreError } from "../errors.ts";
import { EtcdDatastore } from "./etcd-datastore.ts";
import { Member } from "./member.ts";
import { Members } from "./members.ts";
import { type EtcdOptions, parseEndpoints } from "./options.ts";
import { TlsReader } from "./tls.ts";

const REQUEST_TIMEOUT_MS = 3_000;

/**
 * A client of an etcd cluster. It connects with the first request, so the cluster may be down; what can't be right
 * whoever answers throws `INVALID_CONNECTION`.
 */
export async function openEtcdDatastore(options: EtcdOptions): Promise<DescribedDatastore> {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, clock = systemClock, random = Math.random, credentials } = options;
  const endpoints = parseEndpoints(options.endpoints);
  const logger = (options.logger ?? silentLogger).child({ part: "datastore", endpoints });
  const tls = new TlsReader(endpoints, options.tls, logger);
  const settings = { requestTimeoutMs, tls, ...(credentials !== undefined && { credentials }) };
  // Late, for it takes 0.15 s.
  const { Etcd3 } = await import("etcd3");
  const [first, ...others] = endpoints.map((endpoint) => new Member(Etcd3, endpoint, settings));
  if (first === undefined) throw new DatastoreError("INVALID_CONNECTION", "etcd endpoints is empty");
  const members = new Members({ members: [first, ...others], requestTimeoutMs, clock, logger, random });
  return new EtcdDatastore({ members, clock, logger });
}
