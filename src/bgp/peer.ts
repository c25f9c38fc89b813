import type { IpAddress } from "../net/address.ts";
import { AttributeComplaints } from "./attribute-complaints.ts";
import { type Bequest, mayInherit } from "./bequest.ts";
import { administrativeShutdown, CeaseSubcode, notification } from "./fsm/notification.ts";
import type { GracefulRestartState } from "./fsm/offer.ts";
import { StaleRouteKeeper } from "./graceful-restart.ts";
import { LimitKeeper } from "./limit-keeper.ts";
import { ErrorCode, RefreshSubtype } from "./packet/constants.ts";
import { type Family, familyOf } from "./packet/family.ts";
import type { Announcement, RouteRefreshMessage, UpdateMessage } from "./packet/message.ts";
import type { ExplainedPath, Path, PathSource, ReceivedRoute, RouteSelection } from "./paths.ts";
import { comparePeerConfigs } from "./peer-config.ts";
import type { PeerEnvironment, Session } from "./peer-environment.ts";
import { exportProfileOf, importSideOf, sourceOf } from "./peer-rules.ts";
import { RefreshWindow } from "./refresh-window.ts";
import type { AdjRibIn, ImportSide } from "./rib/adj-rib-in.ts";
import type { ExportProfile } from "./rib/export-rules.ts";
import type { GroupMember } from "./rib/lane.ts";
import { select } from "./rib/select.ts";
import type { StopMode } from "./session/peer-session.ts";
import type { SessionDownReason } from "./session-state.ts";
import { staleRoutesOf } from "./stale-routes.ts";
import type { NegotiatedSession, PeerConfig, PeerStatus, SessionListener } from "./types.ts";

type Notification = Exclude<StopMode, "restart">;

/** One neighbour: its session, what it told us, and what it is to be told. */
export class Peer implements SessionListener, GroupMember {
  readonly name: string;
  readonly address: IpAddress;
  readonly session: Session;
  readonly #environment: PeerEnvironment;
  readonly #table: AdjRibIn;
  readonly #keeper: StaleRouteKeeper;
  readonly #refreshWindow: RefreshWindow;
  readonly #endOfRib = new Set<Family>();
  readonly #limitKeeper: LimitKeeper;
  #config: PeerConfig;
  #negotiated: NegotiatedSession | undefined;
  /** Our end of the last session; also judges routes that are kept after its loss. */
  #localAddress: IpAddress | undefined;
  /** The session whose routes are kept while there is no other. */
  #lostSession: NegotiatedSession | undefined;
  readonly #complaints: AttributeComplaints;
  #closed = false;

