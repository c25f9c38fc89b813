import type { NotificationMessage, OpenMessage } from "../packet/message.ts";
import type { SessionDownReason } from "../session-state.ts";
import type { NegotiatedSession } from "../types.ts";
import { isDamped, nextBackOff } from "./back-off.ts";
import { losersByEstablished, losersByOpen, replacesEstablished } from "./collision.ts";
import { stepConnection } from "./connection.ts";
import { negotiate } from "./negotiate.ts";
import { nothingWithheld, refusedCapabilities } from "./offer.ts";
import { type ActiveState, establishedOf, type Move, memoryOf, withoutConnection } from "./peer-state.ts";
import { jittered } from "./timing.ts";
import type {
  Connection,
  ConnectionCommand,
  ConnectionEvent,
  ConnectionState,
  FsmAction,
  FsmContext,
  PeerState,
} from "./types.ts";

/** What an event of one connection does to its peer. */
export function onConnectionEvent(
  state: ActiveState,
  connection: Connection,
  event: ConnectionEvent | Extract<ConnectionCommand, { type: "unreachable" }>,
  context: FsmContext,
): Move {
  if (event.type === "message") {
    if (event.message.type === "notification") return onNotification(state, connection, event.message, context);
    if (event.message.type === "open") return onOpen(state, connection, event.message, context);
    if (event.message.type === "keepalive" && connection.state.name === "open-confirm") {
      const rival = establishedOf(state);
      if (rival !== undefined) return onConfirmedRival(state, connection, rival, context);
    }
  }
  return apply(state, connection, event, context);
}

/** The end of a connection. If the peer did not take a capability, we try again soon and without it. */
function onNotification(
  state: ActiveState,
  connection: Connection,
  message: NotificationMessage,
  context: FsmContext,
): Move {
  const { state: before } = connection;
  const refused =
    before.name === "open-sent" || before.name === "open-confirm"
      ? refusedCapabilities(message, before.ours, context.config)
      : undefined;
  const { state: after, actions } = stepConnection(connection.id, before, { type: "message", message }, context);
  if (refused === undefined || after.name !== "closed")
    return apply(state, connection, { type: "message", message }, context);
  const withheld = refused === "all" || state.withheld === "all" ? "all" : [...state.withheld, ...refused];
  const what = withheld === "all" ? "capabilities" : `capability ${withheld.join(", ")}`;
  const lastReason = { ...after.reason, text: `${after.reason.text}; trying again without ${what}` };
  return {
    state: { ...withoutConnection(state, connection), withheld, lastReason },
    actions,
    retryDelayMs: context.random * context.timing.connectDelayMs,
  };
}

function onOpen(state: ActiveState, connection: Connection, open: OpenMessage, context: FsmContext): Move {
  const { state: connectionState } = connection;
  if (connectionState.name !== "open-sent" && connectionState.name !== "open-delayed")
    return apply(state, connection, { type: "message", message: open }, context);
  const result = negotiate(context.config, connectionState.localAddress, connectionState.ours, open);
  if (!result.ok) return apply(state, connection, { type: "open-rejected", error: result.error }, context);
  const losers = losersByOpen(state.connections, connection, result.session, context);
  const settled = dump(state, losers, context);
  if (losers.includes(connection)) return settled;
  const accepted = apply(settled.state, connection, { type: "open-accepted", session: result.session }, context);
  return { ...accepted, actions: [...settled.actions, ...accepted.actions] };
}

/** Ends the losers of a collision. */
function dump(
  state: ActiveState,
  losers: readonly Connection[],
  context: FsmContext,
): { readonly state: ActiveState; readonly actions: readonly FsmAction[] } {
  const actions: FsmAction[] = [];
  let survivors = state;
  for (const loser of losers) {
    actions.push(...stepConnection(loser.id, loser.state, { type: "collision-dump" }, context).actions);
    survivors = withoutConnection(survivors, loser);
  }
  return { state: survivors, actions };
}

/** A second connection is ready to be Established: one of the two must go. */
function onConfirmedRival(
  state: ActiveState,
  newcomer: Connection,
  rival: { readonly connection: Connection; readonly session: NegotiatedSession },
  context: FsmContext,
): Move {
  if (!replacesEstablished(newcomer, rival.session, context)) return dump(state, [newcomer], context);
  const old = apply(state, rival.connection, { type: "superseded" }, context);
  if (old.state.name !== "active") return old;
  const confirmed = apply(old.state, newcomer, { type: "message", message: { type: "keepalive" } }, context);
  return { ...confirmed, actions: [...old.actions, ...confirmed.actions] };
}

/** Steps one connection and takes the result into the peer's state. */
function apply(
  state: ActiveState,
  connection: Connection,
  event: ConnectionEvent | ConnectionCommand,
  context: FsmContext,
): Move {
  const result = stepConnection(connection.id, connection.state, event, context);
  const after = result.state;
  if (after === connection.state) return { state, actions: result.actions };
  if (after.name === "closed") return lose(state, connection, after.reason, result.actions, context);
  const connections = state.connections.map((other) =>
    other.id === connection.id ? { ...connection, state: after } : other,
  );
  const next: ActiveState = { ...state, connections };
  if (after.name !== "established") return { state: next, actions: result.actions };
  const settled = dump(next, losersByEstablished(connections, connection, after.session, context), context);
  return {
    state: settled.state,
    actions: [
      ...result.actions,
      ...settled.actions,
      { type: "established", connection: connection.id, session: after.session },
    ],
  };
}

/** A connection is over. If it was the last one, its end decides when we try again. */
function lose(
  state: ActiveState,
  connection: Connection,
  reason: SessionDownReason,
  closing: readonly FsmAction[],
  context: FsmContext,
): Move {
  const actions = [...closing];
  const wasUp = connection.state.name === "established";
  if (wasUp) actions.push({ type: "down", reason });
  // The peer may have been upgraded since it refused something.
  const withheld = wasUp ? nothingWithheld : state.withheld;
  const lasted = hasLasted(connection.state, context);
  const dials = lasted ? 0 : state.dials;
  const rest: ActiveState = { ...withoutConnection(state, connection), dials, withheld, lastReason: reason };
  if (rest.connections.length > 0) return { state: rest, actions };
  if (isDamped(reason, connection.state)) {
    const backOff = nextBackOff(state, context);
    actions.push({ type: "arm-peer", timer: "idle-hold", delayMs: backOff.delayMs });
    const waiting: PeerState = { ...memoryOf(rest), name: "idle-hold", backOff };
    return { state: waiting, actions };
  }
  const { quickRetryMs, quickDials, connectDelayMs } = context.timing;
  if (lasted) return { state: rest, actions, retryDelayMs: context.random * connectDelayMs };
  if ((wasUp || connection.state.name === "connecting") && dials <= quickDials)
    return { state: rest, actions, retryDelayMs: jittered(quickRetryMs, context.random) };
  return { state: rest, actions };
}

/** True for a session after which dialling again at once can't become a loop. */
function hasLasted(state: ConnectionState, context: FsmContext): boolean {
  return state.name === "established" && context.nowMs - state.sinceMs >= context.timing.stableMs;
}
