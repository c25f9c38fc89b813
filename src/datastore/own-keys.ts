/** What our agents keep in the datastore besides Calico's data. Calico's roles for etcd cover all of `/calico/`. */
export const ownKeysPrefix = "/calico/calibird/v1/";

/** Names the node whose agent collects what no node gives back. */
export const collectorKey = `${ownKeysPrefix}ipam-collector`;

/** There as long as an agent lives that is the node of this name. */
export function nodeClaimKey(node: string): string {
  return `${ownKeysPrefix}names/${node}`;
}
