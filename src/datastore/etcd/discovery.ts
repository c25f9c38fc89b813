import { errorMessage } from "../../core/errors.ts";
import { DatastoreError } from "../errors.ts";

/** One SRV record. */
interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  /** Lower ones are asked first. */
  readonly priority: number;
}

/** A question to the DNS; node's `Resolver` is one. */
export interface ServiceResolver {
  resolveSrv(name: string): Promise<readonly ServiceRecord[]>;
}

/** The names that etcd's own clients ask for, the safe one first. */
const SERVICES = [
  { service: "_etcd-client-ssl._tcp", scheme: "https" },
  { service: "_etcd-client._tcp", scheme: "http" },
] as const;

/**
 * The members' URLs as SRV records of a domain name them: those with TLS if there are any, else those without. Throws
 * `DATASTORE_UNAVAILABLE`, for the DNS may know them later.
 */
export async function discoverEndpoints(domain: string, resolver: ServiceResolver): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const { service, scheme } of SERVICES) {
    const name = `${service}.${domain.replace(/\.$/, "")}`;
    try {
      const records = [...(await resolver.resolveSrv(name))].sort((left, right) => left.priority - right.priority);
      if (records.length > 0) return records.map((record) => `${scheme}://${hostOf(record.name)}:${record.port}`);
      failures.push(`${name}: no record`);
    } catch (error) {
      failures.push(errorMessage(error));
    }
  }
  throw new DatastoreError("DATASTORE_UNAVAILABLE", `the DNS names no etcd for ${domain}: ${failures.join("; ")}`, {
    field: "etcdDiscoverySrv",
    value: domain,
  });
}

function hostOf(target: string): string {
  return target.replace(/\.$/, "");
}
