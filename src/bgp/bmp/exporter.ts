import type { Clock, Timer } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { TcpSockets } from "../../core/tcp.ts";
import { IpAddress } from "../../net/address.ts";
import { encodeTable } from "../dump.ts";
import type { BgpMonitor, MonitoredEnd, MonitoredSession, MonitorObserver } from "../monitor.ts";
import type { CodecContext } from "../packet/message.ts";
import { encodeOpen } from "../packet/open.ts";
import { encodeEndOfRib, encodeUpdates } from "../packet/update-encode.ts";
import type { LocRibChange, ReceivedRoute } from "../paths.ts";
import {
  type BmpDownReason,
  type BmpPeer,
  encodePeerDown,
  encodePeerUp,
  encodeRouteMonitoring,
  encodeStatistics,
} from "./message.ts";
import { BmpStation, type BmpStationStatus, type BmpTarget } from "./station.ts";

/** What stations are told of: RFC 7854 before policy, RFC 8671 after it, RFC 9069. */
export type BmpView = BmpPeer["view"];

interface BmpExporterOptions {
  readonly monitor: BgpMonitor;
  readonly targets: readonly BmpTarget[];
  readonly views: ReadonlySet<BmpView>;
  readonly sockets: TcpSockets;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly description: string;
  readonly name: string;
  readonly routerId: number;
  readonly localAs: () => number;
  /** One of each family, for routes of our own in the Loc-RIB. */
  readonly ownAddresses: readonly IpAddress[];
  /** Between reports of statistics; 60 if absent. */
  readonly statisticsSec?: number;
}

/** Statistic of RFC 7854 §4.8. */
const routesInAdjRibIn = 7;

/** FsmEvent of RFC 4271 §8.1 that stands for the end of a session by ourselves without a NOTIFICATION: ManualStop. */
const manualStop = 2;

/** Tells BMP stations what the speaker hears, chooses and says. */
export class BmpExporter implements MonitorObserver {
  readonly #options: BmpExporterOptions;
  readonly #stations: readonly BmpStation[];
  readonly #locRibContext: CodecContext;
  #stopObserving: () => void = () => {};
  #statistics: Timer | undefined;

  constructor(options: BmpExporterOptions) {
    this.#options = options;
    const { targets, sockets, clock, logger, random, description, name } = options;
    this.#stations = targets.map(
      (target) =>
        new BmpStation({ target, sockets, clock, logger, random, description, name, state: () => this.#state() }),
    );
    this.#locRibContext = {
      peerType: "ibgp",
      fourOctetAs: true,
      maxMessageLength: 4096,
      families: ["ipv4-unicast", "ipv6-unicast"],
      addPathReceive: [],
      addPathSend: [],
      ipv4OverIpv6: true,
    };
  }

