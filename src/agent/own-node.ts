import { isDeepStrictEqual } from "node:util";
import { CalibirdError } from "../core/errors.ts";
import type { ResourceClient } from "../datastore/resource-client.ts";
import type { IpAddress } from "../net/address.ts";
import { type NodeSpec, nodeAddress } from "../resources/node.ts";
import type { Resource } from "../resources/resource.ts";
import { NodeError } from "./node-error.ts";
import { addressText, type OwnAddresses } from "./start/own-addresses.ts";

/** Throws `DUPLICATE_NODE_ADDRESS` if another node has one of the addresses: both would attract each other's packets. */
export function checkAddressesAreFree(
  nodes: readonly Pick<Resource<"Node">, "metadata" | "spec">[],
  ownName: string,
  addresses: OwnAddresses,
): void {
  for (const own of Object.values(addresses)) checkAddressIsFree(nodes, ownName, own.address);
}

function checkAddressIsFree(
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
      `node ${other.metadata.name} has the address ${address} already; give node ${ownName} its own with ${address.family === 4 ? "--ip" : "--ip6"}, or delete ` +
        `the other with calictl delete node ${other.metadata.name}`,
      { node: other.metadata.name, address: address.toString() },
    );
}

/** What an agent knows of its own node. An address that it has not is taken out of the Node. */
interface KnownOfNode {
  readonly addresses: OwnAddresses;
  readonly asNumber: number | undefined;
}

/** Others write to a Node now and then, not all the time. */
const writeAttempts = 20;

/** Writes what the agent knows of its own node; everything else in the stored object stays, also if others write it now. */
export async function writeOwnNode(client: ResourceClient, name: string, known: KnownOfNode): Promise<void> {
  await changeOwnNode(client, name, ({ spec, annotations } = { spec: {}, annotations: {} }) => {
    const { bgp: stored = {}, ...rest } = spec;
    const { ipv4Address: _ipv4, ipv6Address: _ipv6, ...others } = stored;
    const { 4: ipv4, 6: ipv6 } = known.addresses;
    const bgp = {
      ...others,
      ...(known.asNumber !== undefined && { asNumber: known.asNumber }),
      ...(ipv4 !== undefined && { ipv4Address: addressText(ipv4) }),
      ...(ipv6 !== undefined && { ipv6Address: addressText(ipv6) }),
    };
    return { spec: { ...rest, ...(Object.keys(bgp).length > 0 && { bgp }) }, annotations };
  });
}

/** The parts of a Node that an agent writes. */
export interface NodeContent {
  readonly spec: NodeSpec;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Gives the node the content that follows from the stored one (undefined: there is none yet). Should somebody else write it in
 * between, that is read and changed instead, at once. Nothing is written if nothing changes, or if there is no node and
 * `change` makes none. Throws `UPDATE_CONFLICT` only if others keep writing.
 */
export async function changeOwnNode(
  client: ResourceClient,
  name: string,
  change: (stored: NodeContent | undefined) => NodeContent | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      await changeOnce(client, name, change);
      return;
    } catch (error) {
      const lostRace =
        error instanceof CalibirdError && (error.code === "UPDATE_CONFLICT" || error.code === "RESOURCE_EXISTS");
      if (!lostRace || attempt === writeAttempts) throw error;
    }
}

async function changeOnce(
  client: ResourceClient,
  name: string,
  change: (stored: NodeContent | undefined) => NodeContent | undefined,
): Promise<void> {
  const stored = await readNode(client, name);
  const before = stored && contentOf(stored);
  const content = change(before);
  if (content === undefined || isDeepStrictEqual(content, before)) return;
  const { spec, annotations } = content;
  const annotated = Object.keys({ ...annotations, ...before?.annotations }).length > 0 && { annotations };
  if (stored !== undefined) await client.update({ ...stored, metadata: { ...stored.metadata, ...annotated }, spec });
  else
    await client.create({
      kind: "Node",
      apiVersion: "projectcalico.org/v3",
      metadata: { name, ...annotated },
      spec,
    });
}

export function contentOf({ spec, metadata }: Resource<"Node">): NodeContent {
  return { spec, annotations: metadata.annotations ?? {} };
}

async function readNode(client: ResourceClient, name: string): Promise<Resource<"Node"> | undefined> {
  try {
    return await client.get("Node", name);
  } catch (error) {
    if (error instanceof CalibirdError && error.code === "RESOURCE_NOT_FOUND") return undefined;
    throw error;
  }
}
