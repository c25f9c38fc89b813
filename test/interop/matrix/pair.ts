import { expect, vi } from "vitest";
import type { PathAttributes } from "../../../src/bgp/packet/attributes.ts";
import type { OriginatedRoute, Path } from "../../../src/bgp/paths.ts";
import type { SessionDownReason } from "../../../src/bgp/session-state.ts";
import type { SpeakerOptions } from "../../../src/bgp/speaker-options.ts";
import type { PeerConfig } from "../../../src/bgp/types.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { attributesOf, peerConfigOf } from "../../support/bgp.ts";
import type { Bench } from "../support/bench.ts";
import type { Daemon, DaemonConfig, HeardRoute, NeighborConfig, NetworkConfig } from "../support/daemons/daemon.ts";
import { patient } from "../support/patience.ts";
import { place } from "../support/place.ts";
import type { SpeakerNode } from "../support/speaker-node.ts";

export const ourAs = 64512;
export const theirAs = 64513;

/** What our speaker announces. */
export const ourRoute = "192.0.2.0/24";
export const ourRouteV6 = "2001:db8:1::/48";
/** What the daemon announces. */
export const theirRoute = "198.51.100.0/24";
export const theirRouteV6 = "2001:db8:2::/48";

/** The name of the daemon as a peer of our speaker. */
const them = "them";

export interface PairOptions {
  readonly isInternal?: boolean;
  /** The session runs over IPv6. */
  readonly overV6?: boolean;
  readonly ours?: Partial<PeerConfig>;
  readonly theirs?: Partial<NeighborConfig>;
  readonly routes?: readonly OriginatedRoute[];
  readonly networks?: readonly NetworkConfig[];
  /** Further neighbours of the daemon, and peers of our speaker. */
  readonly otherNeighbors?: readonly NeighborConfig[];
  readonly otherPeers?: readonly PeerConfig[];
  readonly speaker?: SpeakerOptions;
}

/** A route of our speaker's own. */
export function originated(prefix: string, attributes: Partial<PathAttributes> = {}): OriginatedRoute {
  return { prefix: Prefix.parse(prefix), attributes: attributesOf([], attributes) };
}

/** Our speaker and a daemon as neighbours. */
export class Pair {
  readonly bench: Bench;
  readonly #options: PairOptions;
  #speaker: SpeakerNode | undefined;

  constructor(bench: Bench, options: PairOptions = {}) {
    this.bench = bench;
    this.#options = options;
  }

  /** Both started and Established. */
  static async up(bench: Bench, options: PairOptions = {}): Promise<Pair> {
    const pair = await Pair.begin(bench, options);
    await pair.established();
    return pair;
  }

  /** Both started. */
  static async begin(bench: Bench, options: PairOptions): Promise<Pair> {
    const pair = new Pair(bench, options);
    // Whoever dials finds the other one there.
    if (options.ours?.passive) await pair.startSpeaker();
    await pair.startDaemon();
    if (!options.ours?.passive) await pair.startSpeaker();
    return pair;
  }

  get daemon(): Daemon {
    return this.bench.daemon;
  }

