import type { DaemonName } from "../support/daemons/daemon.ts";

/** A complaint in a daemon's log that somebody has looked into. */
export interface Remark {
  readonly pattern: RegExp;
  /** The line, or what matters of it. */
  readonly text: string;
  /** Where it comes from, and why nothing is to be done. */
  readonly meaning: string;
  /** Depends on who is first. */
  readonly isRare?: true;
}

const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A line with this text in it; `…` stands for anything. */
function remark(text: string, meaning: string, frequency?: "rare"): Remark {
  const pattern = new RegExp(text.split("…").map(quoted).join(".*"));
  return { pattern, text, meaning, ...(frequency === undefined ? {} : { isRare: true }) };
}

const lostCollision = "both dialled, and this connection lost";
const ourShutdown = "the check of shutdown messages, our turn";
const theirShutdown = "the check of shutdown messages, its turn";
const limit = "the check of prefix limits, its turn";
const ourLimit = "the check of prefix limits, our turn";
const roundabout =
  "a route of ours has reached it through the third party first, and it does not send us our own address";
const roles = "the check of roles: two customers";

export const remarks: Readonly<Record<DaemonName, readonly Remark[]>> = {
  BIRD: [
    remark("Received: Connection collision resolution", lostCollision, "rare"),
    remark("Received: Administrative shutdown: ", ourShutdown),
    remark("hits route import limit (2), action: disable", limit),
    remark("Route limit exceeded, shutting down", limit),
    remark("Received: Maximum number of prefixes reached", ourLimit),
    remark("Role mismatch", roles),
    remark("Invalid NEXT_HOP attribute - neighbor address", roundabout, "rare"),
    remark("Invalid route … withdrawn", roundabout, "rare"),
  ],
  FRR: [
    remark("Disabling MPLS support (no kernel support)", "of the machine, not of BGP"),
    remark(
      "does not have a v6 LL address associated with it, waiting until one is created for it",
      "bgpd asks before zebra has told it",
      "rare",
    ),
    remark(
      "Graceful restart configuration changed, reset all peers to take effect",
      "said while it reads its configuration, before there are sessions",
    ),
    remark("BGP OPEN receipt failed for peer", "both dialled, and this connection lost; and the check of roles"),
    remark(
      "[FSM] unexpected packet received in state OpenSent",
      "it reads our NOTIFICATION on a connection of its own before it has sent its OPEN",
      "rare",
    ),
    remark("[FSM] Ignoring event BGP_Start in state Connect", "its timers are as short as they can be", "rare"),
    remark(
      "encountered an error and is shutting down",
      "zebra on the end of bgpd, which the check of graceful restart kills",
    ),
  ],
  GoBGP: [
    remark(
      "Closed an accepted connection",
      "it is idle for a moment, or both dialled and this connection lost",
      "rare",
    ),
    remark('msg="received notification" Code=6 …Subcode=2', ourShutdown),
    remark('msg="sent notification" Code=6 …Subcode=2', theirShutdown),
    remark('msg="prefix limit reached"', limit),
    remark('msg="received notification" Code=6 …Subcode=1', ourLimit),
    remark('msg="graceful restart timer expired"', "the check of long-lived graceful restart"),
    remark('msg="sent notification" Code=6 …Subcode=1', limit),
  ],
  OpenBGPD: [
    remark("PF_KEY not available, disabling ipsec", "OpenBSD's way to IPsec, which Linux lacks; TCP MD5 works without"),
    remark("while session is in state", lostCollision, "rare"),
    remark("socket error: No route to host", "the check of collisions keeps the segment closed for a while", "rare"),
    remark("socket error: Connection refused", "our speaker is not there yet, or was killed", "rare"),
    remark(
      "route refresh: AID IPv4 unicast not negotiated",
      "said to all our ROUTE-REFRESH messages, although its own list of what is negotiated has the family",
    ),
    remark("graceful restart of IPv4 unicast, keeping routes", "no complaint, but what the check of it is for"),
    remark("graceful restart of IPv4 unicast finished", "no complaint, but what the check of it is for"),
    remark("received notification: Cease, administratively down", ourShutdown),
    remark("received shutdown reason: ", ourShutdown),
    remark("sending notification: Cease, administratively down", theirShutdown),
    remark("prefix limit reached (>3/2)", limit),
    remark("sending notification: Cease, received max-prefix exceeded", limit),
    remark("received notification: Cease, received max-prefix exceeded", ourLimit),
    remark("open policy role mismatch: customer vs customer", roles),
    remark("error in OPEN message, role mismatch", roles),
  ],
  ExaBGP: [],
};
