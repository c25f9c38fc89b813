import { assertNever } from "../../core/errors.ts";
import type { IpAddress } from "../../net/address.ts";
import { ErrorCode } from "../packet/constants.ts";
import type { NotificationMessage } from "../packet/message.ts";
import type { SessionDownReason } from "../session-state.ts";
import { openConnection, stepConnection } from "./connection.ts";
import { CeaseSubcode, notification } from "./notification.ts";
import { nothingWithheld } from "./offer.ts";
import { onConnectionEvent } from "./peer-connection.ts";
import { type ActiveState, establishedOf, type Move, memoryOf, unchanged, withoutConnection } from "./peer-state.ts";
import { jittered } from "./timing.ts";
import type { FsmAction, FsmContext, FsmEvent, PeerState, PeerTimer, Step } from "./types.ts";

/**
 * The state machine of one peer (RFC 4271 §8) without a clock, a socket or a memory of its own: dials, accepts, owns the
 * connections, settles their collisions and backs off after errors. Never throws.
 *
 * It departs from the RFC in one point: a failed dial leads to Active and not to Idle, so that the peer's own connection is
 * welcome between two dials.
 */
export function step(state: PeerState, event: FsmEvent, context: FsmContext): Step {
  const move = moveOf(state, event, context);
  if (move.state === state && move.retryDelayMs === undefined) return move;
  return { state: move.state, actions: [...move.actions, ...settleRetry(state, move, context)] };
}

function moveOf(state: PeerState, event: FsmEvent, context: FsmContext): Move {
  switch (event.type) {
    case "start":
      return state.name === "stopped" ? activate(state, context) : unchanged(state);
    case "stop":
      return stop(state, event.notification, context);
    case "accepted":
      return accept(state, event.localAddress, context);
    case "unreachable": {
      const established = establishedOf(state);
      if (state.name !== "active" || established === undefined) return unchanged(state);
      return onConnectionEvent(state, established.connection, event, context);
    }
    case "timer-expired":
      return onPeerTimer(state, event.timer, context);
    case "connection": {
      if (state.name !== "active") return unchanged(state);
      const connection = state.connections.find(({ id }) => id === event.connection);
      return connection === undefined ? unchanged(state) : onConnectionEvent(state, connection, event.event, context);
    }
    default:
      return assertNever(event, "FSM event");
  }
}

/** The connect-retry timer runs exactly while we may dial and have nothing better than a dial under way. */
function wantsRetry(state: PeerState, context: FsmContext): boolean {
  if (state.name !== "active" || context.config.passive) return false;
  return state.connections.length === 0 || state.connections.some(({ state: { name } }) => name === "connecting");
}

function settleRetry(before: PeerState, move: Move, context: FsmContext): FsmAction[] {
  const runs = wantsRetry(before, context);
  if (!wantsRetry(move.state, context)) return runs ? [{ type: "cancel-peer", timer: "connect-retry" }] : [];
  if (runs && move.retryDelayMs === undefined) return [];
  const delayMs = move.retryDelayMs ?? jittered(context.timing.connectRetryMs, context.random);
  return [{ type: "arm-peer", timer: "connect-retry", delayMs }];
}

/** Leaves Idle: after a short random wait we dial, unless the peer is faster. */
function activate(state: PeerState, context: FsmContext): Move {
  return {
    state: { ...memoryOf(state), name: "active", connections: [] },
    actions: [],
    retryDelayMs: context.random * context.timing.connectDelayMs,
  };
}

function stop(state: PeerState, message: NotificationMessage | undefined, context: FsmContext): Move {
  if (state.name === "stopped") return unchanged(state);
  const actions: FsmAction[] = [];
  let reason: SessionDownReason = { kind: "administrative", text: "stopped by this side" };
  if (state.name === "idle-hold") actions.push({ type: "cancel-peer", timer: "idle-hold" });
  else
    for (const connection of state.connections) {
      const result = stepConnection(connection.id, connection.state, { type: "stop", notification: message }, context);
      actions.push(...result.actions);
      if (connection.state.name !== "established" || result.state.name !== "closed") continue;
      reason = result.state.reason;
      actions.push({ type: "down", reason });
    }
  // What an administrator stops begins afresh: no back-off and no refusal is remembered.
  const memory = { ...memoryOf(state), dials: 0, backOff: undefined, withheld: nothingWithheld, lastReason: reason };
  return { state: { ...memory, name: "stopped" }, actions };
}

function accept(state: PeerState, localAddress: IpAddress, context: FsmContext): Move {
  if (state.name !== "active") return refuse(state, CeaseSubcode.connectionRejected);
  // A live session is never given up for a connection that anybody can open. Only a peer with graceful restart may come
  // back while we still believe in its old connection, which then goes when the new one is confirmed.
  const established = establishedOf(state);
  if (established !== undefined && established.session.gracefulRestart === undefined)
    return refuse(state, CeaseSubcode.collision);
  const actions: FsmAction[] = [];
  let others: ActiveState = state;
  // Of two half-open connections of a peer the newer one is what it means.
  for (const older of state.connections) {
    if (older.origin !== "incoming" || older.state.name === "established") continue;
    actions.push(...stepConnection(older.id, older.state, { type: "collision-dump" }, context).actions);
    others = withoutConnection(others, older);
  }
  const id = state.lastConnection + 1;
  const opened = openConnection(id, localAddress, state.withheld, context);
  const connections = [...others.connections, { id, origin: "incoming" as const, state: opened.state }];
  return {
    state: { ...others, lastConnection: id, connections },
    actions: [...actions, { type: "adopt", connection: id }, ...opened.actions],
  };
}

function refuse(state: PeerState, subcode: number): Move {
  return { state, actions: [{ type: "refuse", notification: notification(ErrorCode.cease, subcode) }] };
}

function onPeerTimer(state: PeerState, timer: PeerTimer, context: FsmContext): Move {
  if (timer === "idle-hold") return state.name === "idle-hold" ? activate(state, context) : unchanged(state);
  if (state.name !== "active" || !wantsRetry(state, context)) return unchanged(state);
  const actions: FsmAction[] = [];
  let others: ActiveState = state;
  for (const given of state.connections) {
    if (given.state.name !== "connecting") continue;
    actions.push({ type: "close", connection: given.id, notification: undefined });
    const { address, port, transport } = context.config;
    // The kernel drops segments with a wrong signature without a word.
    const hint = transport?.key === undefined ? "" : ", which is also how a wrong TCP password looks";
    const text = `no answer from ${address} port ${port}${hint}`;
    others = { ...withoutConnection(others, given), lastReason: { kind: "tcp-failed", text } };
  }
  const id = state.lastConnection + 1;
  const connections = [
    ...others.connections,
    { id, origin: "outgoing" as const, state: { name: "connecting" as const, withheld: state.withheld } },
  ];
  return {
    state: { ...others, lastConnection: id, dials: state.dials + 1, connections },
    actions: [...actions, { type: "dial", connection: id }],
    retryDelayMs: jittered(context.timing.connectRetryMs, context.random),
  };
}
