import type { TunnelMode } from "../../fib/types.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { EncapsulationMode } from "../../resources/ip-pool.ts";

/** How a pool's blocks are reached: at most one of them is not Never. */
export interface PoolModes {
  readonly ipipMode: EncapsulationMode;
  readonly vxlanMode: EncapsulationMode;
  readonly udpMode: EncapsulationMode;
}

/** The modes of a pool that uses one tunnel, or with Never none. */
export function modesOf(tunnel: TunnelMode, mode: EncapsulationMode): PoolModes {
  const of = (kind: TunnelMode): EncapsulationMode => (kind === tunnel ? mode : "Never");
  return { ipipMode: of("ipip"), vxlanMode: of("vxlan"), udpMode: of("udp") };
}

/** What the prediction must know of a node. */
export interface ModeChangeNode {
  readonly name: string;
  readonly address: IpAddress;
  /** Its subnets, which CrossSubnet asks about. */
  readonly subnets: readonly Prefix[];
}

/** One route that will be another. */
export interface RouteDifference {
  readonly node: string;
  readonly block: string;
  readonly owner: string;
  readonly before: string;
  readonly after: string;
}

/**
 * The routes that a change of a pool's modes changes, on every node, by node and block. What is there for each is computed
 * from the nodes and the blocks' owners as every agent does it, so it holds once all have followed.
 */
export function predictModeChange(
  before: PoolModes,
  after: PoolModes,
  nodes: readonly ModeChangeNode[],
  blocks: readonly { readonly block: Prefix; readonly owner: string }[],
): RouteDifference[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return nodes.flatMap((node) =>
    blocks.flatMap(({ block, owner }) => {
      const target = byName.get(owner);
      if (target === undefined || target.name === node.name) return [];
      const difference = {
        node: node.name,
        block: block.toString(),
        owner,
        before: wayText(node, target, before),
        after: wayText(node, target, after),
      };
      return difference.before === difference.after ? [] : [difference];
    }),
  );
}

function wayText(node: ModeChangeNode, target: ModeChangeNode, modes: PoolModes): string {
  const tunnelled = (mode: EncapsulationMode) =>
    mode === "Always" ||
    (mode === "CrossSubnet" && !node.subnets.some((subnet) => subnet.containsAddress(target.address)));
  if (tunnelled(modes.ipipMode)) return `ipip to ${target.address} by tunl0`;
  if (tunnelled(modes.vxlanMode)) return `vxlan to ${target.address}`;
  if (tunnelled(modes.udpMode)) return `udp to ${target.address}`;
  return `direct to ${target.address}`;
}
