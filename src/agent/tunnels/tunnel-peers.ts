import { isDeepStrictEqual } from "node:util";
import type { AddressFamily, IpAddress } from "../../net/address.ts";
import { nodeAddress } from "../../resources/node.ts";
import type { Resource } from "../../resources/resource.ts";
import type { VxlanPeer } from "../../vxlan/peers.ts";
import { bgpAddresses, type NodeChange } from "../node-directory.ts";
import { tunnelPeerOf, vxlanPeerOf } from "./node-tunnels.ts";

/** What changes of nodes mean for this node's tunnels. */
export interface TunnelPeerChanges {
  /** Next hops that may have to be reached in another way. */
  readonly nextHops: readonly IpAddress[];
  /** Families of which a node has another address, or another end of the VXLAN tunnel. */
  readonly addresses: ReadonlySet<AddressFamily>;
  readonly vxlan: ReadonlySet<AddressFamily>;
}

/** One other node. */
interface KnownPeer {
  readonly nextHops: readonly IpAddress[];
  readonly vxlan: Readonly<Partial<Record<AddressFamily, VxlanPeer>>>;
}

const families = [4, 6] as const;

/** What the other nodes of the cluster tell of their ends of tunnels, kept up to date at the cost of the changes. */
export class TunnelPeers {
  readonly #ownName: string;
  readonly #peers = new Map<string, KnownPeer>();
  /** Names of nodes by the gateway of routes to them through the VXLAN device. */
  readonly #byGateway = new Map<string, string>();

  constructor(ownName: string) {
    this.#ownName = ownName;
  }

  apply(changes: readonly NodeChange[]): TunnelPeerChanges {
    const nextHops: IpAddress[] = [];
    const changed = { addresses: new Set<AddressFamily>(), vxlan: new Set<AddressFamily>() };
    for (const { name, before, after } of changes) {
      if (name === this.#ownName) continue;
      const [known, now] = [this.#peers.get(name), after && peerOf(after)];
      for (const family of families) {
        const [address, other] = [before, after].map((node) => node && nodeAddress(node.spec, family)?.address);
        if (address?.toString() !== other?.toString()) changed.addresses.add(family);
        if (!isDeepStrictEqual(known?.vxlan[family], now?.vxlan[family])) changed.vxlan.add(family);
      }
      if (!isDeepStrictEqual(tellingOf(before), tellingOf(after)))
        nextHops.push(...(known?.nextHops ?? []), ...(now?.nextHops ?? []));
      this.#replace(name, before, after, now);
    }
    return { nextHops, ...changed };
  }

  /** Addresses of a family that the other nodes are reached at without a tunnel. */
  addresses(family: AddressFamily): IpAddress[] {
    return [...this.#peers.values()].flatMap(({ nextHops }) => nextHops.filter((address) => address.family === family));
  }

  /** The other ends of the VXLAN tunnel of a family. */
  vxlan(family: AddressFamily): VxlanPeer[] {
    return [...this.#peers.values()].flatMap(({ vxlan }) => vxlan[family] ?? []);
  }

  /** The next hops whose routes through the VXLAN device would name these gateways. */
  behind(gateways: Iterable<string>): IpAddress[] {
    return [...gateways].flatMap((gateway) => this.#peers.get(this.#byGateway.get(gateway) ?? "")?.nextHops ?? []);
  }

  #replace(
    name: string,
    before: Resource<"Node"> | undefined,
    after: Resource<"Node"> | undefined,
    now: KnownPeer | undefined,
  ): void {
    for (const gateway of gatewaysOf(before))
      if (this.#byGateway.get(gateway) === name) this.#byGateway.delete(gateway);
    for (const gateway of gatewaysOf(after)) this.#byGateway.set(gateway, name);
    if (now === undefined) this.#peers.delete(name);
    else this.#peers.set(name, now);
  }
}

function peerOf(node: Resource<"Node">): KnownPeer {
  const [ipv4, ipv6] = [vxlanPeerOf(node, 4), vxlanPeerOf(node, 6)];
  return { nextHops: bgpAddresses(node.spec), vxlan: { ...(ipv4 && { 4: ipv4 }), ...(ipv6 && { 6: ipv6 }) } };
}

/** All that the ways to a node depend on. */
function tellingOf(node: Resource<"Node"> | undefined): unknown {
  return node && [bgpAddresses(node.spec).map(String), tunnelPeerOf(node)];
}

function gatewaysOf(node: Resource<"Node"> | undefined): string[] {
  return node === undefined ? [] : Object.values(tunnelPeerOf(node).vxlanGateways).map(String);
}
