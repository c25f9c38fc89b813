import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { PrefixMap, PrefixSet } from "../../net/prefix-map.ts";

/** Of every next hop that was looked up the node with that address, as of the last `changed`. */
export class NodeNames {
  readonly #nodeOfAddress: (address: IpAddress) => string | undefined;
  readonly #known = new PrefixMap<string | undefined>();
  /** The last one: routes with the same next hop come one after the other. */
  #latest: { readonly address: IpAddress; readonly name: string | undefined } | undefined;

  constructor(nodeOfAddress: (address: IpAddress) => string | undefined) {
    this.#nodeOfAddress = nodeOfAddress;
  }

  at(address: IpAddress): string | undefined {
    if (this.#latest?.address.equals(address)) return this.#latest.name;
    const host = Prefix.host(address);
    if (!this.#known.has(host)) this.#known.set(host, this.#nodeOfAddress(address));
    const name = this.#known.get(host);
    this.#latest = { address, name };
    return name;
  }

  /** Nodes came to these addresses or left them: returns those, as host prefixes, of which an answer was another. */
  changed(addresses: readonly IpAddress[]): PrefixSet {
    const changed = new PrefixSet();
    this.#latest = undefined;
    for (const address of addresses) {
      const host = Prefix.host(address);
      if (!this.#known.has(host) || this.#nodeOfAddress(address) === this.#known.get(host)) continue;
      this.#known.delete(host);
      changed.add(host);
    }
    return changed;
  }
}