  get speaker(): SpeakerNode {
    if (this.#speaker === undefined) throw new Error("our speaker is not started");
    return this.#speaker;
  }

  /** Our address as the daemon knows it. */
  get us(): string {
    return this.#options.overV6 ? place.usV6 : place.us;
  }

  /** Without peers if asked. */
  async startSpeaker(
    options: SpeakerOptions = {},
    { routes = this.#options.routes ?? [originated(ourRoute)], isAlone = false } = {},
  ): Promise<void> {
    const peers = isAlone ? [] : this.#peers();
    this.#speaker = await this.bench.startSpeaker(peers, { ...this.#options.speaker, ...options });
    await this.#speaker.originate(routes);
  }

  async startDaemon(): Promise<void> {
    await this.daemon.start(this.daemonConfig());
  }

  /** Gives our speaker its peers, the daemon with these changes of its configuration. */
  async connect(changes: Partial<PeerConfig> = {}): Promise<void> {
    await this.speaker.setPeers(...this.#peers(changes));
  }

  #peers(changes: Partial<PeerConfig> = {}): readonly PeerConfig[] {
    const { isInternal, overV6, ours, otherPeers = [] } = this.#options;
    const peer = peerConfigOf(
      { name: them, address: overV6 ? place.themV6 : place.them, port: 179 },
      {
        localAs: ourAs,
        remoteAs: isInternal ? ourAs : theirAs,
        localAddress: IpAddress.parse(this.us),
        ...ours,
        ...changes,
      },
    );
    return [peer, ...otherPeers];
  }

  daemonConfig(networks = this.#options.networks ?? [{ prefix: theirRoute }]): DaemonConfig {
    const { isInternal, overV6, theirs, otherNeighbors = [] } = this.#options;
    const neighbor: NeighborConfig = {
      address: this.us,
      localAddress: overV6 ? place.themV6 : place.them,
      remoteAs: ourAs,
      families: ["ipv4-unicast"],
      ...theirs,
    };
    return {
      as: isInternal ? ourAs : theirAs,
      routerId: place.them,
      neighbors: [neighbor, ...otherNeighbors],
      networks,
    };
  }

  async isEstablished(): Promise<boolean> {
    const [daemon, { state }] = await Promise.all([this.daemon.isEstablished(this.us), this.speaker.peer(them)]);
    return daemon && state === "Established";
  }

  /** Waits for both sides to be Established. */
  async established(): Promise<void> {
    await this.wait(async () => expect(await this.isEstablished(), "both sides are Established").toBe(true));
    for (const { kind } of (await this.peer()).negotiated?.remoteCapabilities ?? []) this.bench.offered.add(kind);
  }

  /** Waits until our side knows that the session is gone. */
  async notEstablished(): Promise<void> {
    await this.wait(async () => expect((await this.peer()).state).not.toBe("Established"));
  }

  /** What the daemon has from us, in the order of these prefixes; throws unless it has exactly them. */
  async daemonRoutes(...prefixes: readonly string[]): Promise<HeardRoute[]> {
    const routes = await this.daemon.routes(this.us);
    expect(routes.map(({ prefix }) => prefix).sort()).toEqual([...prefixes].sort());
    return prefixes.map((wanted) => routes.find(({ prefix }) => prefix === wanted)).flatMap((one) => one ?? []);
  }

  daemonHas(...prefixes: readonly string[]): Promise<HeardRoute[]> {
    return this.wait(() => this.daemonRoutes(...prefixes));
  }

  /**
   * What our speaker has from the daemon, in the order of these prefixes; throws unless it has exactly them, not counting
   * our own routes, which FRR echoes.
   */
  async ourPaths(...prefixes: readonly string[]): Promise<Path[]> {
    const paths = (await this.speaker.received(them))
      .map(({ path }) => path)
      .filter(({ attributes: { asPath, originatorId } }) => {
        const isLoop = asPath.some(({ asNumbers }) => asNumbers.includes(ourAs));
        return !isLoop && originatorId !== IpAddress.parse(place.us).w0;
      });
    expect(paths.map(({ prefix }) => prefix.toString()).sort()).toEqual([...prefixes].sort());
    return prefixes
      .map((wanted) => paths.find(({ prefix }) => prefix.toString() === wanted))
      .flatMap((one) => one ?? []);
  }

  weHave(...prefixes: readonly string[]): Promise<Path[]> {
    return this.wait(() => this.ourPaths(...prefixes));
  }

  /** Waits for a third party to have a prefix from one of us; resolves to its paths. */
  async observed(observer: Daemon, neighbor: string, prefix: string): Promise<HeardRoute[]> {
    return this.wait(async () => {
      const routes = (await observer.routes(neighbor)).filter((route) => route.prefix === prefix);
      expect(routes, `${prefix} at the third party`).not.toEqual([]);
      return routes;
    });
  }

  peer() {
    return this.speaker.peer(them);
  }

  /** Why connections with the daemon have ended or failed so far. */
  async endings(): Promise<SessionDownReason[]> {
    const { lastReason } = await this.peer();
    return [...(await this.speaker.endings(them)), ...(lastReason === undefined ? [] : [lastReason])];
  }

  /** Waits until a connection has ended for a reason that matches. */
  async endedBy(reason: Partial<SessionDownReason>): Promise<void> {
    await this.wait(async () => expect(await this.endings()).toContainEqual(expect.objectContaining(reason)));
  }

  /** Waits until what the daemon tells about us and its log say this. */
  async daemonSays(pattern: RegExp): Promise<void> {
    await this.wait(async () => expect(await this.daemon.describe(this.us)).toMatch(pattern));
  }

  /** Repeats until it does not throw; what it throws in the end comes with what both sides say. */
  async wait<T>(look: () => Promise<T>): Promise<T> {
    try {
      return await vi.waitFor(look, patient);
    } catch (error) {
      const theirs = await this.daemon.describe(this.us).catch(String);
      const ours = this.#speaker?.log.split("\n").slice(-25).join("\n");
      const { message } = error instanceof Error ? error : new Error(String(error));
      throw new Error(`${message}\n--- ${this.daemon.name}:\n${theirs}\n--- we:\n${ours}`, { cause: error });
    }
  }
}
