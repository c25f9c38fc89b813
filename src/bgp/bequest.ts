import type { IpAddress } from "../net/address.ts";
import type { AdjRibIn } from "./rib/adj-rib-in.ts";
import type { NegotiatedSession, PeerConfig } from "./types.ts";

/** What a peer leaves to the one that takes its place with another configuration. */
export interface Bequest {
  readonly table: AdjRibIn;
  /** By which the routes in the table came. */
  readonly session: NegotiatedSession;
  /** Our end of it. */
  readonly localAddress: IpAddress | undefined;
}

/** The changes of one moment, by the peers' places. */
export interface Succession {
  readonly heirs: ReadonlyMap<string, PeerConfig>;
  /** Grows while peers are ended. */
  readonly bequests: Map<string, Bequest>;
}

/**
 * True if routes outlive the change from one configuration to the other: the same two routers in the same autonomous systems,
 * which have agreed to keep routes over a NOTIFICATION (RFC 8538). Without that agreement the other side drops ours.
 */
export function mayInherit(old: PeerConfig, heir: PeerConfig, session: NegotiatedSession): boolean {
  return (
    session.gracefulRestart?.notification === true &&
    session.gracefulRestart.restartTimeSec > 0 &&
    heir.gracefulRestart !== undefined &&
    heir.shutdown === undefined &&
    heir.remoteAs === old.remoteAs &&
    heir.localAs === old.localAs
  );
}
