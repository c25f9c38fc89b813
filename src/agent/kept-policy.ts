import type { KeyValue } from "../datastore/datastore.ts";
import type { KeptPolicy } from "../datastore/last-known/kept-state.ts";
import { AFFINITIES_PREFIX, blocksPrefix, handleKey } from "../ipam/keys.ts";
import { tunnelKinds, tunnelOwner } from "../ipam/owners.ts";
import { resourcePrefix } from "../resources/resource-keys.ts";
import { followedKinds } from "./cluster-cache.ts";

/**
 * What of the datastore a node needs to go on by itself: what the whole cluster follows, and of blocks, pods and handles its
 * own.
 */
export function keptPolicy(nodeName: string): KeptPolicy {
  const endpoints = resourcePrefix("WorkloadEndpoint");
  const blocks = [blocksPrefix(4), blocksPrefix(6)];
  const tunnelHandles = new Set(tunnelKinds.map((kind) => handleKey(tunnelOwner(kind, nodeName).handleId)));
  const cluster = [...followedKinds.map((kind) => resourcePrefix(kind)), resourcePrefix("ClusterInformation")];
  const followed = [...cluster, AFFINITIES_PREFIX];
  // Values are JSON without spaces, as Go writes it; one that is not is only not kept.
  const keeps = ({ key, value }: Pick<KeyValue, "key" | "value">) =>
    followed.some((prefix) => key.startsWith(prefix)) ||
    tunnelHandles.has(key) ||
    (key.startsWith(endpoints) && value.includes(`"node":"${nodeName}"`)) ||
    (blocks.some((prefix) => key.startsWith(prefix)) && value.includes(`"affinity":"host:${nodeName}"`));
  return { complete: [...followed, endpoints], keeps };
}
