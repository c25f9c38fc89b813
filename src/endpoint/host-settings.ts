import { NetlinkError } from "../netlink/errors.ts";
import { readSysctl, type SysctlOptions, writeSysctl } from "../netlink/sysctl.ts";
import { EndpointError } from "./errors.ts";
import { type Sysctl, sysctlName } from "./sysctls.ts";

/** The value of a setting, undefined where there is none. Throws `SYSCTL_REFUSED`. */
export function readSetting(path: readonly string[], options: SysctlOptions): string | undefined {
  try {
    return readSysctl(path, options);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "SYSCTL_NOT_FOUND") return undefined;
    throw refused(path, error);
  }
}

/** Makes a setting; one that is optional may be missing or refused. Throws `SYSCTL_REFUSED`. */
export function writeSetting({ path, value, optional }: Sysctl, options: SysctlOptions): void {
  try {
    writeSysctl(path, value, options);
  } catch (error) {
    if (!optional) throw refused(path, error, value);
  }
}

function refused(path: readonly string[], cause: unknown, value?: string): unknown {
  if (!(cause instanceof NetlinkError)) return cause;
  const name = sysctlName(path);
  return new EndpointError("SYSCTL_REFUSED", `${name}: ${cause.message}`, { sysctl: name, value }, cause);
}
