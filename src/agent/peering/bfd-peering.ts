import { diagnosticText } from "../../bgp/bfd/packet.ts";
import type { BfdService } from "../../bgp/bfd/service.ts";
import type { BfdPeer, BfdStatus } from "../../bgp/bfd/types.ts";
import type { BfdWish, BgpSpeaker, PeerConfig, PeerStatus } from "../../bgp/types.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { IpAddress } from "../../net/address.ts";

interface BfdPeeringOptions {
  readonly speaker: Pick<BgpSpeaker, "peer" | "peers" | "peerUnreachable">;
  readonly logger: Logger;
  /** Starts the service that tells `onStatus` what it sees and `onFailure` its end. */
  readonly startService: (
    events: Pick<Parameters<typeof BfdService.start>[0], "onStatus" | "onFailure">,
  ) => Promise<Pick<BfdService, "setPeers" | "problems" | "close">>;
  /** True if packets to the address pass no router. */
  readonly isOnLink: (address: IpAddress) => Promise<boolean>;
  /** Index of an interface, for link-local addresses. */
  readonly interfaceIndex: (device: string) => Promise<number | undefined>;
  /** A peer's BFD session changed. */
  readonly onChange: (peer: string) => void;
}

/**
 * Has the peers watched that ask for it: from the first time that a session is Established, since only then both ends are
 * known, until the peer is configured no more. Nothing runs while nobody asks.
 */
export class BfdPeering {
  readonly #options: BfdPeeringOptions;
  readonly #watched = new Map<string, { readonly config: PeerConfig; readonly peer: BfdPeer }>();
  readonly #statuses = new Map<string, BfdStatus>();
  #service: Awaited<ReturnType<BfdPeeringOptions["startService"]>> | undefined;
  #starting = false;
  #problem: string | undefined;
  /** Why it is not known how to watch a peer. */
  readonly #lostWays = new Map<string, string>();
  #stopped = false;

  constructor(options: BfdPeeringOptions) {
    this.#options = options;
  }

  status(peer: string): BfdStatus | undefined {
    return this.#statuses.get(peer);
  }

  /** What keeps BFD from working, one sentence each. */
  get problems(): readonly string[] {
    const own = this.#problem === undefined ? [] : [this.#problem];
    return [...own, ...this.#lostWays.values(), ...(this.#service?.problems ?? [])];
  }

  /** The speaker has other peers than before. */
  peersChanged(): void {
    const configs = new Map(this.#options.speaker.peers().map((status) => [status.config.name, status]));
    for (const [name, { config }] of this.#watched) {
      const status = configs.get(name);
      if (status?.config.bfd === undefined) this.#forget(name);
      else if (status.config !== config) this.#watch(status);
    }
    for (const name of this.#lostWays.keys())
      if (configs.get(name)?.config.bfd === undefined) this.#lostWays.delete(name);
    for (const status of configs.values())
      if (status.config.bfd !== undefined && !this.#watched.has(status.config.name)) this.#watch(status);
    this.#apply();
  }

  /** A session is Established. */
  established(name: string): void {
    const status = this.#options.speaker.peer(name);
    if (status?.config.bfd !== undefined) this.#watch(status);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#service?.close();
  }

  #watch({ config, negotiated }: PeerStatus): void {
    const known = this.#watched.get(config.name)?.peer.localAddress;
    const localAddress = negotiated?.localAddress.toString() ?? known;
    if (localAddress === undefined || config.bfd === undefined) return;
    this.#describe(config, config.bfd, localAddress).then(
      (peer) => {
        // It may be gone, or be another one by now.
        if (this.#options.speaker.peer(config.name)?.config !== config) return;
        this.#lostWays.delete(config.name);
        this.#watched.set(config.name, { config, peer });
        this.#apply();
      },
      (error: unknown) => {
        const problem = `BFD cannot find the way to ${config.name}: ${errorMessage(error)}`;
        this.#lostWays.set(config.name, problem);
        this.#options.logger.error({}, problem);
      },
    );
  }

  async #describe({ name, address, transport }: PeerConfig, bfd: BfdWish, localAddress: string): Promise<BfdPeer> {
    const device = transport?.device;
    const intervalUs = bfd.intervalMs * 1000;
    return {
      name,
      remoteAddress: address.toString(),
      localAddress,
      scopeId: device === undefined ? 0 : ((await this.#options.interfaceIndex(device)) ?? 0),
      multihop: bfd.hops === "auto" ? !(await this.#options.isOnLink(address)) : bfd.hops === "multi",
      timers: { desiredMinTxUs: intervalUs, requiredMinRxUs: intervalUs, detectMultiplier: bfd.multiplier },
    };
  }

  #forget(name: string): void {
    this.#watched.delete(name);
    this.#statuses.delete(name);
  }

  #apply(): void {
    if (this.#stopped) return;
    if (this.#service !== undefined) this.#service.setPeers([...this.#watched.values()].map(({ peer }) => peer));
    else if (this.#watched.size > 0) this.#start();
  }

  #start(): void {
    if (this.#starting) return;
    this.#starting = true;
    const onFailure = (error: Error) => {
      this.#service = undefined;
      this.#statuses.clear();
      this.#fail(error.message);
    };
    this.#options
      .startService({ onFailure, onStatus: (status, was) => this.#onStatus(status, was) })
      .then((service) => {
        this.#service = service;
        this.#problem = undefined;
        if (this.#stopped) return service.close();
        this.#apply();
      }, onFailure)
      .finally(() => {
        this.#starting = false;
      });
  }

  #fail(problem: string): void {
    this.#problem = problem;
    this.#options.logger.error({}, problem);
  }

  #onStatus(status: BfdStatus, was: BfdStatus["state"]): void {
    const { name, state, remoteState, diagnostic, remoteControlPlaneIndependent } = status;
    this.#statuses.set(name, status);
    if (state !== was)
      this.#options.logger.info(
        { peer: name, from: was, to: state, reason: diagnosticText(diagnostic) },
        "BFD session",
      );
    // Who ends BFD on purpose has not died (RFC 5882 §3.2).
    if (was === "Up" && state === "Down" && remoteState !== "AdminDown") {
      const text = `BFD: ${diagnosticText(diagnostic)}`;
      this.#options.speaker.peerUnreachable(name, { text, controlPlaneIndependent: remoteControlPlaneIndependent });
    }
    this.#options.onChange(name);
  }
}
