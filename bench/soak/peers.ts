import type { PeerConfig } from "../../src/bgp/types.ts";
import { IpAddress } from "../../src/net/address.ts";

const asNumber = 64512;
const loopback = 0x7f000000;

/** Where the speaker under test listens. */
export const speakerAddress = IpAddress.v4(loopback + 1);

/** The loopback address of a client, from 127.1.0.0 on. */
export function clientAddress(index: number): IpAddress {
  return IpAddress.v4(loopback + 0x10000 + index);
}

const everything = { name: "everything", rules: [], defaultAction: "accept" } as const;

/** One side of a session whose keepalives go out every `keepaliveSec`. */
export function peering(
  identity: Pick<PeerConfig, "name" | "address" | "port" | "passive" | "localAddress">,
  keepaliveSec: number,
): PeerConfig {
  return {
    description: "soak",
    localAs: asNumber,
    remoteAs: asNumber,
    holdTimeSec: 3 * keepaliveSec,
    keepaliveTimeSec: keepaliveSec,
    families: ["ipv4-unicast"],
    routeReflectorClient: true,
    nextHopMode: "auto",
    allowLocalAs: 0,
    importPolicy: everything,
    exportPolicy: everything,
    ...identity,
  };
}
