import { createHash } from "node:crypto";
import { EndpointError } from "./errors.ts";

/** Longest name of a Linux interface (IFNAMSIZ - 1). */
const maximumInterfaceName = 15;

/** Characters of a hash or container ID that follow the prefix. */
const suffixLength = 11;

const defaultInterfacePrefix = "cali";

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

/** The host interface of a container that is no Kubernetes pod: always `cali` and the start of the container ID. */
export function containerInterfaceName(containerId: string): string {
  return defaultInterfacePrefix + containerId.slice(0, suffixLength);
}

/** What names a WorkloadEndpoint: its orchestrator decides which of its identifiers counts. */
export type WorkloadIdentity =
  | { readonly orchestrator: "k8s"; readonly node: string; readonly pod: string; readonly endpoint: string }
  | { readonly orchestrator: "cni"; readonly node: string; readonly containerId: string; readonly endpoint: string };

/**
 * The name of a WorkloadEndpoint resource: node, orchestrator, workload and endpoint joined by `-`, with every `-` inside
 * a part doubled so that the parts can be told apart. Throws `INVALID_ENDPOINT` for a part that is empty or that begins or
 * ends with `-`.
 */
export function workloadEndpointName(identity: WorkloadIdentity): string {
  const workload = identity.orchestrator === "k8s" ? identity.pod : identity.containerId;
  const parts = { node: identity.node, orchestrator: identity.orchestrator, workload, endpoint: identity.endpoint };
  return Object.entries(parts)
    .map(([field, part]) => {
      if (part === "" || part.startsWith("-") || part.endsWith("-"))
        throw new EndpointError(
          "INVALID_ENDPOINT",
          `${field} "${part}" of a workload endpoint must not be empty, nor begin or end with "-"`,
          { field, value: part },
        );
      return part.replaceAll("-", "--");
    })
    .join("-");
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
