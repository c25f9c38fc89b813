import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";
import { type NodeSpec, nodeAddress } from "../resources/node.ts";
import type { Resource } from "../resources/resource.ts";

/** What has become of one Node; absent `before`: it is new, absent `after`: it is gone. */
export interface NodeChange {
  readonly name: string;
  readonly before?: Resource<"Node">;
  readonly after?: Resource<"Node">;
}

/** The nodes by their addresses, kept up to date at a cost in proportion to the changes. */
export class NodeDirectory {
  /** Nearly always one; two nodes with one address are somebody's mistake. */
  readonly #names = new PrefixMap<readonly string[]>();

  apply(changes: readonly NodeChange[]): void {
    for (const { name, before, after } of changes) {
      for (const address of bgpAddresses(before?.spec)) {
        const others = this.#namesAt(address).filter((other) => other !== name);
        if (others.length === 0) this.#names.delete(Prefix.host(address));
        else this.#names.set(Prefix.host(address), others);
      }
      for (const address of bgpAddresses(after?.spec))
        this.#names.set(Prefix.host(address), [...this.#namesAt(address), name].sort());
    }
  }

  /** Name of the node that has this address; of several the last by name. */
  nodeAt(address: IpAddress): string | undefined {
    return this.#namesAt(address).at(-1);
  }

  /** More than one node says that it has this address. */
  isShared(address: IpAddress): boolean {
    return this.#namesAt(address).length > 1;
  }

  #namesAt(address: IpAddress): readonly string[] {
    return this.#names.get(Prefix.host(address)) ?? [];
  }
}

/** The addresses that a node's sessions have, and so its routes as next hops. */
export function bgpAddresses(spec: NodeSpec | undefined): IpAddress[] {
  if (spec === undefined) return [];
  const both = [nodeAddress(spec, 4)?.address, nodeAddress(spec, 6)?.address];
  return both.filter((address) => address !== undefined);
}
