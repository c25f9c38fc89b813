const apiVersion = "projectcalico.org/v3";

/** A BGPPeer of all nodes. */
export function globalPeer(name: string, peerIP: string, asNumber: number, others: object = {}): object {
  return { apiVersion, kind: "BGPPeer", metadata: { name }, spec: { peerIP, asNumber, ...others } };
}

/** The Node object of a machine that runs no agent of ours, such as a BIRD. */
export function calicoNode(name: string, address: string, others: object = {}, labels: object = {}): object {
  return {
    apiVersion,
    kind: "Node",
    metadata: { name, labels },
    spec: { bgp: { ipv4Address: `${address}/24`, ...others } },
  };
}

/** The cluster's BGPConfiguration. */
export function clusterBgp(spec: object): object {
  return { apiVersion, kind: "BGPConfiguration", metadata: { name: "default" }, spec };
}
