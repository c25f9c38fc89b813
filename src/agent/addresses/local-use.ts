import type { LocalUse } from "../../ipam/audit/node-audit.ts";
import type { IpAddress } from "../../net/address.ts";
import { mainTable, type NetlinkAccess } from "../../netlink/types.ts";

/** Which addresses have a route through an interface of a pod, whoever made it. */
export async function readLocalUse(
  netlink: Pick<NetlinkAccess, "links" | "routes">,
  interfacePrefix: string,
): Promise<LocalUse> {
  // Routes first: the interface of a route that is there now may be gone a moment later, and nothing is freed for it.
  const routes = await netlink.routes();
  const links = await netlink.links();
  const nameOf = new Map(links.map(({ index, name }) => [index, name]));
  const routed = new Map<string, { readonly address: IpAddress; readonly device: string }>();
  for (const { destination, table, type, nextHops } of routes) {
    const [first] = nextHops;
    if (table !== mainTable || type !== "unicast" || !destination.isHost || first?.gateway !== undefined) continue;
    const device = first?.interfaceIndex === undefined ? undefined : nameOf.get(first.interfaceIndex);
    if (device?.startsWith(interfacePrefix))
      routed.set(destination.address.toString(), { address: destination.address, device });
  }
  return { routed, devices: new Set(nameOf.values()) };
}
