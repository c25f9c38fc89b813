/** Calico's normal route priority (BGPConfiguration.ipv4NormalRoutePriority) and the metric of its routes from v3.32 on. */
export const normalMetric = 1024;

const maximumSigned = 2147483647;

/** Below this a LOCAL_PREF is a plain preference, e.g. the 100 of Calico until v3.31, and says nothing about a metric. */
const smallestFromMetric = 2 ** 30;

/**
 * LOCAL_PREF of a route of metric `metric`, as Calico from v3.32 on computes it: 2147483647 - metric. A node of that
 * generation turns it back into the kernel metric, so 100 would make our routes lose to every other.
 */
export function localPreferenceOf(metric: number): number {
  return maximumSigned - metric;
}

/** The kernel metric that a received LOCAL_PREF stands for; the normal one unless it was made from a metric. */
export function metricOf(localPreference: number | undefined): number {
  if (localPreference === undefined || localPreference <= smallestFromMetric) return normalMetric;
  const metric = maximumSigned - localPreference;
  return metric >= 1 ? metric : normalMetric;
}

/**
 * True for a route that is to beat even a pod of this node with the same address: while a virtual machine moves, the node
 * that it moves to announces its address so.
 */
export function isElevated(localPreference: number | undefined): boolean {
  return localPreference !== undefined && localPreference > localPreferenceOf(normalMetric);
}
