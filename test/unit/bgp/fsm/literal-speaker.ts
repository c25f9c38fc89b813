import { notification } from "../../../../src/bgp/fsm/notification.ts";
import { step } from "../../../../src/bgp/fsm/peer.ts";
import type { Connection, FsmAction, FsmContext, FsmEvent, PeerState, Step } from "../../../../src/bgp/fsm/types.ts";

type ActiveState = Extract<PeerState, { name: "active" }>;

/**
 * A speaker that takes RFC 4271 §6.8 by the letter, as BIRD does: it judges a collision only when an OPEN comes in and only
 * against a sibling in OpenConfirm, lets an Established one always win, and accepts whatever TCP brings.
 */
export function stepByTheLetter(state: PeerState, event: FsmEvent, context: FsmContext): Step {
  if (state.name !== "active") return step(state, event, context);
  if (event.type === "accepted") return alone(state, undefined, event, context);
  const current = event.type === "connection" ? state.connections.find(({ id }) => id === event.connection) : undefined;
  if (current === undefined || event.type !== "connection" || event.event.type !== "message")
    return step(state, event, context);
  const { message } = event.event;
  if (message.type !== "open") return alone(state, current, event, context);
  const dominant = context.routerId > message.bgpIdentifier;
  const losers = new Set<Connection>();
  for (const sibling of state.connections) {
    if (sibling === current) continue;
    if (sibling.state.name === "connecting") losers.add(sibling);
    if (sibling.state.name === "established") losers.add(current);
    if (sibling.state.name === "open-confirm")
      losers.add((current.origin === "outgoing") === dominant ? sibling : current);
  }
  const closing = [...losers].map(
    ({ id, state: { name } }): FsmAction => ({
      type: "close",
      connection: id,
      notification: name === "connecting" ? undefined : notification(6, 7),
    }),
  );
  const rest: ActiveState = {
    ...state,
    connections: state.connections.filter((connection) => !losers.has(connection)),
  };
  if (losers.has(current)) return { state: rest, actions: closing };
  const accepted = alone(rest, current, event, context);
  return { state: accepted.state, actions: [...closing, ...accepted.actions] };
}

/** Steps as if there were no other connection. */
function alone(state: ActiveState, current: Connection | undefined, event: FsmEvent, context: FsmContext): Step {
  const others = state.connections.filter((connection) => connection !== current);
  const result = step({ ...state, connections: current === undefined ? [] : [current] }, event, context);
  if (result.state.name !== "active") return result;
  return { ...result, state: { ...result.state, connections: [...others, ...result.state.connections] } };
}
