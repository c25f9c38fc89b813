import { isDeepStrictEqual } from "node:util";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import type { TunnelMode } from "../../fib/types.ts";
import type { AddressFamily } from "../../net/address.ts";
import { type EncapsulationMode, effectivePool, udpModeAnnotation } from "../../resources/ip-pool.ts";
import { nodeAddress } from "../../resources/node.ts";
import { type Resource, validateResource } from "../../resources/resource.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import type { RouteComposer } from "../routing/composer.ts";
import { onLinkSubnets } from "../tunnels/tunnel-plan.ts";
import {
  type ModeChangeNode,
  modesOf,
  type PoolModes,
  predictModeChange,
  type RouteDifference,
} from "./mode-change.ts";

export interface SetModeRequest {
  readonly pool: string;
  readonly mode: EncapsulationMode;
  /** Which tunnel the mode is for; if absent the one that the pool uses now, else IPIP, or VXLAN for IPv6. */
  readonly tunnel?: TunnelMode;
  readonly dryRun: boolean;
}

export interface SetModeResult {
  readonly pool: string;
  readonly before: PoolModes;
  readonly after: PoolModes;
  readonly differences: readonly RouteDifference[];
  /** False for a dry run, and if nothing had to be written. */
  readonly changed: boolean;
}

/** Changes how a pool's blocks are reached, and says first what that does to the routes of every node. */
export class PoolModeChanger {
  readonly #client: ResourceClient;
  readonly #cluster: Pick<ClusterCache, "resources">;
  readonly #composer: Pick<RouteComposer, "confirmedBlocks">;

  constructor(options: {
    client: ResourceClient;
    cluster: Pick<ClusterCache, "resources">;
    composer: Pick<RouteComposer, "confirmedBlocks">;
  }) {
    this.#client = options.client;
    this.#cluster = options.cluster;
    this.#composer = options.composer;
  }

  /** Throws `RESOURCE_NOT_FOUND`, `INVALID_RESOURCE` (IPIP or UDP of an IPv6 pool) or `UPDATE_CONFLICT`. */
  async setMode({ pool: name, mode, tunnel, dryRun }: SetModeRequest): Promise<SetModeResult> {
    const stored = await this.#client.get("IPPool", name);
    const { ipipMode, vxlanMode, udpMode, cidr } = effectivePool(stored.spec, stored.metadata);
    const before = { ipipMode, vxlanMode, udpMode };
    // IPv6 has VXLAN only.
    const used = vxlanMode !== "Never" || cidr.family === 6 ? "vxlan" : udpMode === "Never" ? "ipip" : "udp";
    const after = modesOf(tunnel ?? used, mode);
    // Also for a dry run: nothing can be foretold of what will be refused.
    const wanted = validateResource(withModes(stored, after));
    const owned = this.#composer.confirmedBlocks().filter(({ block }) => cidr.contains(block));
    const blocks = owned.map(({ block, node }) => ({ block, owner: node }));
    const differences = predictModeChange(before, after, this.#nodes(cidr.family), blocks);
    const changed = !dryRun && !isDeepStrictEqual(before, after);
    if (changed) await this.#client.update(wanted);
    return { pool: name, before, after, differences, changed };
  }

  #nodes(family: AddressFamily): ModeChangeNode[] {
    return this.#cluster.resources.nodes.flatMap(({ metadata, spec }) => {
      const own = nodeAddress(spec, family);
      if (own === undefined) return [];
      const { address, subnet } = own;
      const subnets = onLinkSubnets([{ address, prefixLength: subnet.length }], metadata.annotations ?? {});
      return [{ name: metadata.name, address, subnets }];
    });
  }
}

function withModes({ metadata, spec, ...rest }: Resource<"IPPool">, modes: PoolModes): Resource<"IPPool"> {
  const { ipipMode, vxlanMode, udpMode } = modes;
  const { [udpModeAnnotation]: told, ...others } = metadata.annotations ?? {};
  const annotations = udpMode === "Never" ? others : { ...others, [udpModeAnnotation]: udpMode };
  const isSame = told === annotations[udpModeAnnotation];
  return {
    ...rest,
    metadata: isSame ? metadata : { ...metadata, annotations },
    spec: { ...spec, ipipMode, vxlanMode },
  };
}
