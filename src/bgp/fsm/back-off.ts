import { ErrorCode } from "../packet/constants.ts";
import type { SessionDownReason } from "../session-state.ts";
import { CeaseSubcode } from "./notification.ts";
import type { ConnectionState, FsmContext, PeerState } from "./types.ts";

/**
 * True if the end of a connection is an error that would come again at once, so that the peer is left alone for a while
 * (DampPeerOscillations, RFC 4271 §8.1.1). Not damped: TCP trouble (the retry timer suffices), what an administrator did
 * on either side, a refusal because the *other* side is waiting, and silence of a peer that can restart gracefully.
 */
export function isDamped(reason: SessionDownReason, state: ConnectionState): boolean {
  switch (reason.kind) {
    case "tcp-closed":
    case "tcp-failed":
    case "bfd-down":
    case "administrative":
      return false;
    case "hold-timer-expired":
      return !restartsGracefully(state);
    case "send-hold-timer-expired":
      return true;
    case "notification-sent":
    case "notification-received": {
      const { code, subcode } = reason.notification ?? { code: 0, subcode: 0 };
      if (code === 4) return !restartsGracefully(state);
      return (
        code !== ErrorCode.cease ||
        subcode === CeaseSubcode.unspecific ||
        subcode === CeaseSubcode.maxPrefixes ||
        subcode === CeaseSubcode.outOfResources
      );
    }
  }
}

function restartsGracefully(state: ConnectionState): boolean {
  return state.name === "established" && state.session.gracefulRestart !== undefined;
}

/** The next wait: the least one after a quiet time, else twice the last one. */
export function nextBackOff(
  state: PeerState,
  context: FsmContext,
): { readonly delayMs: number; readonly atMs: number } {
  const { idleHoldMinMs, idleHoldMaxMs, errorForgetMs } = context.timing;
  const last = state.backOff;
  const isRepeated = last !== undefined && context.nowMs - last.atMs < errorForgetMs;
  return { delayMs: isRepeated ? Math.min(2 * last.delayMs, idleHoldMaxMs) : idleHoldMinMs, atMs: context.nowMs };
}