  /** `bequest` is what an earlier session with the same peer has left. */
  constructor(config: PeerConfig, environment: PeerEnvironment, bequest?: Bequest) {
    this.name = config.name;
    this.address = config.address;
    this.#config = config;
    this.#environment = environment;
    const { rib } = environment;
    const table = bequest?.table ?? rib.createTable(sourceOf(config, 0), this.#importSide(config));
    this.#table = table;
    this.#complaints = new AttributeComplaints(config.name, environment.clock, environment.logger);
    const routesGone = () => {
      this.#limitKeeper.routesGone();
      environment.wake();
    };
    this.#keeper = new StaleRouteKeeper(
      environment.clock,
      environment.retention,
      staleRoutesOf(table, { ...environment, wake: routesGone }),
    );
    this.#refreshWindow = new RefreshWindow(environment.clock, environment.retention.stalePathSec, {
      begin: (family) => rib.beginRefresh(table, family),
      end: (family) => {
        rib.endRefresh(table, family);
        routesGone();
      },
    });
    this.#limitKeeper = new LimitKeeper(
      config.maxPrefix,
      { count: (family) => table.countOf(family), has: (prefix, pathId) => rib.has(table, prefix, pathId) },
      {
        peer: config.name,
        clock: environment.clock,
        logger: environment.logger,
        start: () => this.session.start(),
        end: (reason) => this.#end(this.#forGood(reason)),
        askAgain: (family) => this.session.sendRouteRefresh(family),
      },
    );
    this.session = environment.createSession(config, this, () => this.#restartState());
    if (bequest === undefined) return;
    this.#localAddress = bequest.localAddress;
    this.#lostSession = bequest.session;
    this.#keeper.onReplaced(bequest.session);
    this.#judgeAgain();
  }

  get config(): PeerConfig {
    return this.#config;
  }

  get negotiated(): NegotiatedSession | undefined {
    return this.#negotiated;
  }

  get endOfRibReceived(): ReadonlySet<Family> {
    return this.#endOfRib;
  }

  /** It had more routes than it may have, and is left alone for now. */
  get rests(): boolean {
    return this.#limitKeeper.restReason !== undefined;
  }

  get demarcatesRefresh(): boolean {
    return this.#negotiated?.enhancedRouteRefresh === true;
  }

  /** Brings a configuration into force that differs in nothing that belongs to the session. */
  reconfigure(config: PeerConfig): void {
    const change = comparePeerConfigs(this.#config, config);
    const wasShutDown = this.#config.shutdown !== undefined;
    this.#config = config;
    this.session.reconfigure(config);
    if (config.shutdown === undefined && wasShutDown) this.session.start();
    else if (config.shutdown !== undefined && !wasShutDown) this.#shutDown(config.shutdown.message);
    if (change.limits) this.#limitKeeper.configure(config.maxPrefix);
    if (!change.import) return;
    this.#judgeAgain();
    this.#environment.wake();
  }

  /** Begins to dial and to accept, unless the peer is administratively down. */
  start(): void {
    if (this.#config.shutdown === undefined) this.session.start();
  }

  /** How the peer's routes have to be exported now; undefined without a session. */
  get exportProfile(): ExportProfile | undefined {
    const session = this.#negotiated;
    if (session === undefined) return undefined;
    return exportProfileOf(this.#config, session, this.#environment);
  }

  send(octets: Uint8Array, updates: number): boolean {
    return this.session.send(octets, updates);
  }

  /** As `peerUnreachable` of the speaker. */
  unreachable({ text, controlPlaneIndependent }: { text: string; controlPlaneIndependent: boolean }): void {
    if (this.#closed) return;
    if (this.#negotiated !== undefined) this.session.unreachable(text);
    else if (controlPlaneIndependent) this.#keeper.giveUp();
  }

  /** Ends the session with a Cease of this subcode, and forgets what the peer told us. */
  async remove(subcode: number): Promise<void> {
    const wasUp = this.#negotiated !== undefined;
    this.#closed = true;
    this.#stopTimers();
    this.#environment.groups.leave(this);
    this.#environment.rib.dropTable(this.#table);
    this.#environment.wake();
    const closed = this.session.stop(this.#forGood(notification(ErrorCode.cease, subcode)));
    // Nothing that the session says from now on is heard.
    if (wasUp) this.#tellOfEnd(subcode);
    await closed;
  }

  /**
   * As `remove`, but `heir` takes this peer's place and what it has told us: both sides keep each other's routes over the change
   * of session, as RFC 8538 allows. Undefined, and nothing done, if it has nothing to leave or the heir may not have it.
   */
  bequeath(heir: PeerConfig): Bequest | undefined {
    const session = this.#negotiated ?? (this.#table.stale > 0 ? this.#lostSession : undefined);
    if (session === undefined || this.#keeper.isLongLived || !mayInherit(this.#config, heir, session)) return undefined;
    const wasUp = this.#negotiated !== undefined;
    this.#closed = true;
    this.#stopTimers();
    this.#environment.groups.leave(this);
    this.#end(notification(ErrorCode.cease, CeaseSubcode.otherConfigurationChange));
    if (wasUp) this.#tellOfEnd(CeaseSubcode.otherConfigurationChange);
    return { table: this.#table, session, localAddress: this.#localAddress };
  }

  /** Ends the session because the speaker stops; after `restart` the peer keeps our routes (RFC 4724). */
  async close(mode: StopMode): Promise<void> {
    this.#closed = true;
    this.#stopTimers();
    await this.session.stop(mode === "restart" ? mode : this.#forGood(mode));
  }

  status(): PeerStatus {
    const { shutdown } = this.#config;
    const { limits, restReason } = this.#limitKeeper;
    const whyNot = shutdown === undefined ? restReason : shutdownText(shutdown.message);
    return {
      ...this.session.status(),
      ...(whyNot !== undefined && { lastReason: { kind: "administrative", text: whyNot } }),
      config: this.#config,
      received: this.#table.size,
      accepted: this.#table.accepted,
      stale: this.#table.stale,
      discarded: limits?.discarded ?? 0,
      advertised: this.#environment.groups.countFor(this),
      endOfRibReceived: [...this.#endOfRib],
    };
  }

  received(selection: RouteSelection): readonly ExplainedPath[] {
    return this.#environment.views.explainTable(this.#table, selection);
  }

  adjRibIn(): IterableIterator<ReceivedRoute> {
    return this.#environment.views.received(this.#table);
  }

  advertised(selection: RouteSelection): readonly Path[] {
    return [...select(this.#environment.groups.pathsFor(this), selection)];
  }

  onEstablished(session: NegotiatedSession): void {
    if (this.#closed) return;
    this.#negotiated = session;
    this.#localAddress = session.localAddress;
    this.#endOfRib.clear();
    this.#limitKeeper.onEstablished();
    this.#keeper.onEstablished(session);
    this.#judgeAgain();
    const profile = this.exportProfile;
    if (profile !== undefined) this.#environment.groups.join(this, profile);
    this.#environment.wake();
    this.#environment.onStateChange(this.name, "Established", undefined);
  }

  takeUpdates(octets: Uint8Array, start: number, end: number): number {
    const session = this.#negotiated;
    if (this.#closed || session === undefined) return start;
    // A route has an octet at least.
    const room = this.#limitKeeper.limits?.roomFor("ipv4-unicast") ?? end;
    const stop = this.#environment.plainUpdates.take(this.#table, octets, start, Math.min(end, start + room), session);
    if (stop > start) this.#environment.wake();
    return stop;
  }

  onUpdate(update: UpdateMessage): void {
    if (this.#closed) return;
    const { rib } = this.#environment;
    for (const problem of update.problems) this.#complaints.tell(problem);
    for (const { nlri } of update.withdrawals)
      for (const { prefix, pathId } of nlri) rib.withdraw(this.#table, rib.prefixes.find(prefix), pathId);
    if (update.attributes !== undefined) {
      const attributes = rib.attributes.take(update.attributes);
      for (const announcement of update.announcements) this.#announce(announcement, attributes);
      rib.attributes.release(attributes);
    }
    if (update.withdrawals.length > 0) this.#limitKeeper.routesGone();
    if (update.endOfRib !== undefined) {
      this.#endOfRib.add(update.endOfRib);
      this.#keeper.onEndOfRib(update.endOfRib);
    }
    this.#environment.wake();
  }

  onRouteRefresh(message: RouteRefreshMessage): void {
    const family = familyOf(message);
    const session = this.#negotiated;
    if (this.#closed || family === undefined || !session?.families.includes(family)) return;
    // RFC 7313 §4: before the End-of-RIB of a peer with graceful restart its routes are not all there yet.
    const isComplete = session.gracefulRestart === undefined || this.#endOfRib.has(family);
    switch (message.subtype) {
      case RefreshSubtype.request:
        this.#environment.groups.refresh(this, family);
        return;
      case RefreshSubtype.begin:
        if (this.demarcatesRefresh && isComplete) this.#refreshWindow.onBegin(family);
        return;
      case RefreshSubtype.end:
        this.#refreshWindow.onEnd(family);
        return;
      default:
        this.#environment.logger.warn({ peer: this.name, ...message }, "ROUTE-REFRESH of an unknown subtype ignored");
    }
  }

  onDown(reason: SessionDownReason): void {
    const session = this.#negotiated;
    if (this.#closed || session === undefined) return;
    this.#negotiated = undefined;
    this.#lostSession = session;
    this.#refreshWindow.stop();
    this.#environment.groups.leave(this);
    this.#keeper.onDown(reason, session);
    this.#environment.wake();
    const { state } = this.session.status();
    // Where the session comes right back, being Established again is reported by itself.
    this.#environment.onStateChange(this.name, state === "Established" ? "Idle" : state, reason);
  }

  onWritable(): void {
    this.#environment.groups.onWritable(this);
  }

  #announce({ family, nextHop, nlri }: Announcement, attributes: number): void {
    const { rib, onDiscarded } = this.#environment;
    const { limits } = this.#limitKeeper;
    rib.beginAnnouncement(this.#table, attributes, nextHop);
    for (const { prefix, pathId } of nlri)
      if (limits === undefined || limits.admits(family, prefix, pathId))
        rib.announce(rib.prefixes.take(prefix), pathId);
      else onDiscarded?.(this.name, prefix, limits.limitOf(family));
    rib.endAnnouncement();
  }

  /** Ends the session for good, also what is kept of an earlier one. The configuration says why. */
  #shutDown(message: string): void {
    const { rib, wake } = this.#environment;
    this.#keeper.stop();
    this.#limitKeeper.stop();
    rib.removeWhere(this.#table, () => true);
    wake();
    this.#end(this.#forGood(administrativeShutdown(message)));
  }

  /** Closes the session; whatever begins it again is the caller's business. */
  #end(reason: Notification): void {
    this.session.stop(reason).catch((error: unknown) => {
      this.#environment.logger.error({ peer: this.name, error }, "could not close a session");
    });
  }

  #tellOfEnd(subcode: number): void {
    const text =
      subcode === CeaseSubcode.peerDeconfigured
        ? "the peer is not wanted any more"
        : "the peer's configuration has changed";
    this.#environment.onStateChange(this.name, "Idle", { kind: "administrative", text });
  }

  #stopTimers(): void {
    this.#keeper.stop();
    this.#refreshWindow.stop();
    this.#limitKeeper.stop();
    this.#complaints.stop();
  }

  /** The F bit also holds after a mere loss of the session: our kernel routes were there all the time. */
  #restartState(): GracefulRestartState {
    const { restarting, forwardingPreserved } = this.#environment.restart();
    const preserved = forwardingPreserved || this.#localAddress !== undefined;
    return { restarting, preservedFamilies: preserved ? this.#config.families : [] };
  }

  /** The same object while nothing in it changes, so that paths announced again are recognised as the same. */
  #renewedSource(): PathSource {
    const { source } = this.#table;
    const known = source.kind === "peer" ? source.identifier : 0;
    const renewed = sourceOf(this.#config, this.#negotiated?.remoteIdentifier ?? known);
    return JSON.stringify(renewed) === JSON.stringify(source) ? source : renewed;
  }

  /** The rules or what we know of the peer changed. */
  #judgeAgain(): void {
    const source = this.#renewedSource();
    const isOther = source !== this.#table.source;
    this.#table.side = this.#importSide(this.#config);
    this.#table.source = source;
    this.#environment.rib.reevaluate(this.#table, isOther);
  }

  #importSide(config: PeerConfig): ImportSide {
    return importSideOf(
      config,
      this.#environment,
      (address) => this.#localAddress?.equals(address) === true || this.#environment.isOwnAddress(address),
    );
  }

  /** RFC 8538 §3.1: a peer that keeps routes over NOTIFICATIONs must hear that this one is meant to end everything. */
  #forGood(reason: Notification): Notification {
    if (this.#negotiated?.gracefulRestart?.notification !== true) return reason;
    const { code, subcode, data } = reason;
    return { code: ErrorCode.cease, subcode: CeaseSubcode.hardReset, data: Uint8Array.from([code, subcode, ...data]) };
  }
}

function shutdownText(message: string): string {
  return `administratively shut down${message === "" ? "" : ` "${message}"`}`;
}
