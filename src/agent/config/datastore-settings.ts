import { errorMessage } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import {
  type ConnectionField,
  connectionOf,
  connectionVariables,
  type DatastoreConnection,
  parseDatastoreType,
  parseEndpointList,
} from "../../datastore/connection.ts";
import { ConfigError } from "./config-error.ts";
import { settingOf } from "./setting.ts";
import { parsePath } from "./values.ts";

/** Where the cluster's data is. The names of etcd's settings are those of Calico's CalicoAPIConfig. */
export interface DatastoreConfig {
  /** Undefined: etcd if its members are named, else embedded. */
  readonly datastore: DatastoreConnection["kind"] | undefined;
  /** Folder of the embedded datastore. */
  readonly embeddedPath: string;
  readonly etcdEndpoints: readonly string[] | undefined;
  readonly etcdDiscoverySrv: string | undefined;
  readonly etcdUsername: string | undefined;
  readonly etcdPassword: Secret | undefined;
  readonly etcdCACertFile: string | undefined;
  readonly etcdCertFile: string | undefined;
  readonly etcdKeyFile: string | undefined;
  readonly etcdCACert: string | undefined;
  readonly etcdCert: string | undefined;
  readonly etcdKey: Secret | undefined;
}

const setting = settingOf<DatastoreConfig>();

/** The environment variables of a field, with the name that Felix has for it after the others. */
function variables(field: ConnectionField, felix: string): readonly string[] {
  return [...connectionVariables[field], `FELIX_${felix}`];
}

export const datastoreSettings = [
  setting({
    key: "datastore",
    flag: "datastore",
    placeholder: "KIND",
    environment: ["CALIBIRD_DATASTORE", ...variables("datastoreType", "DATASTORETYPE")],
    help: "where the cluster's data is kept: etcd, or embedded (this machine) (default: etcd if endpoints are given, else embedded)",
    defaultValue: undefined,
    parse: parseDatastoreType,
  }),
  setting({
    key: "embeddedPath",
    flag: "embedded-path",
    placeholder: "DIR",
    environment: ["CALIBIRD_EMBEDDED_PATH"],
    help: "folder of the embedded datastore, shared by all nodes on this machine",
    defaultValue: "/var/lib/calibird/datastore",
    parse: parsePath,
  }),
  setting({
    key: "etcdEndpoints",
    flag: "etcd-endpoints",
    placeholder: "LIST",
    environment: variables("etcdEndpoints", "ETCDENDPOINTS"),
    help: "URLs of etcd's members, e.g. https://10.0.0.1:2379,https://10.0.0.2:2379",
    defaultValue: undefined,
    parse: parseEndpointList,
  }),
  setting({
    key: "etcdDiscoverySrv",
    flag: "etcd-discovery-srv",
    placeholder: "DOMAIN",
    environment: connectionVariables.etcdDiscoverySrv,
    help: "domain whose SRV records (_etcd-client-ssl._tcp, _etcd-client._tcp) name etcd's members",
    defaultValue: undefined,
    parse: (text: string) => text,
  }),
  setting({
    key: "etcdUsername",
    flag: "etcd-username",
    placeholder: "NAME",
    environment: variables("etcdUsername", "ETCDUSERNAME"),
    help: "user of etcd",
    defaultValue: undefined,
    parse: (text: string) => text,
  }),
  setting({
    key: "etcdPassword",
    environment: variables("etcdPassword", "ETCDPASSWORD"),
    help: "the user's password",
    defaultValue: undefined,
    parse: (text: string) => new Secret(text),
  }),
  setting({
    key: "etcdCACertFile",
    flag: "etcd-ca-cert-file",
    placeholder: "FILE",
    environment: variables("etcdCACertFile", "ETCDCAFILE"),
    help: "certificates (PEM) of those who may sign etcd's (default: those that Node.js knows)",
    defaultValue: undefined,
    parse: parsePath,
  }),
  setting({
    key: "etcdCertFile",
    flag: "etcd-cert-file",
    placeholder: "FILE",
    environment: variables("etcdCertFile", "ETCDCERTFILE"),
    help: "client certificate for etcd (PEM)",
    defaultValue: undefined,
    parse: parsePath,
  }),
  setting({
    key: "etcdKeyFile",
    flag: "etcd-key-file",
    placeholder: "FILE",
    environment: variables("etcdKeyFile", "ETCDKEYFILE"),
    help: "key of the client certificate (PEM)",
    defaultValue: undefined,
    parse: parsePath,
  }),
  setting({
    key: "etcdCACert",
    environment: connectionVariables.etcdCACert,
    help: "as etcdCACertFile, the text itself",
    defaultValue: undefined,
    parse: (text: string) => text,
  }),
  setting({
    key: "etcdCert",
    environment: connectionVariables.etcdCert,
    help: "as etcdCertFile, the text itself",
    defaultValue: undefined,
    parse: (text: string) => text,
  }),
  setting({
    key: "etcdKey",
    environment: connectionVariables.etcdKey,
    help: "as etcdKeyFile, the text itself",
    defaultValue: undefined,
    parse: (text: string) => new Secret(text),
  }),
];

/** The connection that the settings describe. Throws `INVALID_SETTING` if they don't go together. */
export function datastoreConnection(config: DatastoreConfig): DatastoreConnection {
  const embedded = { kind: "embedded", path: config.embeddedPath } as const;
  try {
    const texts = {
      datastoreType: config.datastore,
      etcdEndpoints: config.etcdEndpoints?.join(","),
      etcdDiscoverySrv: config.etcdDiscoverySrv,
      etcdUsername: config.etcdUsername,
      etcdPassword: config.etcdPassword?.reveal(),
      etcdCACertFile: config.etcdCACertFile,
      etcdCertFile: config.etcdCertFile,
      etcdKeyFile: config.etcdKeyFile,
      etcdCACert: config.etcdCACert,
      etcdCert: config.etcdCert,
      etcdKey: config.etcdKey?.reveal(),
    };
    return connectionOf(texts, config.embeddedPath) ?? embedded;
  } catch (error) {
    throw new ConfigError("INVALID_SETTING", errorMessage(error), {}, error);
  }
}
