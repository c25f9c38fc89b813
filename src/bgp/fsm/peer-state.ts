import type { SessionState } from "../session-state.ts";
import type { NegotiatedSession } from "../types.ts";
import { nothingWithheld } from "./offer.ts";
import type { Connection, ConnectionState, FsmAction, PeerState } from "./types.ts";

export type ActiveState = Extract<PeerState, { name: "active" }>;

export const initialPeerState: PeerState = {
  name: "stopped",
  lastConnection: 0,
  dials: 0,
  backOff: undefined,
  withheld: nothingWithheld,
  lastReason: undefined,
};

/** A step before the peer's own timers are settled. */
export interface Move {
  readonly state: PeerState;
  readonly actions: readonly FsmAction[];
  /** When to dial next; absent: the usual retry time, or what is left of it. */
  readonly retryDelayMs?: number;
}

export function unchanged(state: PeerState): Move {
  return { state, actions: [] };
}

/** What outlives every connection. */
export function memoryOf(
  state: PeerState,
): Pick<PeerState, "lastConnection" | "dials" | "backOff" | "withheld" | "lastReason"> {
  const { lastConnection, dials, backOff, withheld, lastReason } = state;
  return { lastConnection, dials, backOff, withheld, lastReason };
}

export function withoutConnection(state: ActiveState, gone: Connection): ActiveState {
  return { ...state, connections: state.connections.filter(({ id }) => id !== gone.id) };
}

/** The peer's state by the names of RFC 4271: that of its furthest connection. */
export function sessionStateOf(state: PeerState): SessionState {
  if (state.name !== "active") return "Idle";
  let furthest: SessionState = "Active";
  let rank = 0;
  for (const { state: connection } of state.connections) {
    const [reached, name] = progress[connection.name];
    if (reached <= rank) continue;
    rank = reached;
    furthest = name;
  }
  return furthest;
}

/** How far a connection is, for the peer as a whole. */
const progress: Readonly<Record<ConnectionState["name"], readonly [number, SessionState]>> = {
  "open-delayed": [0, "Active"],
  connecting: [1, "Connect"],
  "open-sent": [2, "OpenSent"],
  "open-confirm": [3, "OpenConfirm"],
  established: [4, "Established"],
};

/** The Established connection and what was agreed on it. */
export function establishedOf(
  state: PeerState,
): { readonly connection: Connection; readonly session: NegotiatedSession } | undefined {
  if (state.name !== "active") return undefined;
  for (const connection of state.connections)
    if (connection.state.name === "established") return { connection, session: connection.state.session };
  return undefined;
}
