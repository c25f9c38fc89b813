import { readFileSync } from "node:fs";
import { errorMessage } from "../../core/errors.ts";
import { didYouMean } from "../../core/nearest-name.ts";
import { isTooDeep, tooDeep } from "../../core/yaml-depth.ts";
import { ConfigError } from "./config-error.ts";
import { datastoreConnection } from "./datastore-settings.ts";
import type { Setting } from "./setting.ts";
import { type AgentConfig, settings } from "./settings.ts";

export const defaultConfigFile = "/etc/calibird/calibird.yaml";

export interface ConfigSources {
  /** Text of each flag that was given, by `AgentConfig` key. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--config`; without it the default file is read if it exists. */
  readonly configFile?: string;
}

/** Resolves every setting: flag, then environment, then file, then default. Throws the first `ConfigError`. */
export async function resolveConfig(sources: ConfigSources): Promise<AgentConfig> {
  const file = await readConfigFile(sources.configFile);
  const resolved = settings.map((setting) => [setting.key, resolveSetting(setting, sources, file)] as const);
  const config = Object.fromEntries(resolved) as unknown as AgentConfig;
  checkDeviceNames(config);
  datastoreConnection(config);
  checkPools(config);
  return config;
}

/** Settings of the default pools that contradict each other. */
function checkPools({ skipDefaultPools, ipv4PoolCidr, ipv6PoolCidr, ipv4PoolIpip, ipv4PoolVxlan }: AgentConfig): void {
  const range = ipv4PoolCidr ?? ipv6PoolCidr;
  if (skipDefaultPools && range !== undefined)
    throw new ConfigError(
      "INVALID_SETTING",
      `skipDefaultPools: there is to be no default pool, but one of ${range}, too`,
      {
        setting: "skipDefaultPools",
        value: true,
      },
    );
  if (ipv4PoolIpip !== "Never" && ipv4PoolVxlan !== "Never")
    throw new ConfigError("INVALID_SETTING", `ipv4PoolVxlan: must be Never, because ipv4PoolIpip is ${ipv4PoolIpip}`, {
      setting: "ipv4PoolVxlan",
      value: ipv4PoolVxlan,
    });
}

/** Two tunnels of one device would take it from each other for ever. */
function checkDeviceNames(config: AgentConfig): void {
  const names = new Map<string, string>();
  for (const key of ["vxlanDevice", "vxlanDeviceV6", "udpEncapDevice"] as const) {
    const name = config[key];
    const other = names.get(name);
    if (other !== undefined)
      throw new ConfigError("INVALID_SETTING", `${key}: "${name}" is ${other} already; give each device its own name`, {
        setting: key,
        value: name,
      });
    names.set(name, key);
  }
}

function resolveSetting(setting: Setting, sources: ConfigSources, file: ConfigFile): unknown {
  const flag = sources.flags[setting.key];
  if (flag !== undefined) return parseSetting(setting, flag, `flag --${setting.flag}`);
  for (const name of setting.environment) {
    const value = sources.environment[name];
    if (value !== undefined && value !== "") return parseSetting(setting, value, `environment variable ${name}`);
  }
  const entry = file.entries.get(setting.key);
  if (entry !== undefined) return parseSetting(setting, entry, `${setting.key} in ${file.path}`);
  return setting.defaultValue;
}

function parseSetting(setting: Setting, text: string, origin: string): unknown {
  try {
    return setting.parse(text);
  } catch (error) {
    const code = error instanceof ConfigError ? error.code : "INVALID_SETTING";
    throw new ConfigError(code, `${origin}: "${text}" ${errorMessage(error)}`, {
      setting: setting.key,
      value: text,
    });
  }
}

interface ConfigFile {
  readonly path: string;
  readonly entries: ReadonlyMap<string, string>;
}

async function readConfigFile(explicit: string | undefined): Promise<ConfigFile> {
  const path = explicit ?? defaultConfigFile;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (missing && explicit === undefined) return { path, entries: new Map() };
    throw new ConfigError("UNREADABLE_CONFIG", `cannot read the configuration ${path}: ${errorMessage(error)}`, {
      path,
    });
  }
  const { Parser, parseDocument } = await import("yaml");
  if (isTooDeep([...new Parser().parse(text)]))
    throw new ConfigError("UNREADABLE_CONFIG", `${path} cannot be read: ${tooDeep}`, { path });
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined)
    throw new ConfigError("UNREADABLE_CONFIG", `${path} is not YAML: ${problem.message}`, { path });
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== "object" || Array.isArray(content))
    throw new ConfigError("UNREADABLE_CONFIG", `${path} must hold settings as "key: value" lines`, { path });
  const known = settings.map((setting) => setting.key);
  const entries = new Map<string, string>();
  for (const [key, value] of Object.entries(content ?? {})) {
    if (!known.some((name) => name === key))
      throw new ConfigError("UNKNOWN_SETTING", `${path}: there is no setting "${key}"${didYouMean(key, known)}`, {
        path,
        setting: key,
      });
    if (typeof value !== "string" && typeof value !== "number")
      throw new ConfigError("INVALID_SETTING", `${path}: ${key} must be a text or a number`, { path, setting: key });
    entries.set(key, String(value));
  }
  return { path, entries };
}
