import type { LocRibRows } from "../../bgp/loc-rib-rows.ts";
import type { Path } from "../../bgp/paths.ts";
import type { IpAddress } from "../../net/address.ts";
import { effectiveBgpConfiguration } from "../../resources/bgp-configuration.ts";
import type { ClusterResources } from "../cluster-view.ts";

/**
 * Interfaces that no next hop of BGP may be reached by (BGPConfiguration `ignoredInterfaces`). Calico's BIRD does not learn
 * their subnets, and so resolves no next hop in them.
 */
export class IgnoredInterfaces {
  #globs: readonly string[] = [];
  #patterns: readonly RegExp[] = [];

  /** True if this changes anything. `nodeName` is this node, whose own BGPConfiguration goes before the cluster's. */
  update({ configurations }: Pick<ClusterResources, "configurations">, nodeName: string): boolean {
    const specOf = (name: string) => configurations.find(({ metadata }) => metadata.name === name)?.spec;
    const { ignoredInterfaces: globs } = effectiveBgpConfiguration(specOf("default"), specOf(`node.${nodeName}`));
    if (globs.join() === this.#globs.join()) return false;
    this.#globs = globs;
    this.#patterns = globs.map(patternOf);
    return true;
  }

  has(device: string): boolean {
    return this.#patterns.some((pattern) => pattern.test(device));
  }

  /**
   * The Loc-RIB without paths that cannot be used because of an ignored interface: those that cannot be used for now are told
   * for the sake of the kernel, which would know the way. `interfaceTo` is the kernel's view.
   */
  hiding(table: LocRibRows, interfaceTo: (nextHop: IpAddress) => string | undefined): LocRibRows {
    if (this.#patterns.length === 0) return table;
    const isHidden = ({ nextHop }: Path) => {
      const device = nextHop && interfaceTo(nextHop.address);
      return device !== undefined && this.has(device);
    };
    return {
      prefixOf: (row) => table.prefixOf(row),
      isGone: (row) => table.isGone(row),
      onlyPathOf: (row) => table.onlyPathOf(row),
      changeOf: (row) => {
        const { prefix, paths, unresolved = [] } = table.changeOf(row);
        const shown = unresolved.filter((path) => !isHidden(path));
        return shown.length === 0 ? { prefix, paths } : { prefix, paths, unresolved: shown };
      },
    };
  }
}

/** `*` stands for any text. */
function patternOf(glob: string): RegExp {
  const source = glob.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${source}$`);
}
