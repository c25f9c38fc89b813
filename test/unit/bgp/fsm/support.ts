import { buildOpen, type GracefulRestartState } from "../../../../src/bgp/fsm/offer.ts";
import { step } from "../../../../src/bgp/fsm/peer.ts";
import { initialPeerState } from "../../../../src/bgp/fsm/peer-state.ts";
import { defaultTiming, type SessionTiming } from "../../../../src/bgp/fsm/timing.ts";
import type { ConnectionEvent, FsmAction, FsmContext, FsmEvent, PeerState } from "../../../../src/bgp/fsm/types.ts";
import type { BgpMessage, OpenMessage } from "../../../../src/bgp/packet/message.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";

const acceptAll = { name: "all", rules: [], defaultAction: "accept" } as const;

export const localAddress = IpAddress.parse("10.0.0.1");

export const notRestarting: GracefulRestartState = { restarting: false, preservedFamilies: [] };

export function peerConfig(changes: Partial<PeerConfig> = {}): PeerConfig {
  return {
    name: "Mesh_10_0_0_2",
    description: "node-to-node mesh",
    address: IpAddress.parse("10.0.0.2"),
    port: 179,
    localAs: 64512,
    remoteAs: 64512,
    passive: false,
    holdTimeSec: 90,
    families: ["ipv4-unicast"],
    routeReflectorClient: false,
    nextHopMode: "auto",
    allowLocalAs: 0,
    importPolicy: acceptAll,
    exportPolicy: acceptAll,
    ...changes,
  };
}

export interface ContextChanges {
  readonly config?: Partial<PeerConfig>;
  readonly timing?: Partial<SessionTiming>;
  readonly routerId?: number;
  readonly random?: number;
  readonly gracefulRestart?: GracefulRestartState;
}

export function fsmContext(changes: ContextChanges = {}): FsmContext {
  return {
    config: peerConfig(changes.config),
    routerId: changes.routerId ?? 0x0a000001,
    timing: { ...defaultTiming, ...changes.timing },
    gracefulRestart: changes.gracefulRestart ?? notRestarting,
    nowMs: 0,
    random: changes.random ?? 0,
  };
}

/** The OPEN of the peer that `peerConfig` describes, 10.0.0.2. */
export function remoteOpen(config: Partial<PeerConfig> = {}, changes: Partial<OpenMessage> = {}): OpenMessage {
  return { ...buildOpen(peerConfig(config), 0x0a000002, notRestarting), ...changes };
}

/** A state machine with its clock, and the actions of the last step. */
export class FsmBench {
  context: FsmContext;
  state: PeerState = initialPeerState;
  actions: readonly FsmAction[] = [];

  constructor(changes: ContextChanges = {}) {
    this.context = fsmContext(changes);
  }

  feed(event: FsmEvent): readonly FsmAction[] {
    const result = step(this.state, event, this.context);
    this.state = result.state;
    this.actions = result.actions;
    return result.actions;
  }

  /** An event of the newest connection, or of `connection`. */
  on(event: ConnectionEvent, connection = this.state.lastConnection): readonly FsmAction[] {
    return this.feed({ type: "connection", connection, event });
  }

  receive(message: BgpMessage, connection = this.state.lastConnection): readonly FsmAction[] {
    return this.on({ type: "message", message }, connection);
  }

  advance(ms: number): void {
    this.context = { ...this.context, nowMs: this.context.nowMs + ms };
  }

  accept(): number {
    this.feed({ type: "accepted", localAddress });
    return this.state.lastConnection;
  }

  /** Starts and dials, up to `connecting`. */
  dial(): number {
    if (this.state.name === "stopped") this.feed({ type: "start" });
    this.feed({ type: "timer-expired", timer: "connect-retry" });
    return this.state.lastConnection;
  }

  /** Dials and walks to OpenSent. */
  openSent(): number {
    const connection = this.dial();
    this.on({ type: "connected", localAddress });
    return connection;
  }

  openConfirm(open: OpenMessage = remoteOpen()): number {
    const connection = this.openSent();
    this.receive(open);
    return connection;
  }

  establish(open: OpenMessage = remoteOpen()): number {
    const connection = this.openConfirm(open);
    this.receive({ type: "keepalive" });
    return connection;
  }

  of<Type extends FsmAction["type"]>(type: Type): Extract<FsmAction, { type: Type }>[] {
    return this.actions.filter((action): action is Extract<FsmAction, { type: Type }> => action.type === type);
  }

  /** `6/7` of the notification that the last step closed with; undefined if it closed without. */
  closedWith(): string | undefined {
    const message = this.of("close").at(-1)?.notification;
    return message === undefined ? undefined : `${message.code}/${message.subcode}`;
  }
}
