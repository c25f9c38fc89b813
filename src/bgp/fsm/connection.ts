import { assertNever } from "../../core/errors.ts";
import type { IpAddress } from "../../net/address.ts";
import { ErrorCode, extendedMaxMessageLength, MessageType, standardMaxMessageLength } from "../packet/constants.ts";
import type { NotificationMessage, OpenMessage, SessionError } from "../packet/message.ts";
import type { SessionDownReason } from "../session-state.ts";
import type { NegotiatedSession } from "../types.ts";
import { CeaseSubcode, describeNotification, notification } from "./notification.ts";
import { buildOpen, offersExtendedMessages, type WithheldCapabilities } from "./offer.ts";
import { jittered } from "./timing.ts";
import type {
  ClosedConnection,
  ConnectionCommand,
  ConnectionEvent,
  ConnectionState,
  ConnectionTimer,
  FsmAction,
  FsmContext,
} from "./types.ts";

/** The header's type of messages as the decoder names them. */
const messageTypes = {
  open: MessageType.open,
  update: MessageType.update,
  keepalive: MessageType.keepalive,
  "route-refresh": MessageType.routeRefresh,
} as const;

/** Error codes of a NOTIFICATION that only the state machine sends (RFC 4271 §6.5, §6.6, RFC 9687 §4). */
const holdTimerExpired = 4;
const fsmError = 5;
const sendHoldTimerExpired = 8;

interface ConnectionStep {
  readonly state: ConnectionState | ClosedConnection;
  readonly actions: readonly FsmAction[];
}

/**
 * The machine of one TCP connection (RFC 4271 §8.2.2). It never looks at a sibling: the peer machine judges the OPEN,
 * settles collisions and answers with `open-accepted`, `open-rejected` or `collision-dump`.
 */
export function stepConnection(
  id: number,
  state: ConnectionState,
  event: ConnectionEvent | ConnectionCommand,
  context: FsmContext,
): ConnectionStep {
  if (state.name === "connecting" && needsTcp(event)) return { state, actions: [] };
  switch (event.type) {
    case "connected":
      return state.name === "connecting"
        ? openConnection(id, event.localAddress, state.withheld, context)
        : { state, actions: [] };
    case "lost":
      return end(id, { kind: event.kind, text: event.text }, undefined);
    case "timer-expired":
      return onTimer(id, state, event.timer, context);
    case "message":
      if (event.message.type === "notification") return end(id, receivedReason(event.message), undefined);
      if (state.name === "open-confirm" && event.message.type === "keepalive")
        return {
          state: { name: "established", session: state.session, sinceMs: context.nowMs },
          actions: armHold(id, state.session),
        };
      if (state.name !== "established" || event.message.type === "open")
        return unexpected(id, state, messageTypes[event.message.type]);
      return {
        state,
        actions:
          event.message.type === "keepalive"
            ? armHold(id, state.session)
            : [{ type: "deliver", message: event.message }, ...armHold(id, state.session)],
      };
    case "heard":
      return { state, actions: state.name === "established" ? armHold(id, state.session) : [] };
    case "malformed":
      return onMalformed(id, state, event.error, event.messageType);
    case "write-blocked":
    case "write-progress":
      return { state, actions: state.name === "established" ? [armSendHold(id, state.session, context)] : [] };
    case "write-drained":
      return {
        state,
        actions: state.name === "established" ? [{ type: "cancel", connection: id, timer: "send-hold" }] : [],
      };
    case "open-accepted":
      return acceptOpen(id, state, event.session, context);
    case "open-rejected":
      return fail(id, event.error);
    case "collision-dump":
      return dump(id, state);
    case "superseded":
      return end(id, { kind: "tcp-closed", text: "the peer goes on with a new connection" }, undefined);
    case "unreachable":
      return endUnreachable(id, state, event.text);
    case "stop":
      return stop(id, state, event.notification);
    default:
      return assertNever(event, "connection event");
  }
}

/** True for what can't happen before TCP is up. */
function needsTcp(event: ConnectionEvent | ConnectionCommand): boolean {
  return event.type === "message" || event.type === "malformed" || event.type === "open-accepted";
}

