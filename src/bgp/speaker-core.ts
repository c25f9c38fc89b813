import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Prefix } from "../net/prefix.ts";
import type { Bequest, Succession } from "./bequest.ts";
import { ChangeReport } from "./change-report.ts";
import { BgpError } from "./errors.ts";
import { administrativeShutdown, CeaseSubcode } from "./fsm/notification.ts";
import { History, type HistoryEvent, type HistoryQuery } from "./history/history.ts";
import { InitialConvergence } from "./initial-convergence.ts";
import type { ExplainedPath, LocRibChange, OriginatedRoute, Path, ReceivedRoute, RouteSelection } from "./paths.ts";
import { Peer } from "./peer.ts";
import { checkPeers } from "./peer-checks.ts";
import { comparePeerConfigs } from "./peer-config.ts";
import type { PeerEnvironment } from "./peer-environment.ts";
import { PlainUpdates } from "./plain-updates.ts";
import type { AdjRibIn } from "./rib/adj-rib-in.ts";
import { AttributeStore } from "./rib/attribute-store.ts";
import { defaultDecisionOptions } from "./rib/decision-steps.ts";
import type { ExportProfile } from "./rib/export-rules.ts";
import { GroupTable } from "./rib/group-table.ts";
import { acceptAll } from "./rib/import-rules.ts";
import type { GroupMember } from "./rib/lane.ts";
import { Rib } from "./rib/rib.ts";
import { RibViews } from "./rib/rib-views.ts";
import { endpointKey } from "./session/endpoint.ts";
import type { StopMode } from "./session/peer-session.ts";
import type { SocketEnd } from "./session/socket-address.ts";
import type { SpeakerOptions } from "./speaker-options.ts";
import type { BgpSpeaker, BgpSpeakerListener, ListenPlace, PeerConfig, PeerRange, PeerStatus } from "./types.ts";

/** What a speaker works with. */
export interface SpeakerSettings {
  /** BGP identifier, an unsigned 32-bit number other than 0. */
  readonly routerId: number;
  readonly listen: ListenPlace;
  readonly listener: BgpSpeakerListener;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Calls `turn` once, after the input that is at hand now: `setImmediate`. */
  readonly defer: (turn: () => void) => void;
  /** How many prefixes one turn chooses for, and how many each lane of peers is told of. */
  readonly prefixesPerTurn: number;
  /** How far apart small batches of changes go to the same peers at most, if they are many; 0, for not at all, if absent. */
  readonly spacingMs?: number;
  readonly options?: SpeakerOptions;
}

/** How the speaker reaches the network. */
export interface SpeakerTransport {
  readonly createSession: PeerEnvironment["createSession"];
  /** Opens the listening sockets, or moves them. Rejects with a `BgpError` of code `LISTEN_FAILED`. */
  listen(place: ListenPlace): Promise<void>;
  /** Why no socket can be as this peer wants it. */
  refusal(config: PeerConfig): string | undefined;
  /** Has the listening sockets ask for the passwords of these peers and no others. */
  setKeys(peers: readonly PeerConfig[]): void;
  /** Welcomes peers out of these ranges, and no others, from now on. */
  setRanges(ranges: readonly PeerRange[]): void;
  close(): void;
}

/**
 * The speaker without its sockets: peers, RIB and update groups, and the turn that moves changes through them.
 *
 * ```
 *  sessions ──update──► Adj-RIB-In ─► Rib (marks prefixes) ─┐        one turn, at most one per event loop round:
 *  updateOriginated ──────────────────────────────────────────┤        settle: choose once per marked prefix
 *                                                             └─wake─►  listener.onLocRibChanges, groups.apply
 *  sessions ◄──octets── lanes ◄── update groups ◄───────────────────   groups.work: encode once per group, write
 * ```
 */
