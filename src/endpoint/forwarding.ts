import type { SysctlOptions } from "../netlink/sysctl.ts";
import { readSetting, writeSetting } from "./host-settings.ts";
import { type Sysctl, sysctlName } from "./sysctls.ts";

/** Forwarding between all interfaces of a node, without which no pod reaches another node. */
const forwardingSysctls: readonly Sysctl[] = [
  { path: ["net", "ipv4", "ip_forward"], value: "1", optional: false },
  { path: ["net", "ipv6", "conf", "all", "forwarding"], value: "1", optional: true },
];

/**
 * Makes sure that the node forwards IPv4 and, where its kernel has it, IPv6 packets. Writes only what is off, since
 * writing these resets other settings of all interfaces. Returns the names of what was switched on. Throws `SYSCTL_REFUSED`.
 */
export function enableForwarding(options: SysctlOptions = {}): readonly string[] {
  const switchedOn: string[] = [];
  for (const sysctl of forwardingSysctls) {
    const present = readSetting(sysctl.path, options);
    if (present === sysctl.value || (present === undefined && sysctl.optional)) continue;
    writeSetting(sysctl, options);
    switchedOn.push(sysctlName(sysctl.path));
  }
  return switchedOn;
}