/** A connection whose TCP has come up: sends our OPEN, or waits for the peer's if DelayOpen is on. */
export function openConnection(
  id: number,
  localAddress: IpAddress,
  withheld: WithheldCapabilities,
  context: FsmContext,
): { readonly state: ConnectionState; readonly actions: readonly FsmAction[] } {
  const ours = buildOpen(context.config, context.routerId, context.gracefulRestart, withheld);
  const { delayOpenMs } = context.timing;
  if (delayOpenMs > 0)
    return {
      state: { name: "open-delayed", localAddress, ours },
      actions: [{ type: "arm", connection: id, timer: "delay-open", delayMs: jittered(delayOpenMs, context.random) }],
    };
  return {
    state: { name: "open-sent", localAddress, ours, sentMs: context.nowMs },
    actions: sendOpen(id, ours, context),
  };
}

function sendOpen(id: number, ours: OpenMessage, context: FsmContext): FsmAction[] {
  return [
    { type: "send", connection: id, message: ours },
    { type: "arm", connection: id, timer: "hold", delayMs: context.timing.openHoldMs },
  ];
}

function acceptOpen(
  id: number,
  state: ConnectionState,
  session: NegotiatedSession,
  context: FsmContext,
): ConnectionStep {
  if (state.name !== "open-delayed" && state.name !== "open-sent") return { state, actions: [] };
  const { ours } = state;
  const longestToReceive = offersExtendedMessages(ours) ? extendedMaxMessageLength : standardMaxMessageLength;
  const actions: FsmAction[] = [{ type: "negotiated", connection: id, session, longestToReceive }];
  if (state.name === "open-delayed")
    actions.push({ type: "cancel", connection: id, timer: "delay-open" }, ...sendOpen(id, ours, context));
  actions.push({ type: "send", connection: id, message: { type: "keepalive" } });
  // RFC 4271 §8.2.2: with a negotiated hold time of zero neither timer runs.
  if (session.holdTimeSec === 0) actions.push({ type: "cancel", connection: id, timer: "hold" });
  else actions.push(...armHold(id, session), armKeepalive(id, session, context));
  return { state: { name: "open-confirm", session, ours }, actions };
}

function onTimer(id: number, state: ConnectionState, timer: ConnectionTimer, context: FsmContext): ConnectionStep {
  switch (timer) {
    case "delay-open":
      if (state.name !== "open-delayed") return { state, actions: [] };
      return {
        state: { name: "open-sent", localAddress: state.localAddress, ours: state.ours, sentMs: context.nowMs },
        actions: sendOpen(id, state.ours, context),
      };
    case "keepalive":
      if (state.name !== "open-confirm" && state.name !== "established") return { state, actions: [] };
      return {
        state,
        actions: [
          { type: "send", connection: id, message: { type: "keepalive" } },
          armKeepalive(id, state.session, context),
        ],
      };
    case "hold": {
      if (state.name === "connecting" || state.name === "open-delayed") return { state, actions: [] };
      const limitSec = state.name === "open-sent" ? context.timing.openHoldMs / 1000 : state.session.holdTimeSec;
      return end(
        id,
        { kind: "hold-timer-expired", text: `nothing heard from the peer for ${limitSec} s (${state.name})` },
        notification(holdTimerExpired, 0),
      );
    }
    case "send-hold":
      if (state.name !== "established") return { state, actions: [] };
      return end(
        id,
        {
          kind: "send-hold-timer-expired",
          text: `the peer has read nothing for ${sendHoldMs(state.session, context) / 1000} s`,
        },
        notification(sendHoldTimerExpired, 0),
      );
    default:
      return assertNever(timer, "connection timer");
  }
}

