import { encodeKeepalive, encodeOpen, encodeUpdates } from "../../../src/bgp/packet/index.ts";
import type { OriginatedRoute } from "../../../src/bgp/paths.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { contextOf } from "../../support/bgp.ts";

/** The messages of a peer that says an OPEN and announces these routes as its own. */
export function announcing(address: string, as: number, routes: readonly OriginatedRoute[], peerType: "ibgp" | "ebgp") {
  const context = contextOf(peerType);
  const capabilities = [
    { kind: "multiprotocol", afi: 1, safi: 1 },
    { kind: "four-octet-as", asNumber: as },
  ] as const;
  const bgpIdentifier = IpAddress.parse(address).w0;
  return [
    encodeOpen({ version: 4, myAs: as, holdTimeSec: 240, bgpIdentifier, capabilities }),
    encodeKeepalive(),
    ...routes.flatMap(({ prefix, attributes }) =>
      encodeUpdates(
        {
          withdrawals: [],
          announcements: [
            { family: "ipv4-unicast", nextHop: { address: IpAddress.parse(address) }, nlri: [{ prefix, pathId: 0 }] },
          ],
          attributes,
        },
        context,
      ),
    ),
  ];
}
