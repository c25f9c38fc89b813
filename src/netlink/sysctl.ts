import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../core/errors.ts";
import { NetlinkError } from "./errors.ts";
import { withNamespaceSync } from "./namespace.ts";

const SYSCTL_DIRECTORY = "/proc/sys";

export interface SysctlOptions {
  /** Whose setting it is. Default: the namespace that the calling thread is in. */
  readonly namespace?: { readonly path: string };
}

/**
 * The value of a kernel setting without its line end. The path is a list because device names may hold dots:
 * `["net", "ipv4", "conf", "eth0.100", "forwarding"]`. Throws `SYSCTL_NOT_FOUND` (also when a device is gone),
 * `SYSCTL_REFUSED`, `INVALID_SYSCTL_NAME`, or what `withNamespaceSync` throws.
 */
export function readSysctl(path: readonly string[], options: SysctlOptions = {}): string {
  return access(path, options, "read", (file) => readFileSync(file, "utf8").trimEnd());
}

/** Writes a kernel setting; errors as of `readSysctl`, `SYSCTL_REFUSED` also for a value that the kernel does not take. */
export function writeSysctl(path: readonly string[], value: string, options: SysctlOptions = {}): void {
  access(path, options, "written", (file) => writeFileSync(file, value, { flag: "r+" }));
}

function access<Result>(
  path: readonly string[],
  { namespace }: SysctlOptions,
  what: string,
  run: (file: string) => Result,
): Result {
  const file = join(SYSCTL_DIRECTORY, ...path.map(checkedComponent));
  const attempt = (): Result => {
    try {
      return run(file);
    } catch (error) {
      throw translated(file, what, error);
    }
  };
  // /proc/sys/net shows the settings of the namespace that the reading thread is in.
  return namespace === undefined ? attempt() : withNamespaceSync(namespace.path, attempt);
}

function checkedComponent(component: string): string {
  if (/^[^/\0]+$/.test(component) && component !== "." && component !== "..") return component;
  throw new NetlinkError("INVALID_SYSCTL_NAME", `${JSON.stringify(component)} is not part of a sysctl's name`, {
    value: component,
  });
}

function translated(file: string, what: string, error: unknown): NetlinkError {
  const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
  return new NetlinkError(
    isMissing ? "SYSCTL_NOT_FOUND" : "SYSCTL_REFUSED",
    isMissing ? `there is no setting ${file}` : `${file} cannot be ${what}: ${errorMessage(error)}`,
    { file },
    error,
  );
}