/** Octets that the decoder refused. Outside of Established an UPDATE is out of place before it is malformed. */
function onMalformed(
  id: number,
  state: ConnectionState,
  error: SessionError,
  messageType: number | undefined,
): ConnectionStep {
  // RFC 4271 §6.4: an error in a NOTIFICATION is never answered.
  if (messageType === MessageType.notification)
    return end(id, { kind: "tcp-closed", text: `the peer sent a broken NOTIFICATION: ${error.reason}` }, undefined);
  const isOpen = messageType === MessageType.open;
  const isData = messageType === MessageType.update || messageType === MessageType.routeRefresh;
  const outOfPlace =
    (isOpen && state.name !== "open-sent" && state.name !== "open-delayed") || (isData && state.name !== "established");
  return outOfPlace && messageType !== undefined ? unexpected(id, state, messageType) : fail(id, error);
}

/** RFC 6608: the subcode names the state and the data is the message's type. */
function unexpected(id: number, state: ConnectionState, messageType: number): ConnectionStep {
  const subcode = { connecting: 0, "open-delayed": 0, "open-sent": 1, "open-confirm": 2, established: 3 }[state.name];
  return fail(id, {
    code: fsmError,
    subcode,
    data: Uint8Array.of(messageType),
    reason: `message type ${messageType} is not expected in ${state.name}`,
  });
}

function fail(id: number, error: SessionError): ConnectionStep {
  const message = notification(error.code, error.subcode, error.data);
  return end(id, sentReason(message, error.reason), message);
}

/** An end that we begin: without TCP there is nobody to tell. */
function dump(id: number, state: ConnectionState): ConnectionStep {
  const message = notification(ErrorCode.cease, CeaseSubcode.collision);
  return end(
    id,
    sentReason(message, "another connection to this peer goes on"),
    state.name === "connecting" ? undefined : message,
  );
}

function stop(id: number, state: ConnectionState, message: NotificationMessage | undefined): ConnectionStep {
  if (message === undefined)
    return end(id, { kind: "administrative", text: "closed without a NOTIFICATION for a graceful restart" }, undefined);
  return end(id, sentReason(message, "stopped by this side"), state.name === "connecting" ? undefined : message);
}

/** RFC 9384; a Hard Reset for a peer that would keep our routes over any other Cease (RFC 8538 §3.1). */
function endUnreachable(id: number, state: ConnectionState, text: string): ConnectionStep {
  const { cease } = ErrorCode;
  const bfdDown = notification(cease, CeaseSubcode.bfdDown);
  const keepsRoutes = state.name === "established" && state.session.gracefulRestart?.notification === true;
  const message = keepsRoutes
    ? notification(cease, CeaseSubcode.hardReset, Uint8Array.of(cease, CeaseSubcode.bfdDown))
    : bfdDown;
  return end(id, { ...sentReason(message, text), kind: "bfd-down" }, message);
}

function end(id: number, reason: SessionDownReason, message: NotificationMessage | undefined): ConnectionStep {
  return {
    state: { name: "closed", reason },
    actions: [{ type: "close", connection: id, notification: message }],
  };
}

function sentReason(message: NotificationMessage, why: string): SessionDownReason {
  return {
    kind: "notification-sent",
    notification: { code: message.code, subcode: message.subcode },
    text: `sent ${describeNotification(message)}: ${why}`,
  };
}

function receivedReason(message: NotificationMessage): SessionDownReason {
  return {
    kind: "notification-received",
    notification: { code: message.code, subcode: message.subcode },
    text: `received ${describeNotification(message)}`,
  };
}

function armHold(id: number, session: NegotiatedSession): FsmAction[] {
  if (session.holdTimeSec === 0) return [];
  return [{ type: "arm", connection: id, timer: "hold", delayMs: session.holdTimeSec * 1000 }];
}

function armKeepalive(id: number, session: NegotiatedSession, context: FsmContext): FsmAction {
  const delayMs = jittered(session.keepaliveTimeSec * 1000, context.random);
  return { type: "arm", connection: id, timer: "keepalive", delayMs };
}

function armSendHold(id: number, session: NegotiatedSession, context: FsmContext): FsmAction {
  return { type: "arm", connection: id, timer: "send-hold", delayMs: sendHoldMs(session, context) };
}

/** RFC 9687 §6: the greater of eight minutes and twice the hold time. */
function sendHoldMs(session: NegotiatedSession, context: FsmContext): number {
  return Math.max(context.timing.sendHoldMinMs, 2 * session.holdTimeSec * 1000);
}
