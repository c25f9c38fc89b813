import { execFile } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { PodView } from "../src/agent/api/views.ts";
import { AgentClient } from "../src/calictl/agent-client.ts";
import { systemClock } from "../src/core/clock.ts";
import { openEmbeddedDatastore } from "../src/datastore/embedded/open.ts";
import { ResourceClient } from "../src/datastore/resource-client.ts";
import { udpModeAnnotation } from "../src/resources/ip-pool.ts";
import { buildArena } from "./arena.ts";
import type { Values } from "./bench-program.ts";
import { agentCommand, runFolder } from "./contenders/calibird.ts";
import { machineSeconds, processSeconds } from "./machine.ts";
import { makeFolder, type RunOptions } from "./measure.ts";
import { testedAddress } from "./neighbours.ts";
import { NamespaceProcess } from "./processes.ts";
import { Scope } from "./scope.ts";

const run = promisify(execFile);

/** A way for the packets from pod to pod. */
export interface Carrier {
  readonly name: string;
  readonly label: string;
  readonly ipipMode: "Never" | "Always";
  readonly vxlanMode: "Never" | "Always";
  /** Default: Never. */
  readonly udpMode?: "Never" | "Always";
  readonly flags: readonly string[];
  /** The device of the route to the other node's block. */
  readonly device: string;
}

export const carriers: readonly Carrier[] = [
  { name: "direct", label: "direct", ipipMode: "Never", vxlanMode: "Never", flags: [], device: "eth0" },
  { name: "vxlan", label: "kernel VXLAN", ipipMode: "Never", vxlanMode: "Always", flags: [], device: "vxlan.calico" },
  {
    name: "ipip-userspace",
    label: "user-space IPIP",
    ipipMode: "Always",
    vxlanMode: "Never",
    flags: ["--ipip-backend", "userspace"],
    device: "tunl0",
  },
  {
    name: "udp",
    label: "user-space UDP",
    ipipMode: "Never",
    vxlanMode: "Never",
    udpMode: "Always",
    flags: [],
    device: "udp.calibird",
  },
];

/** As of an ordinary network. */
const mtu = 1500;
const readyTimeoutMs = 30_000;
const nodes = [
  { name: "one", address: testedAddress },
  { name: "two", address: "10.0.0.2" },
] as const;

/** A pod, and how to run a program in it: its namespace has a name in the agent's mount namespace only. */
interface Pod {
  readonly address: string;
  readonly command: readonly string[];
}

/** One TCP stream between pods on two nodes; `size` is how many seconds it lasts. */
export async function measureThroughput(carrier: Carrier, { programs, size, signal }: RunOptions): Promise<Values> {
  const scope = new Scope();
  try {
    const folder = makeFolder(scope);
    const arena = buildArena(scope, [nodes[1]], { mtu });
    await writePool(join(folder, "datastore"), carrier);
    const agents: NamespaceProcess[] = [];
    const pods: Pod[] = [];
    for (const [index, namespace] of [arena.tested, arena.outside].entries()) {
      const node = nodes[index] ?? nodes[0];
      const command = [...agentCommand(programs, folder, node), ...carrier.flags];
      const agent = new NamespaceProcess(scope, namespace, command, join(folder, `${node.name}.log`));
      await agent.awaitListening();
      agents.push(agent);
      pods.push(await addPod(scope, runFolder(folder, node.name), agent.pid));
    }
    const [source, target] = pods;
    if (source === undefined || target === undefined) throw new Error("there are no two pods");
    await until(`packets to ${target.address} go by ${carrier.device}`, signal, async () => {
      const device = await deviceTo(arena.tested, target.address);
      return device === carrier.device && (await succeeds(source, "ping", "-c1", "-W1", target.address));
    });
    return await stream(scope, source, target, size, agents);
  } finally {
    await scope.close();
  }
}

async function writePool(path: string, { ipipMode, vxlanMode, udpMode = "Never" }: Carrier): Promise<void> {
  const datastore = await openEmbeddedDatastore({ path });
  try {
    await new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID }).apply({
      apiVersion: "projectcalico.org/v3",
      kind: "IPPool",
      metadata: { name: "pods", annotations: { [udpModeAnnotation]: udpMode } },
      spec: { cidr: "10.244.0.0/16", ipipMode, vxlanMode, natOutgoing: false },
    });
  } finally {
    await datastore.close();
  }
}

async function addPod(scope: Scope, runDir: string, agentPid: number): Promise<Pod> {
  const client = new AgentClient({ runDir, waitMs: readyTimeoutMs });
  const name = `cbb-${process.pid}-${randomBytes(3).toString("hex")}`;
  await client.get("/v1/status");
  const pod = await client.admin<PodView>("POST", "/v1/pods", { namespace: "default", name });
  scope.defer(() => client.admin("DELETE", `/v1/pods/default/${name}`));
  const namespace = basename(pod.networkNamespace ?? "");
  return {
    address: pod.addresses[0] ?? "",
    command: ["nsenter", "-t", String(agentPid), "-m", "ip", "netns", "exec", namespace],
  };
}

async function stream(
  scope: Scope,
  source: Pod,
  target: Pod,
  seconds: number,
  agents: readonly NamespaceProcess[],
): Promise<Values> {
  const [entry = "", ...into] = target.command;
  const server = execFile(entry, [...into, "iperf3", "--server", "--one-off"]);
  scope.defer(() => {
    server.kill("SIGKILL");
  });
  await until("iperf3 listens", new AbortController().signal, () =>
    succeeds(target, "sh", "-c", "ss -tln | grep -q :5201"),
  );
  const before = { at: performance.now(), machine: machineSeconds(), agents: agentSeconds(agents) };
  const [program = "", ...argv] = source.command;
  const options = ["iperf3", "--client", target.address, "--time", String(seconds), "--json"];
  const { stdout } = await run(program, [...argv, ...options], { maxBuffer: 2 ** 26 });
  const elapsed = (performance.now() - before.at) / 1000;
  return {
    gbit_s: readBitsPerSecond(stdout) / 1e9,
    machine_cores: (machineSeconds() - before.machine) / elapsed,
    agents_cores: (agentSeconds(agents) - before.agents) / elapsed,
  };
}

/** The device by which packets to an address leave; undefined if there is no way. */
async function deviceTo(namespace: string, address: string): Promise<string | undefined> {
  const lookup = await run("ip", ["-n", namespace, "route", "get", address]).catch(() => undefined);
  return / dev (\S+) /.exec(lookup?.stdout ?? "")?.[1];
}

/** What the receiver got, out of iperf3's JSON. */
function readBitsPerSecond(text: string): number {
  const { end } = JSON.parse(text) as { end?: { sum_received?: { bits_per_second?: number } } };
  const value = end?.sum_received?.bits_per_second;
  if (value === undefined) throw new Error(`iperf3 tells no throughput: ${text.slice(-200)}`);
  return value;
}

async function succeeds({ command: [program = "", ...argv] }: Pod, ...inside: readonly string[]): Promise<boolean> {
  try {
    await run(program, [...argv, ...inside]);
    return true;
  } catch {
    return false;
  }
}

async function until(what: string, signal: AbortSignal, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs;
  while (!(await isTrue())) {
    signal.throwIfAborted();
    if (performance.now() > deadline) throw new Error(`not within ${readyTimeoutMs / 1000} s: ${what}`);
    await sleep(100);
  }
}

function agentSeconds(agents: readonly NamespaceProcess[]): number {
  return agents.reduce((sum, { pid }) => sum + processSeconds(pid), 0);
}
