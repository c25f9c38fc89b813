import type { AddressFamily } from "../../net/address.ts";
import { type NodeSpec, nodeAddress } from "../../resources/node.ts";
import type { AgentConfig } from "../config/settings.ts";
import { type DetectionInput, type NodeAddress, resolveNodeAddress } from "./detect-address.ts";

/** The addresses that others reach this node at; a family without one takes no part in routing here. */
export type OwnAddresses = Readonly<Partial<Record<AddressFamily, NodeAddress>>>;

type AddressConfig = Pick<AgentConfig, "ip" | "ipAutodetectionMethod" | "ip6" | "ip6AutodetectionMethod">;

/**
 * Of each family the address by configuration, else the stored one, else for IPv4 a detected one: IPv6 has to be asked for,
 * as with Calico. Throws `INVALID_SETTING` if one is to be detected and none fits.
 */
export async function resolveOwnAddresses(
  config: AddressConfig,
  stored: NodeSpec | undefined,
  kernel: DetectionInput,
): Promise<OwnAddresses> {
  const resolve = async (family: AddressFamily, wanted: string | undefined, method: string, otherwise: string) => {
    const known = wanted === undefined && stored !== undefined ? nodeAddress(stored, family) : undefined;
    if (known !== undefined) return { address: known.address, prefixLength: known.subnet.length };
    return resolveNodeAddress(family, wanted ?? otherwise, method, kernel);
  };
  const ipv4 = await resolve(4, config.ip, config.ipAutodetectionMethod, "autodetect");
  const ipv6 = await resolve(6, config.ip6, config.ip6AutodetectionMethod, "none");
  return { ...(ipv4 && { 4: ipv4 }), ...(ipv6 && { 6: ipv6 }) };
}

/** The families whose address is detected at every start, whatever is stored. */
export function detectedFamilies({ ip, ip6 }: Pick<AgentConfig, "ip" | "ip6">): readonly AddressFamily[] {
  return ([4, 6] as const).filter((family) => (family === 4 ? ip : ip6) === "autodetect");
}

/** By the configured method; throws `INVALID_SETTING` if nothing fits. */
export function detectOwnAddress(
  family: AddressFamily,
  config: AddressConfig,
  kernel: DetectionInput,
): Promise<NodeAddress | undefined> {
  const method = family === 4 ? config.ipAutodetectionMethod : config.ip6AutodetectionMethod;
  return resolveNodeAddress(family, "autodetect", method, kernel);
}

/** `10.0.0.1/24`, as the Node resource has it. */
export function addressText({ address, prefixLength }: NodeAddress): string {
  return `${address}/${prefixLength}`;
}
