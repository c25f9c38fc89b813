import type { Clock, Timer } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { TcpConnection, TcpSockets } from "../core/tcp.ts";
import type { IpAddress } from "../net/address.ts";
import { asNumberOf } from "./fsm/negotiate.ts";
import { CeaseSubcode } from "./fsm/notification.ts";
import { ErrorCode } from "./packet/constants.ts";
import { isLinkLocal } from "./packet/next-hop.ts";
import { encodeNotification } from "./packet/notification.ts";
import type { Peer } from "./peer.ts";
import { closeGently } from "./session/close-gently.ts";
import { tcpOptionsOf } from "./session/endpoint.ts";
import { readFirstOpen } from "./session/first-open.ts";
import type { SocketEnd } from "./session/socket-address.ts";
import type { BgpSpeaker, PeerConfig, PeerRange, PeerStatus } from "./types.ts";

/** How long somebody may take to say who it is. */
const openTimeoutMs = 10_000;

/** How often peers are looked for that are gone, and neighbours that have come. */
const sweepMs = 1_000;

const openMessageError = 2;
const badPeerAs = 2;
const bgpPort = 179;

export interface DynamicPeersOptions {
  readonly speaker: Pick<BgpSpeaker, "updatePeers"> & {
    peerAt(end: SocketEnd): Peer | undefined;
    /** Those that came out of ranges. */
    guests(): readonly Peer[];
  };
  readonly sockets: TcpSockets;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Peers that nobody has configured one by one: whoever connects out of a range is asked for its OPEN before anything is made for
 * it, and becomes a passive peer of the AS number that it names, if the range allows it. Such a peer is forgotten when its
 * session is over and no route of it is kept.
 */
export class DynamicPeers {
  readonly #options: DynamicPeersOptions;
  #ranges: readonly PeerRange[] = [];
  /** By the range's name: connections whose OPEN is awaited, and the names of peers. */
  readonly #occupants = new Map<string, { readonly waiting: Set<TcpConnection>; readonly peers: Set<string> }>();
  /** Peers that were found without a session; the second time they go. */
  #idle: ReadonlySet<string> = new Set();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: DynamicPeersOptions) {
    this.#options = options;
  }

  get ranges(): readonly PeerRange[] {
    return this.#ranges;
  }

  /** The whole wanted set; live sessions of ranges that stay the same are not touched. */
  setRanges(ranges: readonly PeerRange[]): void {
    this.#ranges = ranges;
    const set: PeerConfig[] = [];
    const remove: string[] = [];
    for (const { config } of this.#options.speaker.guests()) {
      const range = this.#rangeOf(config);
      if (range === undefined) remove.push(config.name);
      else
        set.push({ ...configOf(range, config.address, config.remoteAs), passive: config.passive, port: config.port });
    }
    if (set.length + remove.length > 0) this.#options.speaker.updatePeers(set, remove);
    this.#sweep();
  }

