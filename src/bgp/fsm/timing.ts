/** The times of a session that no message negotiates. All in milliseconds. */
export interface SessionTiming {
  /** Upper bound of the random wait before the first dial, so that two sides that start together rarely collide. */
  readonly connectDelayMs: number;
  /** Time between dials and limit of one dial (ConnectRetryTime, RFC 4271 §8); jittered. */
  readonly connectRetryMs: number;
  /** Time to the next dial after one that failed at once, or a short session, as while the peer's BGP restarts … */
  readonly quickRetryMs: number;
  /** … for so many dials; then `connectRetryMs`. A node that restarts is thus back soon after it listens again. */
  readonly quickDials: number;
  /** First wait after an error (IdleHoldTime); doubles with every further error … */
  readonly idleHoldMinMs: number;
  /** … up to this … */
  readonly idleHoldMaxMs: number;
  /** … and starts anew when the last error is this long ago. */
  readonly errorForgetMs: number;
  /** A session that lasts as long counts as the peer's recovery: after it the first dial comes at once and `quickDials` begin anew. */
  readonly stableMs: number;
  /** Hold time until the peer's OPEN is there: RFC 4271 §8.2.2 suggests four minutes. */
  readonly openHoldMs: number;
  /** How long a connection without the peer's OPEN counts in a collision; later the peer's own one wins, whoever is dominant. */
  readonly muteMs: number;
  /** DelayOpenTime (RFC 4271 §8.1.1): how long a new connection waits for the peer's OPEN before it sends ours; 0 is not at all. */
  readonly delayOpenMs: number;
  /** Least send hold time (RFC 9687 §6); twice the negotiated hold time if that is more. */
  readonly sendHoldMinMs: number;
}

/** Retry and error times are those of a Calico node. */
export const defaultTiming: SessionTiming = {
  connectDelayMs: 2_000,
  connectRetryMs: 5_000,
  quickRetryMs: 500,
  quickDials: 20,
  idleHoldMinMs: 5_000,
  idleHoldMaxMs: 30_000,
  errorForgetMs: 300_000,
  stableMs: 30_000,
  openHoldMs: 240_000,
  muteMs: 10_000,
  delayOpenMs: 0,
  sendHoldMinMs: 480_000,
};

/** RFC 4271 §10: a factor from 0.75 to 1.0, drawn anew each time. `random` is in [0, 1). */
export function jittered(delayMs: number, random: number): number {
  return delayMs * (0.75 + 0.25 * random);
}
