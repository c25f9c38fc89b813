import { isDeepStrictEqual } from "node:util";
import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { tunnelMtu } from "../../fib/device/mtu.ts";
import type { MtuWatcher } from "../../fib/device/mtu-watcher.ts";
import type { IpipDevice } from "../../ipip/tunnel-device.ts";
import type { AddressFamily, IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { Resource } from "../../resources/resource.ts";
import type { UserspaceTunnel } from "../../tunnel/userspace-tunnel.ts";
import type { ClusterCache, ClusterChanges } from "../cluster-cache.ts";
import { ipamPools } from "../cluster-view.ts";
import { changeOwnNode, contentOf, type NodeContent } from "../own-node.ts";
import type { EncapsulationContext, TunnelPeer, TunnelState } from "../routing/encapsulation.ts";
import type { OwnAddresses } from "../start/own-addresses.ts";
import { type OwnTunnels, tunnelPeerOf, withTunnels, withUdpTunnel } from "./node-tunnels.ts";
import { TunnelAddress, type TunnelIpam } from "./tunnel-address.ts";
import { TunnelPeers } from "./tunnel-peers.ts";
import { onLinkSubnets, planTunnels, type TunnelPlan } from "./tunnel-plan.ts";
import type { VxlanTunnel } from "./vxlan-tunnel.ts";

/** What the tunnels between addresses of one family need of it. */
export interface Underlay {
  /** Follows the MTU that tunnels have to fit in; its `onChange` must call `wake`. */
  readonly mtu: Pick<MtuWatcher, "mtu" | "setPeers">;
  readonly vxlan: VxlanTunnel;
}

export interface TunnelManagerOptions {
  readonly nodeName: string;
  readonly ownAddresses: OwnAddresses;
  /** Of each family that the node has an address of; without one there are no tunnels. */
  readonly underlays: ReadonlyMap<AddressFamily, Underlay>;
  readonly cluster: Pick<ClusterCache, "resources" | "node" | "nodeAt" | "labelsOf">;
  readonly client: ResourceClient;
  readonly ipam: TunnelIpam;
  readonly ipip: Pick<IpipDevice, "set" | "state">;
  readonly udp: Pick<UserspaceTunnel, "set" | "setPeers" | "state">;
  /** The port of UDP tunnels, the same on all nodes. */
  readonly udpPort: number;
  /** Outer packets of IPIP and UDP must not be fragmented. */
  readonly pmtuDiscovery: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a tunnel address stays ours when no pool wants it any more, in milliseconds. */
  readonly graceMs: number;
  /** The tunnel addresses that this node has now. */
  readonly onAddresses: (addresses: readonly IpAddress[]) => void;
  /** What `context` answers has changed, for any next hop. */
  readonly onChange: () => void;
  /** It has changed for these next hops only. */
  readonly onPeersChange: (nextHops: readonly IpAddress[]) => void;
}

const firstRetryMs = 1_000;
const longestRetryMs = 30_000;

/**
 * Gives this node the tunnels that its pools ask for: an address from IPAM, the device, then the address in the Node, which
 * tells the others that they may send. Level-triggered: `wake` looks at everything again.
 */
export class TunnelManager {
  readonly #options: TunnelManagerOptions;
  readonly #ipipAddress: TunnelAddress;
  readonly #udpAddress: TunnelAddress;
  readonly #peers: TunnelPeers;
  #knowsPeers = false;
  #running = false;
  #again = false;
  #stopped = false;
  #retryMs = firstRetryMs;
  #retry: Timer | undefined;
  #problem: string | undefined;
  /** Called after every run while somebody waits for the first success. */
  #settled: (() => void) | undefined;
  /** What the routes were composed with. */
  #reported = "";

  constructor(options: TunnelManagerOptions) {
    this.#options = options;
    this.#peers = new TunnelPeers(options.nodeName);
    const { ipam, nodeName, clock, logger, graceMs } = options;
    const common = { ipam, node: nodeName, clock, logger, graceMs };
    this.#ipipAddress = new TunnelAddress({ ...common, kind: "ipip" });
    this.#udpAddress = new TunnelAddress({ ...common, kind: "udp" });
  }

  /** What keeps a wanted tunnel from working, for the operator. */
  get problems(): string[] {
    return this.#problem === undefined ? this.#wantedButDown() : [this.#problem];
  }

  /** How next hops are reached now. */
  context(): EncapsulationContext {
    const { ipip, udp, udpPort } = this.#options;
    let subnets: readonly Prefix[] | undefined;
    return {
      ipip: ipip.state(),
      vxlan: { 4: this.#vxlanState(4), 6: this.#vxlanState(6) },
      udp: udp.state(),
      udpPort,
      isOnLink: (address) => {
        subnets ??= this.#onLinkSubnets();
        return subnets.some((subnet) => subnet.containsAddress(address));
      },
      peerAt: (address) => this.#peerAt(address),
    };
  }

  /** Does what follows from these changes; of other nodes at the cost of the changes. The first are all that there is. */
  update({ kinds, nodes }: Pick<ClusterChanges, "kinds" | "nodes">): void {
    const { nextHops, addresses, vxlan } = this.#peers.apply(nodes);
    const isFirst = !this.#knowsPeers;
    this.#knowsPeers = true;
    if (nextHops.length > 0) this.#options.onPeersChange(nextHops);
    for (const [family, underlay] of this.#options.underlays) {
      if (isFirst || addresses.has(family)) underlay.mtu.setPeers(this.#peers.addresses(family));
      if (isFirst || vxlan.has(family)) underlay.vxlan.setPeers(this.#peers.vxlan(family));
    }
    if (isFirst || addresses.has(4)) this.#options.udp.setPeers(this.#peers.addresses(4));
    if (kinds.has("IPPool") || nodes.some(({ name }) => name === this.#options.nodeName)) this.wake();
  }

  /** A device, or what the kernel has of the way to some node, is another than before. */
  deviceChanged(): void {
    const gateways = [...this.#options.underlays.values()].flatMap(({ vxlan }) => [...vxlan.device.takeChangedPeers()]);
    const nextHops = this.#peers.behind(gateways);
    if (nextHops.length > 0) this.#options.onPeersChange(nextHops);
    this.wake();
  }

  /** Pools, this node or a device have changed: does what follows, one run at a time. */
  wake(): void {
    this.#reportChange();
    if (this.#stopped) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    this.#retry?.cancel();
    this.#reconcile().then(
      () => this.#finished(undefined),
      (error: unknown) => this.#finished(errorMessage(error)),
    );
  }

  /**
   * Wakes for the first time and resolves when all wanted tunnels work, or when `timeoutMs` is over. Until then a route
   * through a tunnel would be taken for one that leads nowhere.
   */
  async start(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(timeoutMs, resolve);
      this.#settled = () => {
        // A node that starts for the first time is in nobody's way.
        const isNew = this.#options.cluster.node(this.#options.nodeName) === undefined;
        if (!isNew && (this.#wantedButDown().length > 0 || !this.#hasMeasured)) return;
        timer.cancel();
        resolve();
      };
      this.wake();
    });
    this.#settled = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#ipipAddress.stop();
    this.#udpAddress.stop();
    for (const { vxlan } of this.#options.underlays.values()) vxlan.stop();
  }

  /** Why tunnels that pools ask for do not work, one sentence each. */
  #wantedButDown(): string[] {
    const { underlays, ipip, udp } = this.#options;
    const plan = this.#plan();
    const wanted: TunnelState[] = [
      ...(plan.ipip.length > 0 && underlays.has(4) ? [ipip.state()] : []),
      ...(plan.udp.length > 0 && underlays.has(4) ? [udp.state()] : []),
      ...[...underlays.keys()].flatMap((family) => (plan.vxlan[family].length > 0 ? [this.#vxlanState(family)] : [])),
    ];
    return wanted.flatMap((state) => (state.ready ? [] : [state.reason]));
  }

  #plan(): TunnelPlan {
    const { cluster, nodeName } = this.#options;
    return planTunnels(ipamPools(cluster.resources), cluster.labelsOf(nodeName));
  }

  #vxlanState(family: AddressFamily): TunnelState {
    const tunnel = this.#options.underlays.get(family)?.vxlan;
    return tunnel?.device.state() ?? { ready: false, reason: `this node has no IPv${family} address for VXLAN` };
  }

  get #hasMeasured(): boolean {
    return [...this.#options.underlays.values()].every(({ mtu }) => mtu.mtu !== undefined);
  }

  #peerAt(address: IpAddress): TunnelPeer | undefined {
    const node = this.#options.cluster.nodeAt(address);
    const resource = node === undefined ? undefined : this.#options.cluster.node(node);
    return resource && this.#peerOf(resource);
  }

  /** As the Node tells it, but the ways to its VTEPs only once the entries that lead there are in the kernel. */
  #peerOf(resource: Resource<"Node">): TunnelPeer {
    const peer = tunnelPeerOf(resource);
    const gateway = (family: AddressFamily) => {
      const address = peer.vxlanGateways[family];
      const device = this.#options.underlays.get(family)?.vxlan.device;
      return address !== undefined && device?.hasPeer(address) === true ? { [family]: address } : {};
    };
    return { ...peer, vxlanGateways: { ...gateway(4), ...gateway(6) } };
  }

  #finished(problem: string | undefined): void {
    this.#running = false;
    this.#problem = problem;
    this.#reportChange();
    if (this.#stopped) return;
    if (problem === undefined) this.#settled?.();
    if (problem !== undefined) {
      this.#options.logger.warn({ error: problem, retryMs: this.#retryMs }, "tunnels cannot be set up; trying again");
      this.#retry = this.#options.clock.setTimer(this.#retryMs, () => this.wake());
      this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
    } else this.#retryMs = firstRetryMs;
    if (!this.#again) return;
    this.#again = false;
    this.wake();
  }

  async #reconcile(): Promise<void> {
    const { cluster, nodeName, underlays, ipip, udp, udpPort, pmtuDiscovery } = this.#options;
    if (cluster.node(nodeName) === undefined) return;
    // The watchers wake us as soon as they have looked.
    if (!this.#hasMeasured) return;
    const plan = this.#plan();
    const ipv4Mtu = underlays.get(4)?.mtu.mtu;
    const addressFor = async (pools: readonly Prefix[], address: TunnelAddress) =>
      pools.length === 0 || ipv4Mtu === undefined ? undefined : await address.ensure(pools);
    const ipipAddress = await addressFor(plan.ipip, this.#ipipAddress);
    const udpAddress = await addressFor(plan.udp, this.#udpAddress);
    const wishFor = (kind: "ipip" | "udp", address: IpAddress | undefined) =>
      address && ipv4Mtu !== undefined ? { address, mtu: tunnelMtu(kind, ipv4Mtu), pmtuDiscovery } : undefined;
    ipip.set(wishFor("ipip", ipipAddress));
    udp.set(wishFor("udp", udpAddress));
    const vxlans: VxlanTunnel[] = [];
    for (const [family, { vxlan, mtu }] of underlays) {
      if (mtu.mtu !== undefined) await vxlan.follow(plan.vxlan[family], mtu.mtu);
      vxlans.push(vxlan);
    }
    const addresses = [ipipAddress, udpAddress, ...vxlans.map(({ address }) => address)];
    this.#options.onAddresses(addresses.filter((address) => address !== undefined));
    await this.#publish({
      ipip: { address: ipipAddress, ready: ipip.state().ready },
      vxlan: vxlans.map((vxlan) => vxlan.own),
      udp: { address: udpAddress, ready: udp.state().ready, port: udpPort },
    });
    if (ipipAddress === undefined) this.#ipipAddress.releaseLater();
    if (udpAddress === undefined) this.#udpAddress.releaseLater();
    for (const vxlan of vxlans) vxlan.told();
  }

  /** Writes the tunnels into the Node, unless it is known to have them already; a change of it by others wakes us. */
  async #publish(tunnels: OwnTunnels): Promise<void> {
    const { cluster, client, nodeName } = this.#options;
    const known = cluster.node(nodeName);
    const change = ({ spec, annotations }: NodeContent): NodeContent => ({
      spec: withTunnels(spec, tunnels),
      annotations: withUdpTunnel(annotations, tunnels.udp),
    });
    if (known === undefined || isDeepStrictEqual(change(contentOf(known)), contentOf(known))) return;
    await changeOwnNode(client, nodeName, (stored) => stored && change(stored));
  }

  #onLinkSubnets(): Prefix[] {
    const { cluster, nodeName, ownAddresses } = this.#options;
    const annotations = cluster.node(nodeName)?.metadata.annotations ?? {};
    return onLinkSubnets(Object.values(ownAddresses), annotations);
  }

  /** Tells that routes have to be composed again, if what they depend on at this node is another now. */
  #reportChange(): void {
    const { ipip, udp } = this.#options;
    const states = [ipip.state(), udp.state(), this.#vxlanState(4), this.#vxlanState(6)];
    const now = JSON.stringify([states, this.#onLinkSubnets().map(String)]);
    if (now === this.#reported) return;
    this.#reported = now;
    this.#options.onChange();
  }
}