export class SpeakerCore implements BgpSpeaker {
  readonly #settings: SpeakerSettings;
  readonly #transport: SpeakerTransport;
  readonly #history: History | undefined;
  readonly #rib: Rib;
  readonly #views: RibViews;
  readonly #report: ChangeReport;
  readonly #groups: GroupTable;
  readonly #attributes = new AttributeStore();
  readonly #originated: AdjRibIn;
  readonly #peers = new Map<string, Peer>();
  /** By `endpointKey`. */
  readonly #peersByEndpoint = new Map<string, Peer>();
  readonly #environment: PeerEnvironment;
  #place: ListenPlace;
  #convergence: InitialConvergence | undefined;
  #convergenceTold = false;
  #state: "new" | "started" | "stopped" = "new";
  #peersKnown = false;
  #awake = false;

  constructor(settings: SpeakerSettings, transport: SpeakerTransport) {
    const { routerId, clock, logger, options = {} } = settings;
    this.#settings = settings;
    this.#transport = transport;
    this.#place = settings.listen;
    const intern = this.#attributes.intern.bind(this.#attributes);
    const ownNextHops = options.ownNextHops ?? {};
    const ownAddresses = Object.values(ownNextHops);
    const wake = this.#wake.bind(this);
    const keepsHistory = options.history !== undefined && options.history > 0;
    const decision = { ...defaultDecisionOptions, ...options.decision };
    this.#rib = new Rib(
      decision,
      options.resolveNextHop ?? (() => ({ metric: 0 })),
      keepsHistory ? (row) => this.#history?.refusedOnImport(this.#views.path(row)) : undefined,
    );
    this.#views = new RibViews(this.#rib, decision);
    const history = keepsHistory ? new History(clock, options.history, this.#rib, this.#views) : undefined;
    this.#history = history;
    this.#report = new ChangeReport(this.#rib, this.#views, settings.listener, history);
    this.#originated = this.#rib.createTable({ kind: "local" }, acceptAll);
    this.#groups = new GroupTable(
      {
        rib: this.#rib,
        views: this.#views,
        clock,
        wake,
        spacingMs: settings.spacingMs ?? 0,
        learnedHeld: () => this.#restarts,
        onRefused: history && ((row, reason) => history.refusedOnExport(row, reason)),
        onUnencodable: (prefixes, error) =>
          logger.error(
            { code: error.code, reason: error.message, prefixes: prefixes.length },
            "routes fit into no UPDATE",
          ),
      },
      { intern },
    );
    this.#environment = {
      rib: this.#rib,
      views: this.#views,
      plainUpdates: new PlainUpdates(this.#rib),
      groups: this.#groups,
      clock,
      logger,
      routerId,
      intern,
      wake,
      retention: {
        longestRestartSec: options.longestRestartSec ?? 600,
        longestLongLivedSec: options.longestLongLivedSec ?? 86_400,
        stalePathSec: options.stalePathSec ?? 360,
      },
      isOwnAddress: (address) =>
        ownAddresses.some((own) => own.equals(address)) || options.isOwnAddress?.(address) === true,
      ownNextHops,
      spareNextHops: options.spareNextHops ?? {},
      requirePolicy: options.requirePolicy ?? false,
      restart: () => ({
        restarting: this.#restarts,
        forwardingPreserved: options.restarting?.forwardingPreserved ?? false,
      }),
      createSession: transport.createSession,
      onDiscarded: history && ((...route) => history.discarded(...route)),
      onStateChange: (...change) => {
        history?.session(...change);
        settings.listener.onPeerStateChange(...change);
      },
    };
  }

  async start(): Promise<void> {
    await this.#transport.listen(this.#place);
    const { clock, options = {} } = this.#settings;
    this.#state = "started";
    this.#convergence = new InitialConvergence(
      clock,
      {
        restarting: options.restarting !== undefined,
        deferralSec: options.restarting?.deferralSec ?? options.convergenceSec ?? 120,
      },
      () => this.#wake(),
    );
    for (const peer of this.#peers.values()) peer.start();
    this.#wake();
  }

  async stop(mode: "restart" | "shutdown", message?: string): Promise<void> {
    this.#state = "stopped";
    this.#convergence?.stop();
    const farewell: StopMode = mode === "restart" ? mode : administrativeShutdown(message);
    await Promise.all([...this.#peers.values()].map((peer) => peer.close(farewell)));
    this.#transport.close();
  }

  async listen(place: ListenPlace): Promise<void> {
    if (this.#state === "started") await this.#transport.listen(place);
    this.#place = place;
  }

  refusal(peer: PeerConfig): string | undefined {
    return this.#transport.refusal(peer);
  }

  setPeers(peers: readonly PeerConfig[]): void {
    const wanted = new Set(peers.map(({ name }) => name));
    const configured = [...this.#peers.values()].filter(({ config }) => config.range === undefined);
    const unwanted = configured.map(({ name }) => name).filter((name) => !wanted.has(name));
    this.updatePeers(peers, unwanted);
  }

  updatePeers(set: readonly PeerConfig[], unwanted: readonly string[]): void {
    const named = new Set([...unwanted, ...set.map(({ name }) => name)]);
    const rivals = set
      .flatMap((config) => this.#peersByEndpoint.get(endpointOf(config))?.config ?? [])
      .filter(({ name }) => !named.has(name));
    // Who came out of a range gives way to a configured peer.
    const guests = rivals.filter(({ range }) => range !== undefined);
    checkPeers([...rivals.filter(({ range }) => range === undefined), ...set], (peer) => this.refusal(peer));
    const remove = [...unwanted, ...guests.map(({ name }) => name)];
    const touched = new Set([...named, ...remove]);
    const before = [...touched].flatMap((name) => this.#peers.get(name)?.config ?? []);
    // Before anybody dials.
    if ([...before, ...set].some(({ transport }) => transport?.key !== undefined))
      this.#transport.setKeys([...this.#configsBut(touched), ...set]);
    const succession = { heirs: new Map(set.map((config) => [endpointOf(config), config])), bequests: new Map() };
    for (const name of remove) this.#replacePeer(name, CeaseSubcode.peerDeconfigured, succession);
    const added: PeerConfig[] = [];
    for (const config of set) {
      const peer = this.#peers.get(config.name);
      if (peer !== undefined && !comparePeerConfigs(peer.config, config).session) {
        peer.reconfigure(config);
        continue;
      }
      this.#replacePeer(config.name, CeaseSubcode.otherConfigurationChange, succession);
      added.push(config);
    }
    // After all that are removed, since two may have exchanged their addresses.
    for (const config of added) this.#addPeer(config, succession.bequests.get(endpointOf(config)));
    this.#regroup(set);
    this.#peersKnown = true;
    this.#wake();
  }

  setPeerRanges(ranges: readonly PeerRange[]): void {
    for (const { name, prefix, template } of ranges) {
      const reason = this.refusal({ ...template, name, address: prefix.address, port: 0, remoteAs: 0, passive: true });
      if (reason !== undefined) throw new BgpError("UNSUPPORTED_TRANSPORT", `peer range ${name}: ${reason}`, { name });
    }
    this.#transport.setRanges(ranges);
  }

  updateOriginated(announce: readonly OriginatedRoute[], withdraw: readonly Prefix[]): void {
    const rib = this.#rib;
    for (const prefix of withdraw) rib.withdraw(this.#originated, rib.prefixes.find(prefix), 0);
    for (const { prefix, attributes, nextHop } of announce) {
      const set = rib.attributes.take(attributes);
      rib.beginAnnouncement(this.#originated, set, nextHop);
      rib.announce(rib.prefixes.take(prefix), 0);
      rib.endAnnouncement();
      rib.attributes.release(set);
    }
    this.#wake();
  }

  peerUnreachable(peer: string, cause: { readonly text: string; readonly controlPlaneIndependent: boolean }): void {
    this.#peers.get(peer)?.unreachable(cause);
  }

  nextHopsChanged(): void {
    this.#rib.nextHopsChanged();
    this.#wake();
  }

  peers(): readonly PeerStatus[] {
    return [...this.#peers.values()].map((peer) => peer.status());
  }

  peer(name: string): PeerStatus | undefined {
    return this.#peers.get(name)?.status();
  }

  bestPaths(prefix: Prefix): readonly Path[] {
    return this.#views.selected(prefix);
  }

  locRib(): IterableIterator<LocRibChange> {
    return this.#views.locRib();
  }

  explain(prefix: Prefix): readonly ExplainedPath[] {
    return this.#views.explain(prefix);
  }

  history(query: HistoryQuery = {}): readonly HistoryEvent[] {
    return this.#history?.events(query) ?? [];
  }

  received(peer: string, selection: RouteSelection = {}): readonly ExplainedPath[] {
    return this.#peers.get(peer)?.received(selection) ?? [];
  }

  adjRibIn(peer: string): Iterable<ReceivedRoute> {
    return this.#peers.get(peer)?.adjRibIn() ?? [];
  }

  advertised(peer: string, selection: RouteSelection = {}): readonly Path[] {
    return this.#peers.get(peer)?.advertised(selection) ?? [];
  }

  /** The peer that may connect from there. */
  peerAt({ address, device }: SocketEnd): Peer | undefined {
    return this.#peersByEndpoint.get(endpointKey(address, device));
  }

  guests(): readonly Peer[] {
    return [...this.#peers.values()].filter(({ config }) => config.range !== undefined);
  }

  get #restarts(): boolean {
    return this.#settings.options?.restarting !== undefined && !this.#convergenceTold;
  }

  #addPeer(config: PeerConfig, bequest: Bequest | undefined): void {
    const peer = new Peer(config, this.#environment, bequest);
    this.#peers.set(config.name, peer);
    this.#peersByEndpoint.set(endpointOf(config), peer);
    if (this.#state === "started") peer.start();
  }

  #configsBut(names: ReadonlySet<string>): PeerConfig[] {
    return [...this.#peers.values()].map(({ config }) => config).filter(({ name }) => !names.has(name));
  }

  /** Ends the session of a peer that is there; what it leaves goes to the heir at its place if that may have it. */
  #replacePeer(name: string, subcode: number, { heirs, bequests }: Succession): void {
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    const place = endpointOf(peer.config);
    this.#peers.delete(name);
    this.#peersByEndpoint.delete(place);
    const heir = heirs.get(place);
    const bequest = heir && peer.bequeath(heir);
    if (bequest !== undefined) bequests.set(place, bequest);
    else
      peer.remove(subcode).catch((error: unknown) => {
        this.#settings.logger.error({ peer: name, error }, "could not close a removed session");
      });
  }

  #regroup(configs: readonly PeerConfig[]): void {
    const profiles = new Map<GroupMember, ExportProfile>();
    for (const { name } of configs) {
      const peer = this.#peers.get(name);
      const profile = peer?.exportProfile;
      if (peer !== undefined && profile !== undefined) profiles.set(peer, profile);
    }
    this.#groups.regroup(profiles);
  }

  #wake(): void {
    if (this.#awake || this.#state === "stopped") return;
    this.#awake = true;
    this.#settings.defer(() => {
      this.#awake = false;
      if (this.#state !== "stopped") this.#turn();
    });
  }

  /** Moves a bounded part of what has changed from the tables to the listener and to the peers. */
  #turn(): void {
    const { prefixesPerTurn } = this.#settings;
    const settled = this.#rib.settle(prefixesPerTurn);
    const { changed } = settled;
    this.#groups.apply(settled);
    if (changed.length > 0) this.#report.tell(changed);
    if (!this.#rib.pending) this.#checkConvergence();
    const left = this.#groups.work(prefixesPerTurn);
    const hasWaste = this.#groups.idle && !this.#rib.pending && this.#rib.purge(prefixesPerTurn);
    if (left || hasWaste || this.#rib.pending) this.#wake();
  }

  /** After the listener has all routes, since it may drop what it has not heard of when it is told. */
  #checkConvergence(): void {
    if (this.#convergenceTold || this.#convergence === undefined || !this.#peersKnown) return;
    if (!this.#convergence.reached && !this.#convergence.evaluate(this.#peers)) return;
    this.#convergenceTold = true;
    if (this.#settings.options?.restarting !== undefined) this.#groups.reload();
    this.#settings.listener.onInitialConvergence();
  }
}

function endpointOf({ address, transport }: PeerConfig): string {
  return endpointKey(address, transport?.device);
}
