import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Arena, batch, buildArena } from "./arena.ts";
import { BenchProgram, type Values } from "./bench-program.ts";
import { neighboursOf } from "./compile.ts";
import { agentCommand } from "./contenders/calibird.ts";
import { makeFolder, type RunOptions } from "./measure.ts";
import { reflectorClients, testedAs } from "./neighbours.ts";
import { NamespaceProcess } from "./processes.ts";
import { blocksPerNode, peersOf } from "./scenarios.ts";
import { Scope } from "./scope.ts";

const outsideMac = "02:00:00:00:00:02";
/** Where etcd answers, if there is one: in the outside namespace. */
export const etcdAddress = "10.0.0.5";

/** Where a cluster keeps its data. */
export interface ClusterStore {
  readonly label: string;
  /** Makes it ready in the namespaces: what the writer is told, and the agent. */
  readonly open: (scope: Scope, arena: Arena, folder: string) => Promise<OpenStore>;
}

interface OpenStore {
  readonly writer: readonly [kind: "embedded" | "etcd", place: string];
  readonly agent: readonly string[];
}

export const clusterStores: readonly ClusterStore[] = [
  {
    label: "calibird (agent, embedded)",
    open: async (_scope, _arena, folder) => {
      const path = join(folder, "datastore");
      return { writer: ["embedded", path], agent: ["--datastore", "embedded", "--embedded-path", path] };
    },
  },
  {
    label: "calibird (agent, etcd)",
    open: async (scope, arena, folder) => {
      const url = `http://${etcdAddress}:2379`;
      await startEtcd(scope, arena, folder, url);
      return { writer: ["etcd", url], agent: ["--datastore", "etcd", "--etcd-endpoints", url] };
    },
  },
];

async function startEtcd(scope: Scope, arena: Arena, folder: string, url: string): Promise<void> {
  const data = join(folder, "etcd");
  mkdirSync(data, { mode: 0o700 });
  const peers = ["--listen-peer-urls", "http://127.0.0.1:2380", "--logger", "zap"];
  const command = ["etcd", "--data-dir", data, "--listen-client-urls", url, "--advertise-client-urls", url, ...peers];
  const etcd = new NamespaceProcess(scope, arena.outside, command, join(folder, "etcd.log"));
  await etcd.awaitOutput("serving client traffic");
}

/**
 * The agent's start in a large cluster, until the last of its neighbours has its blocks; then an edit of the pool that makes
 * it withdraw them from all, and one that makes it announce them again.
 */
export async function measureCluster(store: ClusterStore, { programs, size, signal }: RunOptions): Promise<Values> {
  const scope = new Scope();
  try {
    const folder = makeFolder(scope);
    const neighbours = reflectorClients(peersOf(size));
    const arena = buildArena(scope, [...neighbours, { address: etcdAddress }]);
    // The kernel's table of neighbours has 1,024 places, but for those that somebody has entered.
    batch(arena.outside, [`link set eth1 address ${outsideMac}`]);
    batch(
      arena.tested,
      neighbours.map(({ address }) => `neigh replace ${address} lladdr ${outsideMac} dev eth0 nud permanent`),
    );
    const open = await store.open(scope, arena, folder);
    const writerCommand = [process.execPath, programs.clusterWriter, ...open.writer];
    const writer = new BenchProgram(arena.tested, writerCommand, signal);
    scope.defer(() => writer.end());
    writer.tell(`cluster ${size}`);
    await writer.said("done");
    const command = agentCommand(programs, folder, undefined, open.agent);
    const agent = new NamespaceProcess(scope, arena.tested, command, join(folder, "log"));
    const options = [
      ...["--pids", String(agent.pid), "--local-as", String(testedAs), "--nodes", String(size)],
      ...["--clients", String(neighbours.length), "--per-client", String(blocksPerNode)],
    ];
    const played = new BenchProgram(arena.outside, [neighboursOf(programs), "cluster", ...options], signal);
    scope.defer(() => played.end());
    await played.said("ready");
    for (const [phase, exported, wanted] of [
      ["withdraw", "no", "none"],
      ["announce", "yes", "all"],
    ] as const) {
      played.tell(`${phase} ${wanted}`);
      await played.said("armed");
      writer.tell(`export ${exported}`);
      await writer.said("done");
      await played.said("settled");
    }
    return await played.result();
  } finally {
    await scope.close();
  }
}
