import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import { ConfigError } from "./config-error.ts";
import { parseNodeName } from "./values.ts";

const fileName = "nodename";

/**
 * The node's name: the configured one, else the one of an earlier run in the state folder, else the host name in lower
 * case. It is written to the state folder, so that a changed host name does not make a new node.
 * Throws `INVALID_SETTING` for a name that Calico would refuse or a folder that cannot be written.
 */
export function resolveNodeName(configured: string | undefined, stateDir: string): string {
  const path = join(stateDir, fileName);
  const { name } = findNodeName(configured, path);
  try {
    parseNodeName(name);
  } catch (error) {
    throw new ConfigError("INVALID_SETTING", `node name "${name}" ${errorMessage(error)}; set it with --node-name`, {
      value: name,
    });
  }
  try {
    mkdirSync(stateDir, { recursive: true });
    writeFileSync(`${path}.new`, `${name}\n`);
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw new ConfigError("INVALID_SETTING", `cannot write ${path}: ${errorMessage(error)}; check --state-dir`, {
      path,
    });
  }
  return name;
}

/** The name, not yet checked, and where it is from. `path` is the file with the stored one. */
export function findNodeName(configured: string | undefined, path: string): { name: string; from: string } {
  if (configured !== undefined) return { name: configured, from: "the settings" };
  const stored = storedName(path);
  if (stored !== undefined) return { name: stored, from: path };
  return { name: hostname().toLowerCase(), from: "the host name" };
}

function storedName(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}
