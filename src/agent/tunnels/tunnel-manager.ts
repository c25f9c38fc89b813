import { isDeepStrictEqual } from "node:util";
import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { tunnelMtu } from "../../fib/device/mtu.ts";
import type { MtuWatcher } from "../../fib/device/mtu-watcher.ts";
import type { IpipDevice } from "../../ipip/tunnel-device.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Resource } from "../../resources/resource.ts";
import type { VxlanDevice } from "../../vxlan/vxlan-device.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import { ipamPools, labelsOf } from "../cluster-view.ts";
import type { NodeAddress } from "../config/detect-address.ts";
import { changeOwnNode } from "../own-node.ts";
import type { EncapsulationContext, TunnelPeer } from "../routing/encapsulation.ts";
import { LingeringPeers } from "./lingering-peers.ts";
import { type OwnTunnels, otherAddresses, tunnelPeerOf, vxlanPeersOf, withTunnels } from "./node-tunnels.ts";
import { TunnelAddress, type TunnelIpam } from "./tunnel-address.ts";
import { onLinkSubnets, planTunnels } from "./tunnel-plan.ts";

export interface TunnelManagerOptions {
  readonly nodeName: string;
  /** The node's own address; without one there are no tunnels. */
  readonly nodeAddress: NodeAddress | undefined;
  readonly cluster: ClusterCache;
  readonly client: ResourceClient;
  readonly ipam: TunnelIpam;
  readonly ipip: Pick<IpipDevice, "set" | "state">;
  readonly vxlan: Pick<VxlanDevice, "set" | "setPeers" | "state" | "hasPeer" | "macAddress">;
  /** Follows the MTU that tunnels have to fit in; its `onChange` must call `wake`. */
  readonly mtu: Pick<MtuWatcher, "mtu" | "setPeers">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a tunnel address stays ours when no pool wants it any more, in milliseconds. */
  readonly graceMs: number;
  /** The tunnel addresses that this node has now. */
  readonly onAddresses: (addresses: readonly IpAddress[]) => void;
  /** What `context` answers has changed. */
  readonly onChange: () => void;
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
  readonly #vxlanAddress: TunnelAddress;
  readonly #vxlanPeers: LingeringPeers;
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
    const { ipam, nodeName, clock, logger, graceMs } = options;
    const common = { ipam, node: nodeName, clock, logger, graceMs };
    this.#ipipAddress = new TunnelAddress({ ...common, kind: "ipip" });
    this.#vxlanAddress = new TunnelAddress({ ...common, kind: "vxlan" });
    this.#vxlanPeers = new LingeringPeers({ clock, graceMs, onExpiry: () => this.wake() });
  }

  /** What keeps a wanted tunnel from working, for the operator. */
  get problems(): string[] {
    return this.#problem === undefined ? this.#wantedButDown() : [this.#problem];
  }

  /** How next hops are reached now. */
  context(): EncapsulationContext {
    const { cluster, nodeName, nodeAddress, ipip, vxlan } = this.#options;
    const annotations = cluster.node(nodeName)?.metadata.annotations ?? {};
    const subnets = onLinkSubnets(nodeAddress, annotations);
    return {
      ipip: ipip.state(),
      vxlan: vxlan.state(),
      isOnLink: (address) => subnets.some((subnet) => subnet.containsAddress(address)),
      peerAt: (address) => this.#peerAt(address),
    };
  }

  /** Pools, nodes or a device have changed: does what follows, one run at a time. */
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
        if (!isNew && (this.#wantedButDown().length > 0 || this.#options.mtu.mtu === undefined)) return;
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
    this.#vxlanAddress.stop();
    this.#vxlanPeers.stop();
  }

  /** Why tunnels that pools ask for do not work, one sentence each. */
  #wantedButDown(): string[] {
    const { cluster, nodeName, nodeAddress, ipip, vxlan } = this.#options;
    if (nodeAddress === undefined) return [];
    const plan = planTunnels(ipamPools(cluster.resources), labelsOf(cluster.resources, nodeName));
    const wanted = [...(plan.ipip.length > 0 ? [ipip] : []), ...(plan.vxlan.length > 0 ? [vxlan] : [])];
    return wanted.flatMap((device) => {
      const state = device.state();
      return state.ready ? [] : [state.reason];
    });
  }

  #peerAt(address: IpAddress): TunnelPeer | undefined {
    const node = this.#options.cluster.nodeAt(address);
    const resource = node === undefined ? undefined : this.#options.cluster.node(node);
    return resource && this.#peerOf(resource);
  }

  /** As the Node tells it, but its VTEP only once the entries that lead there are in the kernel. */
  #peerOf(resource: Resource<"Node">): TunnelPeer {
    const { vtep, ...peer } = tunnelPeerOf(resource);
    return vtep !== undefined && this.#options.vxlan.hasPeer(vtep) ? { ...peer, vtep } : peer;
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
    const { cluster, nodeName, nodeAddress, ipip, vxlan, mtu } = this.#options;
    if (nodeAddress === undefined || cluster.node(nodeName) === undefined) return;
    mtu.setPeers(otherAddresses(cluster.resources.nodes, nodeName));
    // The watcher wakes us as soon as it has looked.
    if (mtu.mtu === undefined) return;
    const plan = planTunnels(ipamPools(cluster.resources), labelsOf(cluster.resources, nodeName));
    const ipipAddress = plan.ipip.length === 0 ? undefined : await this.#ipipAddress.ensure(plan.ipip);
    const vxlanAddress = plan.vxlan.length === 0 ? undefined : await this.#vxlanAddress.ensure(plan.vxlan);
    ipip.set(ipipAddress && { address: ipipAddress, mtu: tunnelMtu("ipip", mtu.mtu) });
    vxlan.set(
      vxlanAddress && {
        address: vxlanAddress,
        localAddress: nodeAddress.address,
        mtu: tunnelMtu("vxlan", mtu.mtu),
      },
    );
    vxlan.setPeers(this.#vxlanPeers.update(vxlanPeersOf(cluster.resources.nodes, nodeName)));
    this.#options.onAddresses([ipipAddress, vxlanAddress].filter((address) => address !== undefined));
    await this.#publish({
      ipip: { address: ipipAddress, ready: ipip.state().ready },
      vxlan: { address: vxlanAddress, ready: vxlan.state().ready, macAddress: vxlan.macAddress },
    });
    if (ipipAddress === undefined) this.#ipipAddress.releaseLater();
    if (vxlanAddress === undefined) this.#vxlanAddress.releaseLater();
  }

  /** Writes the tunnels into the Node, unless it is known to have them already; a change of it by others wakes us. */
  async #publish(tunnels: OwnTunnels): Promise<void> {
    const { cluster, client, nodeName } = this.#options;
    const known = cluster.node(nodeName)?.spec;
    if (known === undefined || isDeepStrictEqual(withTunnels(known, tunnels), known)) return;
    await changeOwnNode(client, nodeName, (stored) => stored && withTunnels(stored, tunnels));
  }

  /** Tells that routes have to be composed again, if what they depend on is another now. */
  #reportChange(): void {
    const { cluster, ipip, vxlan } = this.#options;
    const peers = cluster.resources.nodes.map((node) => [node.metadata.name, node.spec.bgp, this.#peerOf(node)]);
    const now = JSON.stringify([ipip.state(), vxlan.state(), peers]);
    if (now === this.#reported) return;
    this.#reported = now;
    this.#options.onChange();
  }
}
