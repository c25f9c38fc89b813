import type { PodIdentity } from "../../ipam/owners.ts";
import type { IpAddress } from "../../net/address.ts";
import { parseCidr } from "../../net/prefix.ts";
import type { Resource } from "../../resources/resource.ts";
import { workloadEndpointName } from "../../resources/workload-endpoint.ts";

/** A pod of this node as its WorkloadEndpoint resource describes it. */
export interface PodRecord {
  readonly namespace: string;
  readonly name: string;
  readonly containerId: string;
  readonly addresses: readonly IpAddress[];
  readonly hostInterface: string;
  readonly macAddress: string | undefined;
  /** File of the pod's network namespace, if we made it. */
  readonly namespacePath: string | undefined;
}

/** Calico drops fields that it does not know when it rewrites an object, but keeps annotations. */
const namespaceAnnotation = "calibird.io/network-namespace";

/** Name of the CNI network in handles, so that real Calico's tools find our allocations as those of a pod. */
const networkName = "k8s-pod-network";

/** The pod's own interface, and so the endpoint's name. */
export const podInterface = "eth0";

/** What names a pod towards IPAM. */
export function podIdentity(
  node: string,
  { namespace, name, containerId }: Pick<PodRecord, "namespace" | "name" | "containerId">,
): PodIdentity {
  return { network: networkName, containerId, namespace, pod: name, node };
}

/** The handle of a pod's addresses, as `podOwner` makes it. */
export function podHandle(containerId: string): string {
  return `${networkName}.${containerId}`;
}

/** False for handles of other networks, with which another plugin works. */
export function isPodHandle(handleId: string): boolean {
  return handleId.startsWith(podHandle(""));
}

/** Name of the WorkloadEndpoint of a pod on a node. */
export function podEndpointName(node: string, pod: string): string | undefined {
  return workloadEndpointName({ orchestrator: "k8s", node, pod, endpoint: podInterface });
}

export function podToResource(node: string, endpoint: string, pod: PodRecord): Resource<"WorkloadEndpoint"> {
  return {
    kind: "WorkloadEndpoint",
    apiVersion: "projectcalico.org/v3",
    metadata: {
      name: endpoint,
      namespace: pod.namespace,
      labels: { "projectcalico.org/namespace": pod.namespace, "projectcalico.org/orchestrator": "k8s" },
      ...(pod.namespacePath !== undefined && { annotations: { [namespaceAnnotation]: pod.namespacePath } }),
    },
    spec: {
      orchestrator: "k8s",
      node,
      containerID: pod.containerId,
      pod: pod.name,
      endpoint: podInterface,
      ipNetworks: pod.addresses.map((address) => `${address}/${address.bits}`),
      profiles: [`kns.${pod.namespace}`],
      interfaceName: pod.hostInterface,
      ...(pod.macAddress !== undefined && { mac: pod.macAddress }),
    },
  };
}

/** Undefined for an endpoint that lacks what a pod of ours has. */
export function podFromResource({ metadata, spec }: Resource<"WorkloadEndpoint">): PodRecord | undefined {
  const { pod, containerID, interfaceName } = spec;
  if (pod === undefined || containerID === undefined || interfaceName === undefined) return undefined;
  return {
    namespace: metadata.namespace ?? "default",
    name: pod,
    containerId: containerID,
    addresses: (spec.ipNetworks ?? []).map((network) => parseCidr(network).address),
    hostInterface: interfaceName,
    macAddress: spec.mac,
    namespacePath: metadata.annotations?.[namespaceAnnotation],
  };
}
