import { systemClock } from "../core/clock.ts";
import { type Logger, silentLogger } from "../core/logger.ts";
import type { TcpSockets } from "../core/tcp.ts";
import { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { PrefixSet } from "../net/prefix-map.ts";
import { Origin, type PathAttributes } from "./packet/attributes.ts";
import { createSpeaker } from "./speaker.ts";
import type { SpeakerOptions } from "./speaker-options.ts";
import type { BgpSpeaker, BgpSpeakerListener, PeerConfig } from "./types.ts";

type RoutesListener = NonNullable<BgpSpeakerListener["onLocRibChanges"]>;

/** What a `Speaker` is made of. Everything but the first two has a default. */
export interface SpeakerSetup {
  /** Our AS number, 1 … 4294967295. */
  readonly asNumber: number;
  /** Our BGP identifier as four numbers with dots, other than 0.0.0.0. */
  readonly routerId: string;
  /** Where to listen: every address of this host, port 179, if absent. */
  readonly listen?: { readonly addresses?: readonly string[]; readonly port?: number };
  /** Batches of changes of the learned routes in use: `paths` is empty for one that is gone. Own routes are left out. */
  readonly onRoutes?: RoutesListener;
  readonly onPeerState?: BgpSpeakerListener["onPeerStateChange"];
  /** All that the peers have was heard, or the time for it is over. */
  readonly onConvergence?: BgpSpeakerListener["onInitialConvergence"];
  /** A pino logger or alike; silent if absent. */
  readonly logger?: Logger;
  /** TCP with options that node's `net` has not. */
  readonly sockets?: TcpSockets;
  readonly options?: SpeakerOptions;
}

/** A neighbour: who it is, and whatever of `PeerConfig` shall be other than usual. */
export interface Neighbor extends Partial<Omit<PeerConfig, "address" | "localAddress" | "remoteAs">> {
  readonly address: string;
  readonly asNumber: number;
  readonly localAddress?: string;
}

/** What a route of our own says besides its prefix. */
export interface RouteDetails extends Partial<PathAttributes> {
  /** Absent: this speaker. */
  readonly nextHop?: string;
}

const plainRoute: PathAttributes = {
  origin: Origin.igp,
  asPath: [],
  atomicAggregate: false,
  communities: [],
  extendedCommunities: [],
  largeCommunities: [],
  clusterList: [],
  unknown: [],
};

/** Passes on what is said of learned routes: not that an own one came, but that it took the place of a learned one. */
function learnedOnly(listener: RoutesListener): RoutesListener {
  const known = new PrefixSet();
  return (changes) => {
    const learned = changes.flatMap((change) => {
      const paths = change.paths.filter(({ source }) => source.kind === "peer");
      if (paths.length > 0) known.add(change.prefix);
      else if (!known.delete(change.prefix)) return [];
      return [{ ...change, paths }];
    });
    if (learned.length > 0) listener(learned);
  };
}

/**
 * A BGP speaker that announces and receives routes, with texts for addresses and prefixes. Everything else that it can do is
 * behind `bgp`. All methods may be called at any time; texts that are no address or prefix throw a `CalibirdError`.
 */
export class Speaker {
  /** The whole speaker. Its peers are those of `addNeighbor`; `setPeers` replaces them. */
  readonly bgp: BgpSpeaker;
  readonly #asNumber: number;

  constructor(setup: SpeakerSetup) {
    const { asNumber, routerId, listen = {}, logger = silentLogger, sockets, options = {} } = setup;
    this.#asNumber = asNumber;
    this.bgp = createSpeaker({
      routerId: IpAddress.parse(routerId).w0,
      listen: { addresses: (listen.addresses ?? []).map(IpAddress.parse), port: listen.port ?? 179 },
      listener: {
        ...(setup.onRoutes !== undefined && { onLocRibChanges: learnedOnly(setup.onRoutes) }),
        onPeerStateChange: setup.onPeerState ?? (() => {}),
        onInitialConvergence: setup.onConvergence ?? (() => {}),
      },
      clock: systemClock,
      logger,
      random: Math.random,
      ...(sockets !== undefined && { sockets }),
      options,
    });
  }

  /** Listens and dials. Throws a `BgpError` with code `LISTEN_FAILED`. */
  start(): Promise<void> {
    return this.bgp.start();
  }

  /** Tells the peers that we go, and closes; after `restart` they keep our routes (RFC 4724). */
  stop(mode: "shutdown" | "restart" = "shutdown"): Promise<void> {
    return this.bgp.stop(mode);
  }

  /**
   * Adds a neighbour, or changes the one of this name (its address if it has none). Returns the name. Throws a `BgpError` as
   * `BgpSpeaker.updatePeers`, and changes nothing.
   */
  addNeighbor({ address, asNumber, localAddress, ...others }: Neighbor): string {
    const parsed = IpAddress.parse(address);
    const config: PeerConfig = {
      name: address,
      description: "",
      port: 179,
      localAs: this.#asNumber,
      passive: false,
      holdTimeSec: 90,
      families: [parsed.family === 4 ? "ipv4-unicast" : "ipv6-unicast"],
      routeReflectorClient: false,
      nextHopMode: "auto",
      allowLocalAs: 0,
      ...others,
      address: parsed,
      remoteAs: asNumber,
      ...(localAddress !== undefined && { localAddress: IpAddress.parse(localAddress) }),
    };
    this.bgp.updatePeers([config], []);
    return config.name;
  }

  /** Ends the session with a neighbour; unknown names are ignored. */
  removeNeighbor(name: string): void {
    this.bgp.updatePeers([], [name]);
  }

  /** Announces a route of our own, or replaces it. */
  announce(prefix: string, { nextHop, ...attributes }: RouteDetails = {}): void {
    const route = { prefix: Prefix.parse(prefix), attributes: { ...plainRoute, ...attributes } };
    const hop = nextHop === undefined ? {} : { nextHop: { address: IpAddress.parse(nextHop) } };
    this.bgp.updateOriginated([{ ...route, ...hop }], []);
  }

  /** Withdraws a route of our own. */
  withdraw(prefix: string): void {
    this.bgp.updateOriginated([], [Prefix.parse(prefix)]);
  }
}
