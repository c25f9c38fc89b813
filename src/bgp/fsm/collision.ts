import type { NegotiatedSession } from "../types.ts";
import type { Connection, FsmContext } from "./types.ts";

/**
 * Which connections a valid OPEN on `current` ends (RFC 4271 §6.8, RFC 6286 §2.3). The winner is the connection that the
 * dominant side opened.
 *
 * RFC 4271 looks at siblings in OpenConfirm only. Two speakers that do so can each keep what the other one closes: one is
 * Established on X by the time it reads the OPEN on Y, while the other chose Y. So we decide as early as the identifier is
 * known, which is before our KEEPALIVE lets the peer be Established:
 *
 * - a sibling that is still being dialled is given up: the peer can't know it yet;
 * - a sibling in OpenSent is judged as §6.8 allows "if it knows the BGP Identifier of the peer by means outside of the
 *   protocol": by this OPEN;
 * - a sibling in OpenConfirm is judged if we are dominant. If we are not, the peer may already be Established on it; the
 *   peer decides and its Cease 6/7 tells us;
 * - an Established sibling stays until `current` is confirmed as well.
 */
export function losersOfCollision(
  connections: readonly Connection[],
  current: Connection,
  session: NegotiatedSession,
  context: FsmContext,
): readonly Connection[] {
  const dominant = isDominant(session, context);
  const losers: Connection[] = [];
  for (const sibling of connections) {
    if (sibling.origin === current.origin) continue;
    const { name } = sibling.state;
    if (name === "connecting") losers.push(sibling);
    else if (name === "open-delayed" || name === "open-sent" || (name === "open-confirm" && dominant))
      losers.push((current.origin === "outgoing") === dominant ? sibling : current);
  }
  return losers;
}

/** True if connections that we opened win: our identifier is higher or, where both are equal, our AS number. */
function isDominant(session: NegotiatedSession, context: FsmContext): boolean {
  const { config, routerId } = context;
  if (routerId !== session.remoteIdentifier) return routerId > session.remoteIdentifier;
  return config.localAs > config.remoteAs;
}
