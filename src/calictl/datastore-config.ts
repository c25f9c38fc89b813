import { readFileSync } from "node:fs";
import { ConfigError } from "../agent/config/config-error.ts";
import { errorMessage } from "../core/errors.ts";
import { didYouMean } from "../core/nearest-name.ts";
import { isTooDeep, tooDeep } from "../core/yaml-depth.ts";
import {
  type ConnectionField,
  type ConnectionTexts,
  connectionOf,
  connectionVariables,
  type DatastoreConnection,
} from "../datastore/connection.ts";

const defaultCalicoctlConfig = "/etc/calico/calicoctl.cfg";
const defaultEmbeddedPath = "/var/lib/calibird/datastore";

/** Fields of CalicoAPIConfig that are for Kubernetes; they are allowed and mean nothing with etcd. */
const kubernetesFields: ReadonlySet<string> = new Set([
  "kubeconfig",
  "kubeconfigInline",
  "k8sAPIEndpoint",
  "k8sKeyFile",
  "k8sCertFile",
  "k8sCAFile",
  "k8sAPIToken",
  "k8sInsecureSkipTLSVerify",
  "k8sDisableNodePoll",
  "k8sClientQPS",
  "k8sClientBurst",
  "k8sCurrentContext",
  "usePodCIDR",
  "calicoAPIGroup",
]);

export interface CalicoConfigSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--config`, which must be there; without it `/etc/calico/calicoctl.cfg` if that is there. */
  readonly configFile?: string;
}

/**
 * The datastore as calicoctl finds it: a configuration file is the only source if there is one, else the environment.
 * Undefined if neither says anything. Throws `UNREADABLE_CONFIG`, `UNKNOWN_SETTING`, or `INVALID_CONNECTION`.
 */
export async function readCalicoConnection(sources: CalicoConfigSources): Promise<DatastoreConnection | undefined> {
  const { environment, configFile } = sources;
  const embeddedPath = environment.CALIBIRD_EMBEDDED_PATH || defaultEmbeddedPath;
  const path = configFile ?? defaultCalicoctlConfig;
  const text = readConfigFile(path, configFile !== undefined);
  if (text === undefined) return connectionOf(environmentTexts(environment), embeddedPath);
  const connection = connectionOf(await fileTexts(path, text), embeddedPath);
  if (connection === undefined)
    throw unreadable(path, "names no datastore; set datastoreType: etcdv3 and etcdEndpoints in its spec");
  return connection;
}

function environmentTexts(environment: CalicoConfigSources["environment"]): ConnectionTexts {
  const firstSet = (names: readonly string[]) => names.map((name) => environment[name]).find((value) => value);
  const texts = Object.entries(connectionVariables).map(([field, names]) => [field, firstSet(names)] as const);
  const own = environment.CALIBIRD_DATASTORE;
  return { ...Object.fromEntries(texts), ...(own && { datastoreType: own }) };
}

/** Undefined if the file is not there and need not be. */
function readConfigFile(path: string, required: boolean): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (missing && !required) return undefined;
    throw unreadable(path, `can't be read: ${errorMessage(error)}`);
  }
}

async function fileTexts(path: string, text: string): Promise<ConnectionTexts> {
  const { Parser, parseDocument } = await import("yaml");
  if (isTooDeep([...new Parser().parse(text)])) throw unreadable(path, `can't be read: ${tooDeep}`);
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw unreadable(path, `is not YAML: ${problem.message}`);
  const content: unknown = document.toJS();
  if (!isRecord(content) || content.kind !== "CalicoAPIConfig")
    throw unreadable(path, "must hold an object of the kind CalicoAPIConfig");
  if (content.apiVersion !== "projectcalico.org/v3")
    throw unreadable(path, `has the apiVersion "${content.apiVersion}"; it must be projectcalico.org/v3`);
  const spec = content.spec ?? {};
  if (!isRecord(spec)) throw unreadable(path, "has a spec that is no list of fields");
  return specTexts(path, spec);
}

function specTexts(path: string, spec: Readonly<Record<string, unknown>>): ConnectionTexts {
  const texts: Partial<Record<ConnectionField, string>> = {};
  for (const [field, value] of Object.entries(spec)) {
    if (kubernetesFields.has(field)) continue;
    if (!isConnectionField(field)) {
      const known = [...Object.keys(connectionVariables), ...kubernetesFields];
      const message = `${path}: spec has no field "${field}"${didYouMean(field, known)}`;
      throw new ConfigError("UNKNOWN_SETTING", message, { path, setting: field });
    }
    if (value === null || value === undefined) continue;
    if (typeof value !== "string" && typeof value !== "number")
      throw unreadable(path, `has a spec.${field} that is no text`);
    texts[field] = String(value);
  }
  return texts;
}

function isConnectionField(name: string): name is ConnectionField {
  return Object.hasOwn(connectionVariables, name);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(path: string, reason: string): ConfigError {
  return new ConfigError("UNREADABLE_CONFIG", `${path} ${reason}`, { path });
}
