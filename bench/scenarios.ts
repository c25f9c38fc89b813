import { type Neighbour, receivers, reflectorClients, senders, tableNeighbours } from "./neighbours.ts";

/** What a column of the result shows; its key is the name of a value that a run reports. */
export interface Column {
  readonly key: string;
  readonly label: string;
  readonly unit: "s" | "ms" | "MiB" | "octets" | "Gbit/s" | "cores" | "packets" | "/s";
}

/** Who can take part in a scenario. */
type Part = "daemons" | "null-relay" | "kernel-writer";

/** One question of the benchmark. */
export interface Scenario {
  readonly name: string;
  /** For `--help` and the page of results. */
  readonly about: string;
  /** What `sizes` counts. */
  readonly sizeName: string;
  readonly sizes: readonly number[];
  /** What of calibird is measured: the BGP speaker alone, or the agent with everything. */
  readonly product: "speaker" | "agent";
  readonly parts: readonly Part[];
  readonly columns: readonly Column[];
  /** Columns in which calibird is compared with the best of the others; less is better. */
  readonly compared: readonly string[];
}

/** A scenario in which one program plays all neighbours of the one that is measured. */
export interface NeighbourScenario extends Scenario {
  readonly neighbours: (size: number) => readonly Neighbour[];
  /** Arguments of the program `neighbours`. */
  readonly options: (size: number, limits: Limits) => readonly string[];
}

/** How much of a scenario is done that its size does not say. */
export interface Limits {
  /** How long the churn lasts. */
  readonly seconds: number;
  /** Prefixes of the memory scenario, if others than usual. */
  readonly prefixes?: number;
}

const seconds = (key: string, label: string): Column => ({ key, label, unit: "s" });
const memory = (key: string): Column => ({ key, label: "peak memory", unit: "MiB" });

const stall = (key: string, label: string): Column => ({ key, label, unit: "ms" });

const blocksPerClient = 4;
const clientOptions = (clients: number) => ["--clients", String(clients), "--per-client", String(blocksPerClient)];

/** The receivers of the churn, and the prefixes that are loaded before it. */
const churnReceivers = 50;

/** The prefixes of the memory scenario, in which `sizes` counts the paths of each. */
const memoryPrefixes = 250_000;

