import type { ClusterCache, ClusterChanges } from "../../src/agent/cluster-cache.ts";
import type { ClusterResources } from "../../src/agent/cluster-view.ts";
import { type NodeChange, NodeDirectory } from "../../src/agent/node-directory.ts";
import type { NodeSpec } from "../../src/resources/node.ts";
import type { Resource } from "../../src/resources/resource.ts";

/** The nodes of a cluster as its cache has them, which count how often somebody looks into one, or asks for all. */
export class CountingCluster
  implements Pick<ClusterCache, "resources" | "node" | "nodeAt" | "isShared" | "labelsOf" | "everything">
{
  readonly resources: ClusterResources;
  reads = 0;
  listings = 0;
  readonly #nodes = new Map<string, Resource<"Node">>();
  readonly #directory = new NodeDirectory();

  constructor(others: Partial<Omit<ClusterResources, "nodes">> = {}) {
    const list = () => this.#list();
    this.resources = {
      ...{ pools: [], peers: [], configurations: [], filters: [], ...others },
      get nodes() {
        return list();
      },
    };
  }

  /** Undefined: the node is gone. */
  change(name: string, spec: NodeSpec | undefined, labels: Readonly<Record<string, string>> = {}): ClusterChanges {
    const before = this.#nodes.get(name);
    const after = spec && this.#resource(name, spec, labels);
    if (after === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, after);
    const change: NodeChange = { name, ...(before && { before }), ...(after && { after }) };
    this.#directory.apply([change]);
    return { kinds: new Set(["Node"]), nodes: [change] };
  }

  everything(): ClusterChanges {
    return { kinds: new Set(["Node", "IPPool"]), nodes: [...this.#nodes].map(([name, after]) => ({ name, after })) };
  }

  node(name: string): Resource<"Node"> | undefined {
    return this.#nodes.get(name);
  }

  labelsOf(name: string): Readonly<Record<string, string>> {
    return this.#nodes.get(name)?.metadata.labels ?? {};
  }

  nodeAt: NodeDirectory["nodeAt"] = (address) => this.#directory.nodeAt(address);
  isShared: NodeDirectory["isShared"] = (address) => this.#directory.isShared(address);

  #list(): Resource<"Node">[] {
    this.listings++;
    return [...this.#nodes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, node]) => node);
  }

  #resource(name: string, spec: NodeSpec, labels: Readonly<Record<string, string>>): Resource<"Node"> {
    const count = () => this.reads++;
    return {
      kind: "Node",
      apiVersion: "projectcalico.org/v3",
      metadata: { name, labels },
      get spec() {
        count();
        return spec;
      },
    };
  }
}
