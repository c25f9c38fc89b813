import type { NegotiatedSession } from "../types.ts";
import type { Connection, FsmContext } from "./types.ts";

/*
 * Collisions (RFC 4271 §6.8, RFC 6286 §2.3): of two connections the one that the dominant side opened goes on.
 *
 * In RFC 4271 both sides judge, and only siblings in OpenConfirm. They can see different things and each close what the
 * other one keeps: one side is Established on X by the time it reads the OPEN on Y, while the other has just chosen Y. Here
 * the dominant side decides, and does so before its KEEPALIVE lets the peer be Established; §6.8 allows to judge a sibling
 * in OpenSent when the identifier is known, and the OPEN has just told it. The other side closes only what the dominant
 * one can't want any more, and reads the rest of the verdict as a Cease 6/7.
 */

/** Which connections end because of a valid OPEN on `current`. */
export function losersByOpen(
  connections: readonly Connection[],
  current: Connection,
  session: NegotiatedSession,
  context: FsmContext,
): readonly Connection[] {
  const dominant = isDominant(session, context);
  const losers: Connection[] = [];
  for (const sibling of connections) {
    const { name } = sibling.state;
    if (sibling.origin === current.origin || name === "established") continue;
    // Our own dial; the peer can't have chosen a connection on which it has no OPEN, nor one on which it has been silent for
    // so long: something else may have answered, and would keep the peer's own connections out until the hold timer expires.
    if (name === "connecting" || isMute(sibling, context)) losers.push(sibling);
    else if (dominant) losers.push(current.origin === "incoming" ? current : sibling);
    // The peer's own connection is alive on both sides, and it can't be Established on ours without our KEEPALIVE.
    else if (current.origin === "outgoing" && name === "open-confirm") losers.push(current);
  }
  return losers;
}

function isMute({ origin, state }: Connection, { nowMs, timing }: FsmContext): boolean {
  return origin === "outgoing" && state.name === "open-sent" && nowMs - state.sentMs >= timing.muteMs;
}

/**
 * Which connections end because `current` is Established: if the dominant side opened it, its verdict is final, and what
 * else is there was opened before. What comes later is the peer after a restart.
 */
export function losersByEstablished(
  connections: readonly Connection[],
  current: Connection,
  session: NegotiatedSession,
  context: FsmContext,
): readonly Connection[] {
  if ((current.origin === "outgoing") !== isDominant(session, context)) return [];
  return connections.filter(({ origin, state }) => origin !== current.origin && state.name !== "established");
}

/**
 * True if `newcomer`, confirmed by the peer, replaces the Established connection. With graceful restart it is the peer after
 * a restart that we have not noticed (RFC 4724 §4.2); the KEEPALIVE tells it from a collision, whose loser the peer never
 * confirms. Without, only a dominant peer that has judged later than we would (by the letter of RFC 4271) can mean its own
 * connection by this; otherwise the live session stays.
 */
export function replacesEstablished(newcomer: Connection, session: NegotiatedSession, context: FsmContext): boolean {
  return session.gracefulRestart !== undefined || (newcomer.origin === "incoming" && !isDominant(session, context));
}

/** True if connections that we opened win: our identifier is higher or, where both are equal, our AS number. */
function isDominant(session: NegotiatedSession, context: FsmContext): boolean {
  const { config, routerId } = context;
  if (routerId !== session.remoteIdentifier) return routerId > session.remoteIdentifier;
  return config.localAs > config.remoteAs;
}
