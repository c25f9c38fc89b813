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

const lostCollision = "both dialled, and this connection lost";
const notYetConfigured = "we reject it as long as our speaker has no peer of its address";

export const remarks: Readonly<Record<DaemonName, readonly Remark[]>> = {
  BIRD: [
    {
      pattern: /Received: Connection rejected$/,
      text: "Received: Connection rejected",
      meaning: notYetConfigured,
      isRare: true,
    },
    {
      pattern: /Received: Connection collision resolution$/,
      text: "Received: Connection collision resolution",
      meaning: lostCollision,
      isRare: true,
    },
  ],
  FRR: [
    {
      pattern: /Disabling MPLS support/,
      text: "Disabling MPLS support (no kernel support)",
      meaning: "of the machine, not of BGP",
    },
    {
      pattern: /does not have a v6 LL address associated with it/,
      text: "Interface: lan does not have a v6 LL address associated with it, waiting until one is created for it",
      meaning: "bgpd asks before zebra has told it",
      isRare: true,
    },
    {
      pattern: /Graceful restart configuration changed, reset all peers to take effect/,
      text: "Graceful restart configuration changed, reset all peers to take effect",
      meaning: "said while it reads its configuration, before there are sessions",
    },
    {
      pattern: /BGP OPEN receipt failed for peer/,
      text: "BGP OPEN receipt failed for peer",
      meaning: lostCollision,
      isRare: true,
    },
    {
      pattern: /unexpected packet received in state OpenSent/,
      text: "[FSM] unexpected packet received in state OpenSent",
      meaning: "it read our NOTIFICATION 6/5 before it had sent its OPEN; we have no peer of its address yet",
      isRare: true,
    },
    {
      pattern: /Client '(vnc|bgp)' encountered an error and is shutting down/,
      text: "Client 'bgp' encountered an error and is shutting down.",
      meaning: "zebra on the end of bgpd, which the check of graceful restart kills",
    },
  ],
  GoBGP: [
    {
      pattern: /Closed an accepted connection/,
      text: "Closed an accepted connection",
      meaning: "it closes the connection that loses a collision, or comes while it is idle",
      isRare: true,
    },
  ],
  OpenBGPD: [
    {
      pattern: /PF_KEY not available, disabling ipsec/,
      text: "PF_KEY not available, disabling ipsec",
      meaning: "OpenBSD's way to IPsec, which Linux lacks; TCP MD5 works without",
    },
    {
      pattern: /Connection attempt from neighbor \S+ while session is in state OpenSent/,
      text: "Connection attempt from neighbor … while session is in state OpenSent",
      meaning: lostCollision,
      isRare: true,
    },
    {
      pattern: /socket error: Connection refused/,
      text: "socket error: Connection refused",
      meaning: "our speaker is not there yet, or was killed",
      isRare: true,
    },
    {
      pattern: /route refresh: AID IPv4 unicast not negotiated/,
      text: "route refresh: AID IPv4 unicast not negotiated",
      meaning: "said to our BoRR and EoRR (RFC 7313), although its own list of what is negotiated has both",
    },
    {
      pattern: /graceful restart of IPv4 unicast(, keeping routes| finished)/,
      text: "graceful restart of IPv4 unicast, keeping routes",
      meaning: "no complaint, but what the check of graceful restart is for",
    },
  ],
  ExaBGP: [],
};
