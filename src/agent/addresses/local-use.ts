import type { LocalUse } from "../../ipam/audit/node-audit.ts";
import type { IpAddress } from "../../net/address.ts";
import { mainTable, type NetlinkAccess } from "../../netlink/types.ts";

/** Which addresses have a route through an interface of a pod, whoever made it. */
export async function readLocalUse(
  netlink: Pick<NetlinkAccess, "links" | "routes">,
  interfacePrefix: string,
): Promise<LocalUse> {
  const before = await netlink.links();
  // A table may have a million routes, and without an interface of a pod none of them leads to one.
  if (!before.some(({ name }) => name.startsWith(interfacePrefix)))
    return { routed: new Map(), devices: new Set(before.map(({ name }) => name)) };
  const routes = await netlink.routes();
  // Those that came with the routes count too.
  const links = [...before, ...(await netlink.links())];
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