  /** Takes a connection from an address that is no peer's. False if it is in no range. */
  welcome(remote: SocketEnd, connection: TcpConnection): boolean {
    const range = this.#rangeAt(remote);
    if (range === undefined || this.#isStopped) return false;
    const { waiting, peers } = this.#occupantsOf(range.name);
    if (waiting.size + peers.size >= range.limit) {
      this.#refuse(
        connection,
        range,
        remote.address,
        ErrorCode.cease,
        CeaseSubcode.connectionRejected,
        "the range is full",
      );
      return true;
    }
    try {
      this.#options.sockets.prepare(connection, tcpOptionsOf(configOf(range, remote.address, 0)));
    } catch (error) {
      this.#options.logger.warn(
        { range: range.name, address: remote.address.toString(), reason: errorMessage(error) },
        "closed a BGP connection that could not get its connection options",
      );
      connection.destroy();
      return true;
    }
    waiting.add(connection);
    void this.#greet(remote, connection, waiting);
    return true;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const { waiting } of this.#occupants.values()) for (const connection of waiting) connection.destroy();
  }

  async #greet(remote: SocketEnd, connection: TcpConnection, waiting: Set<TcpConnection>): Promise<void> {
    const { speaker, clock } = this.#options;
    const first = await readFirstOpen(connection, clock, openTimeoutMs);
    waiting.delete(connection);
    // It may have changed while we waited.
    const range = this.#isStopped ? undefined : this.#rangeAt(remote);
    if (first.kind === "nothing" || range === undefined) {
      connection.destroy();
      return;
    }
    if (first.kind === "error") {
      const { code, subcode, reason } = first.error;
      this.#refuse(connection, range, remote.address, code, subcode, reason);
      return;
    }
    const remoteAs = asNumberOf(first.message);
    const known = speaker.peerAt(remote);
    if (known === undefined) {
      if (
        remoteAs === undefined ||
        !range.remoteAs.some(({ first: low, last }) => remoteAs >= low && remoteAs <= last)
      ) {
        const reason = `AS ${remoteAs ?? "unknown"} is none of the range's`;
        this.#refuse(connection, range, remote.address, openMessageError, badPeerAs, reason);
        return;
      }
      const config = configOf(range, remote.address, remoteAs);
      speaker.updatePeers([config], []);
      this.#occupantsOf(range.name).peers.add(config.name);
    }
    speaker.peerAt(remote)?.session.accept(connection);
    this.#scheduleSweep();
  }

  #refuse(
    connection: TcpConnection,
    range: PeerRange,
    address: IpAddress,
    code: number,
    subcode: number,
    reason: string,
  ): void {
    const { clock, logger } = this.#options;
    logger.info({ range: range.name, address: address.toString(), reason }, "refused a BGP connection");
    void closeGently(connection, encodeNotification({ code, subcode, data: new Uint8Array(0) }), clock);
  }

  /** Removes peers that are over, and dials the neighbour of a range that looks for one. */
  #sweep(): void {
    const { speaker } = this.#options;
    const discovered = this.#ranges.flatMap((range) => this.#discover(range));
    const wanted = new Set(discovered.map(({ name }) => name));
    const idle = this.#options.speaker
      .guests()
      // A guest that rests because it had too many routes must not come back as a new one.
      .filter((peer) => !peer.rests && isOver(peer.status()) && !wanted.has(peer.config.name));
    const gone = idle.map(({ config }) => config.name).filter((name) => this.#idle.has(name));
    const present = new Set(this.#options.speaker.guests().map(({ config }) => config.name));
    const added = discovered.filter(
      ({ name, range }) =>
        !present.has(name) &&
        !this.#options.speaker.guests().some(({ config }) => config.range === range && !gone.includes(config.name)),
    );
    this.#idle = new Set(idle.map(({ config }) => config.name));
    if (gone.length + added.length > 0) speaker.updatePeers(added, gone);
    this.#recount();
    this.#scheduleSweep();
  }

  #scheduleSweep(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const isNeeded =
      this.#ranges.some(({ discover }) => discover !== undefined) || this.#options.speaker.guests().length > 0;
    if (isNeeded && !this.#isStopped) this.#timer = this.#options.clock.setTimer(sweepMs, () => this.#sweep());
  }

  /** The one neighbour on the link; of several nobody could say which is meant. */
  #discover(range: PeerRange): PeerConfig[] {
    const [asNumbers, another] = range.remoteAs;
    const isOneAs = asNumbers !== undefined && another === undefined && asNumbers.first === asNumbers.last;
    if (range.discover === undefined || !isOneAs) return [];
    const [address, ...others] = range.discover().filter((found) => range.prefix.containsAddress(found));
    if (address === undefined || others.length > 0) return [];
    return [{ ...configOf(range, address, asNumbers.first), passive: false }];
  }

  #rangeOf({ range, address, transport, remoteAs }: PeerConfig): PeerRange | undefined {
    return this.#ranges.find(
      ({ name, prefix, template, remoteAs: allowed }) =>
        name === range &&
        prefix.containsAddress(address) &&
        (!isLinkLocal(address) || template.transport?.device === transport?.device) &&
        allowed.some(({ first, last }) => remoteAs >= first && remoteAs <= last),
    );
  }

  /** The longest prefix; for a link-local address on that device. */
  #rangeAt({ address, device }: SocketEnd): PeerRange | undefined {
    return this.#ranges
      .filter(({ prefix }) => prefix.containsAddress(address))
      .filter(({ template }) => !isLinkLocal(address) || template.transport?.device === device)
      .sort((left, right) => right.prefix.length - left.prefix.length)[0];
  }

  #occupantsOf(range: string): { readonly waiting: Set<TcpConnection>; readonly peers: Set<string> } {
    const known = this.#occupants.get(range);
    if (known !== undefined) return known;
    const fresh = { waiting: new Set<TcpConnection>(), peers: new Set<string>() };
    this.#occupants.set(range, fresh);
    return fresh;
  }

  /** By what the speaker has: a configured peer may have taken the place of one of ours. */
  #recount(): void {
    for (const { peers } of this.#occupants.values()) peers.clear();
    for (const { config } of this.#options.speaker.guests())
      this.#occupantsOf(config.range ?? "").peers.add(config.name);
  }
}

/** Nothing is left of its session, and no route is kept for its return. */
function isOver({ state, stale }: PeerStatus): boolean {
  return (state === "Idle" || state === "Active" || state === "Connect") && stale === 0;
}

function configOf(range: PeerRange, address: IpAddress, remoteAs: number): PeerConfig {
  const { name, template } = range;
  return {
    ...template,
    name: `${name}/${address}`,
    range: name,
    address,
    port: range.port ?? bgpPort,
    remoteAs,
    passive: true,
  };
}