/** Scenarios that the program `neighbours` plays. */
export const neighbourScenarios: readonly NeighbourScenario[] = [
  {
    name: "full-table",
    about: "one sender with a table like the Internet's, one receiver; until the receiver has all, then all withdrawn",
    sizeName: "prefixes",
    sizes: [1_000_000],
    product: "speaker",
    parts: ["daemons", "null-relay"],
    neighbours: () => tableNeighbours({ second: false }),
    options: (prefixes) => ["--prefixes", String(prefixes)],
    columns: [
      seconds("announce_s", "announced"),
      seconds("announce_settled_cpu_s", "CPU"),
      seconds("withdraw_s", "withdrawn"),
      seconds("withdraw_cpu_s", "CPU"),
      memory("announce_peak_mib"),
    ],
    compared: ["announce_s", "announce_settled_cpu_s", "withdraw_s", "withdraw_cpu_s", "announce_peak_mib"],
  },
  {
    name: "reflector",
    about: "route reflector clients with 4 blocks each: all to all, then one more route, then one client leaves",
    sizeName: "clients",
    sizes: [500, 1000],
    product: "speaker",
    parts: ["daemons", "null-relay"],
    neighbours: (clients) => reflectorClients(clients),
    options: clientOptions,
    columns: [
      seconds("all_to_all_s", "all to all"),
      seconds("all_to_all_settled_cpu_s", "CPU"),
      { key: "one_route_ms", label: "one route", unit: "ms" },
      seconds("leave_s", "one leaves"),
      memory("all_to_all_peak_mib"),
    ],
    compared: ["all_to_all_s", "all_to_all_settled_cpu_s", "one_route_ms", "leave_s"],
  },
  {
    name: "switch-over",
    about: "two senders of the same table, the better one dies; until the receiver has all from the other",
    sizeName: "prefixes",
    sizes: [1_000_000],
    product: "speaker",
    parts: ["daemons"],
    neighbours: () => tableNeighbours({ second: true }),
    options: (prefixes) => ["--prefixes", String(prefixes)],
    columns: [seconds("switch_s", "switched"), seconds("switch_cpu_s", "CPU"), memory("switch_peak_mib")],
    compared: ["switch_s", "switch_cpu_s", "switch_peak_mib"],
  },
  {
    name: "mesh-node",
    about: "internal sessions with 4 blocks each; until the node has chosen all (told by one external receiver)",
    sizeName: "sessions",
    sizes: [1000],
    product: "speaker",
    parts: ["daemons"],
    neighbours: (clients) => [
      ...reflectorClients(clients).map((client) => ({ ...client, role: "mesh" as const })),
      ...receivers(1),
    ],
    options: clientOptions,
    columns: [
      seconds("learn_s", "learnt"),
      seconds("learn_settled_cpu_s", "CPU"),
      seconds("connect_s", "sessions up"),
      memory("learn_peak_mib"),
    ],
    compared: ["learn_s", "learn_settled_cpu_s", "connect_s"],
  },
  {
    name: "connect",
    about: "clients that connect at the same moment; until all sessions are up",
    sizeName: "clients",
    sizes: [500],
    product: "speaker",
    parts: ["daemons", "null-relay"],
    neighbours: (clients) => reflectorClients(clients),
    options: clientOptions,
    columns: [seconds("connect_s", "all up"), seconds("connect_cpu_s", "CPU"), memory("connect_peak_mib")],
    compared: ["connect_s", "connect_cpu_s"],
  },
  {
    name: "churn",
    about: `a loaded table, then 2,000 changes a second to ${churnReceivers} receivers`,
    sizeName: "prefixes",
    sizes: [1_000_000],
    product: "speaker",
    parts: ["daemons"],
    neighbours: () => [...tableNeighbours({ second: false }).slice(0, 1), ...receivers(churnReceivers)],
    options: (prefixes, limits) => [
      ...["--prefixes", String(prefixes), "--clients", String(churnReceivers)],
      ...["--rate", "2000", "--seconds", String(limits.seconds)],
    ],
    columns: [
      { key: "changes_p50_ms", label: "median", unit: "ms" },
      { key: "changes_p99_ms", label: "p99", unit: "ms" },
      { key: "changes_max_ms", label: "longest", unit: "ms" },
      { key: "changes_cpu_share", label: "CPU", unit: "cores" },
      memory("changes_peak_mib"),
    ],
    compared: ["changes_p99_ms", "changes_cpu_share"],
  },
  {
    name: "stalls",
    about:
      "a better and a worse sender of the same table, a second receiver that joins, the loss of the better one, and all withdrawn: " +
      "how long a new connection waits at most until it is looked at, and how far apart KEEPALIVEs come that are due every second",
    sizeName: "prefixes",
    sizes: [1_000_000],
    product: "speaker",
    parts: ["daemons"],
    neighbours: () => [...tableNeighbours({ second: true }), ...receivers(2).slice(1)],
    options: (prefixes) => ["--prefixes", String(prefixes)],
    columns: [
      stall("load_stall_ms", "better table"),
      stall("second_stall_ms", "worse table"),
      stall("join_stall_ms", "receiver joins"),
      stall("switch_stall_ms", "better one lost"),
      stall("withdraw_stall_ms", "withdrawn"),
      seconds("keepalive_gap_s", "KEEPALIVEs apart"),
    ],
    compared: [],
  },
  {
    name: "memory",
    about: `${memoryPrefixes.toLocaleString("en")} prefixes with so many paths each, from as many senders`,
    sizeName: "paths",
    sizes: [1, 4, 16],
    product: "speaker",
    parts: ["daemons"],
    neighbours: (paths) => senders(paths),
    options: (paths, { prefixes = memoryPrefixes }) => ["--prefixes", String(prefixes), "--senders", String(paths)],
    columns: [
      { key: "load_prefix_octets", label: "per prefix", unit: "octets" },
      memory("load_peak_mib"),
      seconds("load_cpu_s", "CPU"),
    ],
    compared: ["load_prefix_octets", "load_peak_mib"],
  },
  {
    name: "to-kernel",
    about: "routes from a peer into the kernel's table; then all next hops changed in place; then all removed",
    sizeName: "routes",
    sizes: [100_000, 500_000],
    product: "agent",
    parts: ["daemons", "kernel-writer"],
    neighbours: () => tableNeighbours({ second: false }).slice(0, 1),
    options: (prefixes) => ["--prefixes", String(prefixes)],
    columns: [
      seconds("install_s", "installed"),
      seconds("install_settled_cpu_s", "CPU"),
      seconds("change_s", "changed"),
      seconds("change_settled_cpu_s", "CPU"),
      seconds("remove_s", "removed"),
      seconds("remove_cpu_s", "CPU"),
      memory("install_peak_mib"),
    ],
    compared: ["install_s", "install_settled_cpu_s", "change_s", "change_settled_cpu_s", "remove_s", "remove_cpu_s"],
  },
];

