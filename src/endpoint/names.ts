import { createHash } from "node:crypto";
import { EndpointError } from "./errors.ts";

/** Longest name of a Linux interface (IFNAMSIZ - 1). */
const maximumInterfaceName = 15;

/** Characters of a hash or container ID that follow the prefix. */
const suffixLength = 11;

export const defaultInterfacePrefix = "cali";

/**
 * The prefix of host interface names: the first entry of `FELIX_INTERFACEPREFIX` (a comma list), or `cali`. Throws
 * `INVALID_ENDPOINT` if names made with it would be too long or no interface names.
 */
export function interfacePrefix(setting: string | undefined): string {
  const prefix = setting?.split(",")[0]?.trim() || defaultInterfacePrefix;
  const longest = maximumInterfaceName - suffixLength;
  if (prefix.length > longest || !/^[A-Za-z0-9_-]+$/.test(prefix))
    throw new EndpointError(
      "INVALID_ENDPOINT",
      `FELIX_INTERFACEPREFIX "${prefix}" must be 1 to ${longest} letters, digits, "_" or "-", such as cali`,
      { field: "FELIX_INTERFACEPREFIX", value: prefix },
    );
  return prefix;
}

/** The host interface of a Kubernetes pod: the prefix and 11 hex digits of SHA-1("namespace.pod"), as Calico names it. */
export function podInterfaceName(namespace: string, pod: string, prefix = defaultInterfacePrefix): string {
  const hash = createHash("sha1").update(`${namespace}.${pod}`).digest("hex");
  return prefix + hash.slice(0, suffixLength);
}

/** Throws `INVALID_ENDPOINT` unless the kernel would take it as an interface name (dev_valid_name). */
export function checkInterfaceName(field: string, name: string): void {
  if (name === "" || name === "." || name === ".." || name.length > maximumInterfaceName || /[/:\s]/.test(name))
    throw new EndpointError(
      "INVALID_ENDPOINT",
      `${field} "${name}" must be an interface name of 1 to ${maximumInterfaceName} characters without "/", ":" or blanks`,
      { field, value: name },
    );
}
