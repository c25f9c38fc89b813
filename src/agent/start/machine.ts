import { lookup } from "node:dns/promises";
import { errorMessage } from "../../core/errors.ts";
import { IpAddress } from "../../net/address.ts";
import type { NetlinkAccess } from "../../netlink/types.ts";
import { ConfigError } from "../config/config-error.ts";
import type { DetectionInput } from "./detect-address.ts";

/** What this machine says of its addresses now. */
export async function readMachine(
  netlink: Pick<NetlinkAccess, "links" | "addresses" | "routeTo">,
  hostIps: readonly IpAddress[] = [],
): Promise<DetectionInput> {
  return {
    links: await netlink.links(),
    addresses: await netlink.addresses(),
    routeTo: (address) => netlink.routeTo(address),
    lookUp: async (host, family) => {
      try {
        return IpAddress.parse((await lookup(host, { family })).address);
      } catch (error) {
        throw new ConfigError(
          "INVALID_SETTING",
          `can-reach=${host}: the host has no IPv${family} address that can be found: ${errorMessage(error)}`,
          { value: host },
        );
      }
    },
    hostIps,
  };
}
