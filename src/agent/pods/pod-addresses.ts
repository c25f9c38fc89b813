import type { ResourceClient } from "../../datastore/resource-client.ts";
import type { AddressOwner } from "../../ipam/block.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import { readAddressWishes } from "../../ipam/pod-annotations.ts";
import type { IpamPool, Labels } from "../../ipam/pool-selection.ts";
import type { AddressFamily, IpAddress } from "../../net/address.ts";
import { ResourceError } from "../../resources/errors.ts";

/** What labels of a namespace are called in its profile. */
const namespaceLabel = "pcns.";

interface PodAddressesOptions {
  readonly ipam: Pick<Ipam, "autoAssign" | "assignAddress">;
  readonly client: Pick<ResourceClient, "get">;
  /** All pools there are now, disabled ones too. */
  readonly pools: () => readonly IpamPool[];
  /** The families that a new pod of a namespace gets an address of now. */
  readonly families: (namespaceLabels: Labels) => readonly AddressFamily[];
}

/** Takes the addresses of a new pod: those that its annotations ask for, or one of each family. */
export class PodAddresses {
  readonly #options: PodAddressesOptions;

  constructor(options: PodAddressesOptions) {
    this.#options = options;
  }

  /** Throws IpamError and DatastoreError; what was taken by then is under the owner's handle. */
  async take(
    owner: AddressOwner,
    namespace: string,
    annotations: Readonly<Record<string, string>>,
  ): Promise<readonly IpAddress[]> {
    const { ipam, pools, families } = this.#options;
    const wishes = readAddressWishes(annotations, pools());
    if (wishes.addresses.length > 0) {
      for (const address of wishes.addresses) await ipam.assignAddress({ ...owner, address, intendedUse: "Workload" });
      return wishes.addresses;
    }
    const namespaceLabels = await this.#namespaceLabels(namespace);
    const wanted = families(namespaceLabels);
    const count = (family: AddressFamily) =>
      wanted.includes(family) || wishes.pools.some((cidr) => cidr.family === family) ? 1 : 0;
    const { ipv4, ipv6 } = await ipam.autoAssign({
      ...owner,
      count4: count(4),
      count6: count(6),
      intendedUse: "Workload",
      namespaceLabels,
      requestedPools: wishes.pools,
    });
    return [...ipv4, ...ipv6].map(({ address }) => address);
  }

  /** What Calico keeps of a namespace's labels in its profile, and its name. */
  async #namespaceLabels(namespace: string): Promise<Labels> {
    const name = { "projectcalico.org/name": namespace, "kubernetes.io/metadata.name": namespace };
    try {
      const { spec } = await this.#options.client.get("Profile", `kns.${namespace}`);
      const labels = Object.entries(spec.labelsToApply ?? {}).flatMap(([key, value]) =>
        key.startsWith(namespaceLabel) ? [[key.slice(namespaceLabel.length), value] as const] : [],
      );
      return { ...name, ...Object.fromEntries(labels) };
    } catch (error) {
      if (error instanceof ResourceError && error.code === "RESOURCE_NOT_FOUND") return name;
      throw error;
    }
  }
}
