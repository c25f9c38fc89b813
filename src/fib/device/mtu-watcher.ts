import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { Link, Netlink, NetlinkEvent } from "../../netlink/types.ts";
import { defaultMtuPattern, hostMtu } from "./mtu.ts";
import { Pacemaker } from "./pacemaker.ts";

/** Routes may change without any event of a link or an address. */
const periodMs = 30_000;
/** Nodes of one such subnet are reached by one route, and of more subnets than this some are not asked about. */
const representedLength = { 4: 24, 6: 64 } as const;
const maxRepresentatives = 256;

interface MtuWatcherOptions {
  readonly netlink: Pick<Netlink, "links" | "addresses" | "routeTo" | "subscribe">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The node's own address: the device that has it counts, whatever its name. */
  readonly localAddress?: IpAddress;
  /** Names of devices that count when no route to a peer is known (Calico's mtuIfacePattern). */
  readonly pattern?: RegExp;
  /** The largest packet that gets to all peers without a tunnel, in octets: at first and whenever it changes. */
  readonly onChange: (mtu: number) => void;
}

/**
 * Follows the MTU that tunnels have to fit in: the smallest of the devices that the routes to the peers use, or without
 * peers that of the devices that may lead to them (`hostMtu`).
 */
export class MtuWatcher {
  readonly #options: MtuWatcherOptions;
  readonly #pacemaker: Pacemaker;
  #peers: readonly IpAddress[] = [];
  #mtu: number | undefined;
  /** Indexes of devices that counted when last looked at. */
  #relevant: ReadonlySet<number> = new Set();
  #unsubscribe: (() => void) | undefined;
  #stopped = false;

  constructor(options: MtuWatcherOptions) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, () => this.#run());
  }

  start(): void {
    this.#pacemaker.request();
  }

  /** Addresses of the other nodes. */
  setPeers(peers: readonly IpAddress[]): void {
    this.#peers = representatives(peers);
    this.#pacemaker.request();
  }

  /** Undefined before the first look. */
  get mtu(): number | undefined {
    return this.#mtu;
  }

  stop(): void {
    this.#stopped = true;
    this.#pacemaker.stop();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  async #run(): Promise<number> {
    const { logger, onChange } = this.#options;
    try {
      await this.#listen();
      const mtu = await this.#measure();
      if (this.#stopped || mtu === this.#mtu) return periodMs;
      logger.info({ mtu, before: this.#mtu }, "packets to other nodes may have this many octets");
      this.#mtu = mtu;
      onChange(mtu);
    } catch (error) {
      logger.warn({ err: errorMessage(error) }, "the MTU towards other nodes could not be found out; trying again");
    }
    return periodMs;
  }

  async #listen(): Promise<void> {
    if (this.#unsubscribe !== undefined || this.#stopped) return;
    const unsubscribe = await this.#options.netlink.subscribe(["link", "address"], (events) => {
      if (events.some((event) => this.#concerns(event))) this.#pacemaker.request();
    });
    if (this.#stopped) unsubscribe();
    else this.#unsubscribe = unsubscribe;
  }

  #concerns(event: NetlinkEvent): boolean {
    const { localAddress, pattern = defaultMtuPattern } = this.#options;
    switch (event.type) {
      case "overrun":
        return true;
      case "link":
        return this.#relevant.has(event.link.index) || pattern.test(event.link.name);
      case "address":
        return localAddress?.equals(event.address.address) === true;
      default:
        return false;
    }
  }

  async #measure(): Promise<number> {
    const { netlink, localAddress, pattern } = this.#options;
    const links = await netlink.links();
    const byIndex = new Map(links.map((link) => [link.index, link]));
    const limits: number[] = [];
    const relevant = new Set<number>();
    for (const peer of this.#peers) {
      const route = await netlink.routeTo(peer);
      for (const { interfaceIndex } of route?.nextHops ?? []) {
        const link = interfaceIndex === undefined ? undefined : byIndex.get(interfaceIndex);
        if (link === undefined || link.loopback) continue;
        relevant.add(link.index);
        limits.push(Math.min(link.mtu, route?.mtu ?? link.mtu));
      }
    }
    const holders = localAddress === undefined ? [] : await holdersOf(netlink, links, localAddress);
    for (const index of holders) relevant.add(index);
    this.#relevant = relevant;
    return limits.length > 0 ? Math.min(...limits) : hostMtu(links, new Set(holders), pattern);
  }
}

/** Indexes of the devices that have the address; lo and dummies lead nowhere. */
async function holdersOf(
  netlink: Pick<Netlink, "addresses">,
  links: readonly Link[],
  localAddress: IpAddress,
): Promise<number[]> {
  const leading = new Set(
    links.filter(({ loopback, kind }) => !loopback && kind !== "dummy").map(({ index }) => index),
  );
  return (await netlink.addresses())
    .filter(({ address, interfaceIndex }) => address.equals(localAddress) && leading.has(interfaceIndex))
    .map(({ interfaceIndex }) => interfaceIndex);
}

function representatives(peers: readonly IpAddress[]): IpAddress[] {
  const bySubnet = new Map<string, IpAddress>();
  for (const peer of peers) {
    const subnet = Prefix.of(peer, representedLength[peer.family]).toString();
    if (!bySubnet.has(subnet)) bySubnet.set(subnet, peer);
    if (bySubnet.size === maxRepresentatives) break;
  }
  return [...bySubnet.values()];
}