  start(): void {
    this.#stopObserving = this.#options.monitor.observe(this);
    for (const station of this.#stations) station.start();
    this.#armStatistics();
  }

  stop(): void {
    this.#stopObserving();
    this.#statistics?.cancel();
    for (const station of this.#stations) station.stop();
  }

  status(): readonly BmpStationStatus[] {
    return this.#stations.map((station) => station.status());
  }

  sessionUp(session: MonitoredSession): void {
    this.#sendAll(this.#peersUp(session));
  }

  sessionDown(end: MonitoredEnd): void {
    if (this.#watchesPeers) this.#send(encodePeerDown(peerOf(end.session, "adj-rib-in"), this.#nowMs, downReason(end)));
  }

  received(session: MonitoredSession, update: Uint8Array): void {
    if (this.#tells("adj-rib-in"))
      this.#send(encodeRouteMonitoring(peerOf(session, "adj-rib-in"), this.#nowMs, update));
  }

  sent(session: MonitoredSession, update: Uint8Array): void {
    if (this.#tells("adj-rib-out"))
      this.#send(encodeRouteMonitoring(peerOf(session, "adj-rib-out"), this.#nowMs, update));
  }

  locRib(changes: readonly LocRibChange[]): void {
    if (!this.#tells("loc-rib")) return;
    const gone = changes.filter(({ paths }) => paths.length === 0);
    const withdrawals = (["ipv4-unicast", "ipv6-unicast"] as const).flatMap((family, index) => {
      const nlri = gone
        .filter(({ prefix }) => prefix.family === (index === 0 ? 4 : 6))
        .map(({ prefix }) => ({ prefix, pathId: 0 }));
      return nlri.length === 0 ? [] : [{ family, nlri }];
    });
    const peer = this.#locRibPeer;
    for (const update of encodeUpdates({ withdrawals, announcements: [] }, this.#locRibContext))
      this.#send(encodeRouteMonitoring(peer, this.#nowMs, update));
    this.#sendAll(this.#locRibRoutes(changes));
  }

  /** What a station that has just connected must hear. */
  *#state(): IterableIterator<Uint8Array> {
    const { monitor, views } = this.#options;
    const nowMs = this.#nowMs;
    for (const session of monitor.sessions()) {
      yield* this.#peersUp(session);
      const { peer, context } = session;
      // Before policy the routes look as the peer sends them, path identifiers included.
      if (views.has("adj-rib-in"))
        yield* this.#table(session, "adj-rib-in", monitor.adjRibIn(peer.name), {
          ...context,
          addPathSend: context.addPathReceive,
        });
      if (views.has("adj-rib-out")) yield* this.#table(session, "adj-rib-out", monitor.adjRibOut(peer.name), context);
    }
    if (!views.has("loc-rib")) return;
    yield this.#locRibUp(nowMs);
    yield* this.#locRibRoutes(monitor.locRib());
    for (const family of this.#locRibContext.families)
      yield encodeRouteMonitoring(this.#locRibPeer, nowMs, encodeEndOfRib(family));
  }

  *#table(
    session: MonitoredSession,
    view: BmpView,
    routes: Iterable<ReceivedRoute>,
    context: CodecContext,
  ): IterableIterator<Uint8Array> {
    const peer = peerOf(session, view);
    for (const update of encodeTable(routes, context)) yield encodeRouteMonitoring(peer, this.#nowMs, update);
    for (const family of context.families) yield encodeRouteMonitoring(peer, this.#nowMs, encodeEndOfRib(family));
  }

  *#locRibRoutes(changes: Iterable<LocRibChange>): IterableIterator<Uint8Array> {
    const best = function* (): IterableIterator<ReceivedRoute> {
      for (const { paths } of changes) {
        const [first] = paths;
        if (first !== undefined) yield { ...first, prefix: first.prefix, pathId: 0 };
      }
    };
    for (const update of encodeTable(best(), this.#locRibContext, this.#options.ownAddresses))
      yield encodeRouteMonitoring(this.#locRibPeer, this.#nowMs, update);
  }

  *#peersUp(session: MonitoredSession): IterableIterator<Uint8Array> {
    const { localAddress, peer, sentOpen, receivedOpen } = session;
    const ports = { localPort: 0, remotePort: peer.port };
    // One for both directions (RFC 8671 §5).
    if (this.#watchesPeers)
      yield encodePeerUp(peerOf(session, "adj-rib-in"), this.#nowMs, {
        localAddress,
        ...ports,
        sentOpen,
        receivedOpen,
      });
  }

  /** RFC 9069 §5.2: made up, with what is needed to read the routes. */
  #locRibUp(nowMs: number): Uint8Array {
    const asNumber = this.#options.localAs();
    const open = encodeOpen({
      version: 4,
      myAs: asNumber > 0xffff ? 23_456 : asNumber,
      holdTimeSec: 0,
      bgpIdentifier: this.#options.routerId,
      capabilities: [
        { kind: "multiprotocol", afi: 1, safi: 1 },
        { kind: "multiprotocol", afi: 2, safi: 1 },
        { kind: "extended-next-hop", families: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
        { kind: "four-octet-as", asNumber },
      ],
    });
    const session = { localAddress: IpAddress.v4(0), localPort: 0, remotePort: 0, sentOpen: open, receivedOpen: open };
    return encodePeerUp(this.#locRibPeer, nowMs, session);
  }

  /** Spares the work while nobody hears it. */
  #tells(view: BmpView): boolean {
    return this.#options.views.has(view) && this.#stations.some(({ isConnected }) => isConnected);
  }

  get #watchesPeers(): boolean {
    const { views } = this.#options;
    return views.has("adj-rib-in") || views.has("adj-rib-out");
  }

  get #locRibPeer(): BmpPeer {
    const { localAs, routerId } = this.#options;
    return {
      view: "loc-rib",
      address: IpAddress.v4(0),
      asNumber: localAs(),
      identifier: routerId,
      twoOctetAs: false,
    };
  }

  get #nowMs(): number {
    return this.#options.clock.wallMs();
  }

  #armStatistics(): void {
    const { clock, statisticsSec = 60 } = this.#options;
    this.#statistics = clock.setTimer(statisticsSec * 1000, () => {
      this.#reportStatistics();
      this.#armStatistics();
    });
  }

  #reportStatistics(): void {
    const { monitor } = this.#options;
    if (!this.#watchesPeers) return;
    for (const session of monitor.sessions()) {
      const value = monitor.routesReceived(session.peer.name);
      this.#send(
        encodeStatistics(peerOf(session, "adj-rib-in"), this.#nowMs, [{ type: routesInAdjRibIn, value, wide: true }]),
      );
    }
  }

  #sendAll(messages: Iterable<Uint8Array>): void {
    for (const message of messages) this.#send(message);
  }

  #send(message: Uint8Array): void {
    for (const station of this.#stations) station.send(message);
  }
}

function peerOf({ peer, remoteIdentifier, context }: MonitoredSession, view: BmpView): BmpPeer {
  const { address, remoteAs: asNumber } = peer;
  return { view, address, asNumber, identifier: remoteIdentifier, twoOctetAs: !context.fourOctetAs };
}

function downReason({ reason, notification }: MonitoredEnd): BmpDownReason {
  if (reason === undefined) return { kind: "deconfigured" };
  switch (reason.kind) {
    case "tcp-closed":
    case "tcp-failed":
      return { kind: "remote" };
    case "notification-received":
      return notification === undefined ? { kind: "remote" } : { kind: "remote-notification", message: notification };
    default:
      return notification === undefined
        ? { kind: "local", fsmEvent: manualStop }
        : { kind: "local-notification", message: notification };
  }
}
