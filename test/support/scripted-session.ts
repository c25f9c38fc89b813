import type { GracefulRestartState } from "../../src/bgp/fsm/offer.ts";
import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import { decodeMessage } from "../../src/bgp/packet/decode.ts";
import { BgpPacketError } from "../../src/bgp/packet/errors.ts";
import { afiSafiOf, type Family, familyOf } from "../../src/bgp/packet/family.ts";
import { MessageFramer } from "../../src/bgp/packet/framer.ts";
import type {
  CodecContext,
  DecodeResult,
  NextHop,
  Nlri,
  NotificationMessage,
  RouteRefreshMessage,
  UpdateMessage,
} from "../../src/bgp/packet/message.ts";
import { encodeUpdates, type UpdateParts } from "../../src/bgp/packet/update-encode.ts";
import type { Session } from "../../src/bgp/peer-environment.ts";
import { SessionCounts } from "../../src/bgp/session/session-counters.ts";
import type { SessionDownReason } from "../../src/bgp/session-state.ts";
import type { NegotiatedSession, PeerConfig, SessionListener, SessionStatus } from "../../src/bgp/types.ts";
import { prefixOf, sessionOf } from "./bgp.ts";

/**
 * A session without sockets: the test says what the peer does, and reads what the peer has been told. Octets that were sent are
 * decoded when somebody looks, or the socket is drained: like a socket it relies on their staying as they are.
 */
export class ScriptedSession implements Session {
  readonly config: PeerConfig;
  readonly listener: SessionListener;
  readonly restartState: () => GracefulRestartState;
  readonly #table = new Map<string, { readonly attributes: PathAttributes; readonly nextHop: NextHop }>();
  readonly #log: string[] = [];
  #unread: Uint8Array[] = [];
  /** Families that we have asked for again. */
  readonly asked: Family[] = [];
  /** Octets beyond which the socket asks to stop. */
  capacity = Number.POSITIVE_INFINITY;
  sentOctets = 0;
  stopped: string | undefined;
  /** The NOTIFICATION that it was stopped with. */
  farewell: Omit<NotificationMessage, "type"> | undefined;
  starts = 0;
  #negotiated: NegotiatedSession | undefined;
  /** Of what has been sent and not been read yet. */
  #lastNegotiated: NegotiatedSession | undefined;
  readonly #unrefreshed = new Map<Family, Set<string>>();
  #isInOctets = false;
  #sent = new MessageFramer();
  #heard = new MessageFramer();
  /** Memory of what has not been heard in whole. */
  #chunk: Uint8Array | undefined;

  constructor(config: PeerConfig, listener: SessionListener, restartState: () => GracefulRestartState) {
    this.config = config;
    this.listener = listener;
    this.restartState = restartState;
  }

  start(): void {
    this.starts++;
  }

  async stop(mode: Parameters<Session["stop"]>[0]): Promise<void> {
    this.farewell = mode === "restart" ? undefined : mode;
    this.stopped = mode === "restart" ? mode : `${mode.code}/${mode.subcode}`;
    this.#negotiated = undefined;
  }

  accept(): void {}

  reconfigure(): void {}

  unreachable(): void {
    this.down("bfd-down");
  }

  get established(): boolean {
    return this.#negotiated !== undefined;
  }

  /** What the peer knows of us: prefix, with its path identifier if it has one, to attributes and next hop. */
  get table(): Map<string, { readonly attributes: PathAttributes; readonly nextHop: NextHop }> {
    this.#read();
    return this.#table;
  }

  /** What the peer has heard since the session came up. */
  get log(): string[] {
    this.#read();
    return this.#log;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#negotiated === undefined) return false;
    this.sentOctets += bytes.length;
    // The speaker writes into the same memory again.
    this.#unread.push(bytes.slice());
    return this.sentOctets <= this.capacity;
  }

  sendRouteRefresh(family: Family): boolean {
    this.asked.push(family);
    return true;
  }

  status(): SessionStatus {
    return {
      state: this.#negotiated === undefined ? "Idle" : "Established",
      sinceMs: 0,
      counters: new SessionCounts().snapshot(),
    };
  }