/** How the nodes of the mode flip share its blocks. */
export const flipNodes = 100;

export const modeFlip: Scenario = {
  name: "mode-flip",
  about: "a pool from vxlanMode Never to Always and back, from its edit to the last route of a node in the kernel",
  sizeName: "blocks",
  sizes: [10_000],
  product: "agent",
  parts: [],
  columns: [
    seconds("to_vxlan_s", "to VXLAN"),
    seconds("to_vxlan_cpu_s", "CPU"),
    seconds("to_direct_s", "to direct"),
    seconds("to_direct_cpu_s", "CPU"),
    { key: "pings", label: "pings", unit: "packets" },
    { key: "lost", label: "lost", unit: "packets" },
    memory("all_peak_mib"),
  ],
  compared: [],
};

export const tunnelThroughput: Scenario = {
  name: "tunnel-throughput",
  about: "one TCP stream from pod to pod for so many seconds: direct, kernel VXLAN, user-space tunnels",
  sizeName: "seconds",
  sizes: [5],
  product: "agent",
  parts: [],
  columns: [
    { key: "gbit_s", label: "throughput", unit: "Gbit/s" },
    { key: "machine_cores", label: "machine", unit: "cores" },
    { key: "agents_cores", label: "both agents", unit: "cores" },
  ],
  compared: [],
};

/** Blocks of each node of the large cluster. */
export const blocksPerNode = 4;

/** With how many of so many other nodes the measured one has sessions. */
export function peersOf(nodes: number): number {
  return Math.ceil(nodes * 0.4);
}

export const cluster: Scenario = {
  name: "cluster",
  about:
    `the agent's start among so many nodes with ${blocksPerNode} blocks each, of which a selector makes two in five its peers; ` +
    "then edits of the pool, to the last session that they change",
  sizeName: "nodes",
  sizes: [5000],
  product: "agent",
  parts: [],
  columns: [
    seconds("start_s", "started"),
    seconds("start_settled_cpu_s", "CPU"),
    seconds("withdraw_s", "withdrawn"),
    seconds("withdraw_cpu_s", "CPU"),
    seconds("announce_s", "announced"),
    seconds("announce_cpu_s", "CPU"),
    memory("all_peak_mib"),
  ],
  compared: [],
};

/** Nodes that take addresses at the same time. */
export const crowdNodes = 50;

export const ipam: Scenario = {
  name: "ipam",
  about:
    `addresses per second for pods of one node, and of ${crowdNodes} nodes at the same time; then calictl ipam check of a ` +
    "cluster with so many allocations",
  sizeName: "allocations",
  sizes: [100_000],
  product: "agent",
  parts: [],
  columns: [
    { key: "one_node_rate", label: "one node", unit: "/s" },
    { key: "many_nodes_rate", label: `${crowdNodes} nodes`, unit: "/s" },
    seconds("check_s", "check"),
    memory("peak_mib"),
  ],
  compared: [],
};

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [...neighbourScenarios, modeFlip, cluster, ipam, tunnelThroughput];
