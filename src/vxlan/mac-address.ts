import { createHash } from "node:crypto";

/**
 * The MAC address of a node's VXLAN device as Calico derives it, so that either agent finds the other's: "f" and the first
 * five octets of the SHA-1 of the node's name, with "-v6" at its end for the IPv6 device.
 */
export function vtepMacAddress(nodeName: string, family: 4 | 6 = 4): string {
  const digest = createHash("sha1")
    .update(family === 4 ? nodeName : `${nodeName}-v6`)
    .digest();
  return [0x66, ...digest.subarray(0, 5)].map((octet) => octet.toString(16).padStart(2, "0")).join(":");
}
