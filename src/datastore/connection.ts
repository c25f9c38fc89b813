import { errorMessage } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { DatastoreError } from "./errors.ts";
import { parseEndpoints } from "./etcd/options.ts";
import type { EtcdTlsOptions, PemSource } from "./etcd/tls.ts";

/** Where the cluster's data is kept, and how to get there. */
export type DatastoreConnection = EmbeddedConnection | EtcdConnection;

interface EmbeddedConnection {
  readonly kind: "embedded";
  /** Folder of the journal. */
  readonly path: string;
}

export interface EtcdConnection {
  readonly kind: "etcd";
  /** The members' URLs, or the domain whose SRV records name them. */
  readonly members: { readonly endpoints: readonly string[] } | { readonly discoverySrv: string };
  readonly tls?: EtcdTlsOptions;
  readonly credentials?: { readonly username: string; readonly password: Secret };
}

/** The fields of a connection, as Calico's CalicoAPIConfig calls them, and the environment variables that mean the same. */
export const connectionVariables = {
  datastoreType: ["CALICO_DATASTORE_TYPE", "DATASTORE_TYPE"],
  etcdEndpoints: ["CALICO_ETCD_ENDPOINTS", "ETCD_ENDPOINTS"],
  etcdDiscoverySrv: ["CALICO_ETCD_DISCOVERY_SRV", "ETCD_DISCOVERY_SRV"],
  etcdUsername: ["CALICO_ETCD_USERNAME", "ETCD_USERNAME"],
  etcdPassword: ["CALICO_ETCD_PASSWORD", "ETCD_PASSWORD"],
  etcdCACertFile: ["CALICO_ETCD_CA_CERT_FILE", "ETCD_CA_CERT_FILE"],
  etcdCertFile: ["CALICO_ETCD_CERT_FILE", "ETCD_CERT_FILE"],
  etcdKeyFile: ["CALICO_ETCD_KEY_FILE", "ETCD_KEY_FILE"],
  etcdCACert: ["CALICO_ETCD_CA_CERT", "ETCD_CA_CERT"],
  etcdCert: ["CALICO_ETCD_CERT", "ETCD_CERT"],
  etcdKey: ["CALICO_ETCD_KEY", "ETCD_KEY"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type ConnectionField = keyof typeof connectionVariables;

/** What was given of a connection; an empty text counts as not given. */
export type ConnectionTexts = Readonly<Partial<Record<ConnectionField, string | undefined>>>;

/**
 * The connection that the texts describe. Without a type it is etcd if its members are named; undefined if nothing is said.
 * Throws `INVALID_CONNECTION`, which names the field, its value and what would be right.
 */
export function connectionOf(texts: ConnectionTexts, embeddedPath: string): DatastoreConnection | undefined {
  const given = (field: ConnectionField) => texts[field] || undefined;
  const hasMembers = given("etcdEndpoints") !== undefined || given("etcdDiscoverySrv") !== undefined;
  const kind = kindOf(given("datastoreType")) ?? (hasMembers ? "etcd" : undefined);
  if (kind === "embedded") return { kind, path: embeddedPath };
  return kind && etcdConnection(given);
}

function kindOf(text: string | undefined): DatastoreConnection["kind"] | undefined {
  try {
    return text === undefined ? undefined : parseDatastoreType(text);
  } catch (error) {
    throw invalid("datastoreType", text ?? "", errorMessage(error));
  }
}

/** Throws an Error that says what would be right. */
export function parseDatastoreType(text: string): DatastoreConnection["kind"] {
  if (text === "embedded") return text;
  if (text === "etcd" || text === "etcdv3") return "etcd";
  if (text === "kubernetes") throw new Error("is not built into this version; it has etcd and embedded");
  throw new Error("must be etcd or embedded");
}

/** The URLs of a list that commas separate, in their normal form. Throws `INVALID_CONNECTION`. */
export function parseEndpointList(text: string): readonly string[] {
  const parts = text.split(",").map((part) => part.trim());
  return parseEndpoints(parts.filter((part) => part !== ""));
}

type Given = (field: ConnectionField) => string | undefined;

function etcdConnection(given: Given): EtcdConnection {
  const tls = tlsOf(given);
  const credentials = credentialsOf(given);
  return { kind: "etcd", members: membersOf(given), ...(tls && { tls }), ...(credentials && { credentials }) };
}

function membersOf(given: Given): EtcdConnection["members"] {
  const endpoints = given("etcdEndpoints");
  const domain = given("etcdDiscoverySrv");
  if (endpoints !== undefined && domain !== undefined)
    throw invalid("etcdDiscoverySrv", domain, "is given together with etcdEndpoints; give one of them");
  if (endpoints !== undefined) return { endpoints: parseEndpointList(endpoints) };
  if (domain === undefined)
    throw invalid("etcdEndpoints", "", "is missing; name the members, like http://10.0.0.1:2379,http://10.0.0.2:2379");
  if (!/^([a-z0-9_]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?\.?$/i.test(domain))
    throw invalid("etcdDiscoverySrv", domain, "is no domain name; write one like example.com");
  return { discoverySrv: domain };
}

function credentialsOf(given: Given): EtcdConnection["credentials"] {
  const username = given("etcdUsername");
  const password = given("etcdPassword");
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined) throw invalid("etcdUsername", "", "is missing; a password needs the name of its user");
  if (password === undefined) throw invalid("etcdPassword", "", `is missing; user ${username} needs one`);
  return { username, password: new Secret(password) };
}

function tlsOf(given: Given): EtcdTlsOptions | undefined {
  const ca = pemOf(given, "etcdCACertFile", "etcdCACert");
  const certificate = pemOf(given, "etcdCertFile", "etcdCert");
  const key = pemOf(given, "etcdKeyFile", "etcdKey");
  if (ca === undefined && certificate === undefined && key === undefined) return undefined;
  return { ...(ca && { ca }), ...(certificate && { certificate }), ...(key && { key }) };
}

function pemOf(given: Given, fileField: ConnectionField, inlineField: ConnectionField): PemSource | undefined {
  const file = given(fileField);
  const pem = given(inlineField);
  if (file !== undefined && pem !== undefined)
    throw invalid(fileField, file, `is given together with ${inlineField}; give one of them`);
  if (file !== undefined) return { file };
  return pem === undefined ? undefined : { pem };
}

function invalid(field: ConnectionField, value: string, reason: string): DatastoreError {
  const shown = value === "" ? field : `${field} "${value}"`;
  return new DatastoreError("INVALID_CONNECTION", `${shown} ${reason}`, { field, value });
}
