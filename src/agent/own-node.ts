import { CalibirdError } from "../core/errors.ts";
import type { ResourceClient } from "../datastore/resource-client.ts";
import type { IpAddress } from "../net/address.ts";
import { type NodeSpec, nodeAddress } from "../resources/node.ts";
import type { Resource } from "../resources/resource.ts";
import type { NodeAddress } from "./config/detect-address.ts";

type NodeErrorCode = "DUPLICATE_NODE_ADDRESS";

/** This node cannot take its place in the cluster. */
class NodeError extends CalibirdError<NodeErrorCode> {}

/** Throws `DUPLICATE_NODE_ADDRESS` if another node has the address: both would attract each other's packets. */
export function checkAddressIsFree(
  nodes: readonly Pick<Resource<"Node">, "metadata" | "spec">[],
  ownName: string,
  address: IpAddress,
): void {
  const other = nodes.find(
    ({ metadata, spec }) => metadata.name !== ownName && nodeAddress(spec, address.family)?.address.equals(address),
  );
  if (other !== undefined)
    throw new NodeError(
      "DUPLICATE_NODE_ADDRESS",
      `node ${other.metadata.name} has the address ${address} already; give node ${ownName} its own with --ip, or delete ` +
        `the other with calictl delete node ${other.metadata.name}`,
      { node: other.metadata.name, address: address.toString() },
    );
}

/** Writes what the agent knows of its own node; everything else in the stored object stays. */
export async function writeOwnNode(
  client: ResourceClient,
  stored: Resource<"Node"> | undefined,
  name: string,
  known: { readonly address: NodeAddress | undefined; readonly asNumber: number | undefined },
): Promise<void> {
  const bgp = {
    ...stored?.spec.bgp,
    ...(known.asNumber !== undefined && { asNumber: known.asNumber }),
    ...(known.address !== undefined && { ipv4Address: `${known.address.address}/${known.address.prefixLength}` }),
  };
  const spec: NodeSpec = { ...stored?.spec, ...(Object.keys(bgp).length > 0 && { bgp }) };
  const { resourceVersion: _any, ...metadata } = stored?.metadata ?? { name };
  await client.apply({ kind: "Node", apiVersion: "projectcalico.org/v3", ...stored, metadata, spec });
}
