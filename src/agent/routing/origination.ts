import { Origin, type PathAttributes } from "../../bgp/packet/attributes.ts";

/**
 * LOCAL_PREF of a route of metric `metric`, as Calico from v3.32 on computes it: 2147483647 - metric. A node of that
 * generation turns it back into the kernel metric, so 100 would make our routes lose to every other.
 */
function localPreferenceOf(metric: number): number {
  return 2147483647 - metric;
}

/** Calico's normal route priority (BGPConfiguration.ipv4NormalRoutePriority). */
const normalRoutePriority = 1024;

/** Attributes of the routes that this node originates: its blocks, and addresses borrowed from others' blocks. */
export const originatedAttributes: PathAttributes = {
  origin: Origin.igp,
  asPath: [],
  localPref: localPreferenceOf(normalRoutePriority),
  atomicAggregate: false,
  communities: [],
  extendedCommunities: [],
  largeCommunities: [],
  clusterList: [],
  unknown: [],
};
