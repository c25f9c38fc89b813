import type { AddressOwner } from "./block.ts";

/** A pod's network interface, as the container runtime names it. */
export interface PodIdentity {
  /** Name of the CNI network, e.g. `k8s-pod-network`. */
  readonly network: string;
  readonly containerId: string;
  readonly namespace: string;
  readonly pod: string;
  readonly node: string;
}

/** The kinds of tunnel addresses, and what a block calls them; Calico knows all but that of UDP. */
const TUNNEL_TYPES = {
  ipip: "ipipTunnelAddress",
  vxlan: "vxlanTunnelAddress",
  "vxlan-v6": "vxlanV6TunnelAddress",
  udp: "udpTunnelAddress",
  wireguard: "wireguardTunnelAddress",
  "wireguard-v6": "wireguardV6TunnelAddress",
} as const;

export type TunnelKind = keyof typeof TUNNEL_TYPES;

export const tunnelKinds = Object.keys(TUNNEL_TYPES) as readonly TunnelKind[];

/**
 * How a pod's addresses are marked, so that Calico's own tools and controllers recognise and collect them: with the pod,
 * its node, and the time of assignment as Go prints it.
 */
export function podOwner(identity: PodIdentity, nowMs: number): AddressOwner {
  const { network, containerId, namespace, pod, node } = identity;
  return { handleId: `${network}.${containerId}`, attributes: { namespace, node, pod, timestamp: goTime(nowMs) } };
}

/** The handle under which old plugins have stored a pod's addresses; released together with the pod's own. */
export function legacyPodHandle({ namespace, pod }: Pick<PodIdentity, "namespace" | "pod">): string {
  return `${namespace}.${pod}`;
}

/** How a node's tunnel address is marked. */
export function tunnelOwner(kind: TunnelKind, node: string): AddressOwner {
  return { handleId: `${kind}-tunnel-addr-${node}`, attributes: { node, type: TUNNEL_TYPES[kind] } };
}

const KEPT_HANDLE = "calibird-kept.";

/**
 * How an address is marked that a pod's interface leads to while nothing says whose it is. It has no pod's attributes, so
 * that nobody takes it for a pod that is gone.
 */
export function keptOwner(device: string, node: string): AddressOwner {
  const note = "in use by an interface without a WorkloadEndpoint";
  return { handleId: `${KEPT_HANDLE}${node}.${device}`, attributes: { device, node, note } };
}

export function isKeptHandle(handleId: string): boolean {
  return handleId.startsWith(KEPT_HANDLE);
}

/** Go's Time.String in UTC: trailing zeros of the fraction are left out. */
function goTime(nowMs: number): string {
  const [date = "", time = ""] = new Date(nowMs).toISOString().slice(0, -1).split("T");
  return `${date} ${time.replace(/\.?0+$/, "")} +0000 UTC`;
}