  up(others: Partial<NegotiatedSession> = {}): void {
    const { addPath = {}, families } = this.config;
    const sends = families.filter((family) => addPath[family]?.send !== undefined);
    this.#negotiated = sessionOf(this.config, { addPathSend: sends, ...others });
    this.#lastNegotiated = this.#negotiated;
    this.#sent = new MessageFramer();
    this.#heard = new MessageFramer();
    this.#sent.setMaxMessageLength(this.#negotiated.maxMessageLength);
    this.#heard.setMaxMessageLength(this.#negotiated.maxMessageLength);
    this.#unread = [];
    this.#table.clear();
    this.#unrefreshed.clear();
    this.#log.length = 0;
    this.sentOctets = 0;
    this.listener.onEstablished(this.#negotiated);
  }

  down(kind: SessionDownReason["kind"] = "tcp-closed", notification?: { code: number; subcode: number }): void {
    this.#negotiated = undefined;
    this.listener.onDown({ kind, text: kind, ...(notification === undefined ? {} : { notification }) });
  }

  /** The socket has been emptied. */
  drain(capacity = Number.POSITIVE_INFINITY): void {
    this.#read();
    this.sentOctets = 0;
    this.capacity = capacity;
    this.listener.onWritable();
  }

  /** The peer's UPDATEs as octets. */
  encode(update: UpdateParts): Uint8Array[] {
    return this.#negotiated === undefined ? [] : encodeUpdates(update, peersView(this.#negotiated));
  }

  /** What these octets are to us. */
  decode(message: Uint8Array): DecodeResult {
    return decodeMessage(message.slice(), this.#negotiated);
  }

  /**
   * Octets arrive, cut anywhere, and are handed on as a connection does it; they are overwritten once all is heard. After so many
   * messages, or runs of them, the rest waits for `hearRest`.
   */
  hear(chunk: Uint8Array, most = Number.POSITIVE_INFINITY): void {
    this.hearRest();
    this.#chunk = chunk;
    this.#heard.push(chunk);
    this.#hearSome(most);
    if (this.#heard.octets === undefined) this.#overwrite();
  }

  hearRest(): void {
    this.#hearSome(Number.POSITIVE_INFINITY);
    this.#overwrite();
  }

  /** The memory of what was heard is used for something else. */
  #overwrite(): void {
    this.#chunk?.fill(0xee);
    this.#chunk = undefined;
  }

  #hearSome(most: number): void {
    for (let count = 0; count < most && this.#negotiated !== undefined && this.#hearNext(); count++);
  }

  /** False if no whole message is there. */
  #hearNext(): boolean {
    const { octets, position } = this.#heard;
    const taken = octets === undefined ? 0 : this.#take(octets, position);
    this.#heard.skip(taken);
    if (taken > 0) return true;
    const framed = this.#heard.next();
    if (framed === undefined) return false;
    if (!framed.ok) throw new Error(framed.error.reason);
    if (octets === undefined && this.#take(framed.bytes, 0) > 0) return true;
    const decoded = decodeMessage(framed.bytes, this.#negotiated);
    if (!decoded.ok) this.down("notification-sent", decoded.error);
    else if (decoded.message.type === "update") this.listener.onUpdate(decoded.message);
    return true;
  }

  /** How many octets from a place on the listener takes where they lie. */
  #take(octets: Uint8Array, start: number): number {
    return (this.listener.takeUpdates?.(octets, start, octets.length) ?? start) - start;
  }

  announce(
    prefix: string,
    attributes: PathAttributes,
    nextHop: NextHop = { address: this.config.address },
    pathId = 0,
    family: Family = "ipv4-unicast",
  ): void {
    const nlri = [{ prefix: prefixOf(prefix), pathId }];
    const announcements = [{ family, nextHop, nlri }] as const;
    this.#say({ type: "update", withdrawals: [], announcements, attributes, problems: [] });
  }

  withdraw(prefix: string, pathId = 0): void {
    const withdrawals = [{ family: "ipv4-unicast", nlri: [{ prefix: prefixOf(prefix), pathId }] }] as const;
    this.#say({ type: "update", withdrawals, announcements: [], problems: [] });
  }

  /** Every other UPDATE in octets, if the listener takes it so. */
  #say(update: UpdateMessage): void {
    this.#isInOctets = !this.#isInOctets;
    if (!this.#isInOctets || !this.#saysInOctets(update)) this.listener.onUpdate(update);
  }

  #saysInOctets(update: UpdateMessage): boolean {
    const routes = [...update.withdrawals, ...update.announcements].flatMap(({ nlri }) => nlri);
    if (this.#negotiated === undefined || routes.some(({ pathId }) => pathId !== 0)) return false;
    try {
      const [octets] = encodeUpdates(update, peersView(this.#negotiated));
      return octets !== undefined && this.#take(octets, 0) > 0;
    } catch (error) {
      // Tests also say what no peer can.
      if (error instanceof BgpPacketError) return false;
      throw error;
    }
  }

  /** 0 request, 1 beginning, 2 end of a refresh. */
  routeRefresh(subtype: number, family: Family = "ipv4-unicast"): void {
    this.listener.onRouteRefresh({ type: "route-refresh", ...afiSafiOf(family), subtype });
  }

  endOfRib(family: Family = "ipv4-unicast"): void {
    this.listener.onUpdate({ type: "update", withdrawals: [], announcements: [], endOfRib: family, problems: [] });
  }

  #read(): void {
    const octets = this.#unread;
    this.#unread = [];
    const session = this.#lastNegotiated;
    if (session === undefined) return;
    for (const chunk of octets) this.#sent.push(chunk);
    for (let message = this.#sent.next(); message !== undefined; message = this.#sent.next()) {
      if (!message.ok) throw new Error(message.error.reason);
      const result = decodeMessage(message.bytes, peersView(session));
      if (!result.ok) throw new Error(result.error.reason);
      if (result.message.type === "update") this.#learn(result.message);
      if (result.message.type === "route-refresh") this.#onRefresh(result.message);
    }
  }

  /** RFC 7313 §4, as strict as it may be: what is not announced between beginning and end is forgotten. */
  #onRefresh({ subtype, ...pair }: RouteRefreshMessage): void {
    const family = familyOf(pair) ?? "ipv4-unicast";
    this.#log.push(["request", "BoRR", "EoRR"][subtype] ?? "?");
    if (subtype === 1) {
      if (!this.#log.includes("EoR") && this.#lastNegotiated?.gracefulRestart !== undefined)
        throw new Error("a refresh begins before the End-of-RIB");
      const known = [...this.#table.keys()].filter((key) => key.includes(":") === (family === "ipv6-unicast"));
      this.#unrefreshed.set(family, new Set(known));
    } else if (subtype === 2) {
      const missing = this.#unrefreshed.get(family);
      if (missing === undefined) throw new Error("a refresh ends that has not begun");
      for (const key of missing) this.#table.delete(key);
      this.#unrefreshed.delete(family);
    }
  }

  #learn(update: UpdateMessage): void {
    if (update.problems.length > 0) throw new Error(JSON.stringify(update.problems));
    for (const { nlri } of update.withdrawals)
      for (const route of nlri) {
        this.#table.delete(keyOf(route));
        this.#log.push(`- ${keyOf(route)}`);
      }
    for (const { family, nextHop, nlri } of update.announcements)
      for (const route of nlri) {
        this.#unrefreshed.get(family)?.delete(keyOf(route));
        if (update.attributes !== undefined) this.#table.set(keyOf(route), { attributes: update.attributes, nextHop });
        this.#log.push(`+ ${keyOf(route)}`);
      }
    if (update.endOfRib !== undefined) this.#log.push("EoR");
  }
}

/** What we send the peer receives. */
function peersView(session: NegotiatedSession): CodecContext {
  return { ...session, addPathReceive: session.addPathSend, addPathSend: session.addPathReceive };
}

function keyOf({ prefix, pathId }: Nlri): string {
  return pathId === 0 ? `${prefix}` : `${prefix} path ${pathId}`;
}
