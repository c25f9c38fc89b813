import type { ForwardingPath } from "../../bgp/loc-rib-rows.ts";
import type { IpAddress } from "../../net/address.ts";

/** Which paths of a route are used. */
export interface UsedPaths {
  readonly paths: readonly ForwardingPath[];
  /** What is odd about who announces it. */
  readonly note?: string;
}

/**
 * Of the equally good paths to a block those whose next hop is its owner, as the confirmed affinity says: two nodes that
 * both believe in a block must not share its packets. If the owner is not among the next hops, as behind a router that
 * puts itself there, BGP's choice stands.  */
export function pathsToUse(
  paths: readonly ForwardingPath[],
  owner: string,
  nodeOf: (address: IpAddress) => string | undefined,
): UsedPaths {
  const nodeOfPath = ({ nextHop }: ForwardingPath) => (nextHop === undefined ? undefined : nodeOf(nextHop.address));
  const owners = paths.filter((path) => nodeOfPath(path) === owner);
  if (owners.length === paths.length) return { paths };
  const others = paths.filter((path) => nodeOfPath(path) !== owner);
  const names = [...new Set(others.map((path) => nameOf(path, nodeOfPath(path))))];
  if (owners.length === 0)
    return { paths, note: `the owner, node ${owner}, is not among the next hops; announced by ${names.join(", ")}` };
  const own = names.length === 1 ? "who does not own it" : "who do not own it";
  return { paths: owners, note: `also announced by ${names.join(", ")}, ${own}` };
}

function nameOf(path: ForwardingPath, node: string | undefined): string {
  if (node !== undefined) return `node ${node}`;
  return path.nextHop === undefined ? "an unknown node" : `next hop ${path.nextHop.address}`;
}
