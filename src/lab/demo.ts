import { basename, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { PodView } from "../agent/api/views.ts";
import { errorMessage } from "../core/errors.ts";
import { readAgentStatus } from "./agent-status.ts";
import { LabError } from "./errors.ts";
import { Lab } from "./lab.ts";
import { formatPings, type PingSource, type PingTarget, pingAll } from "./ping-matrix.ts";
import { installationRoot } from "./runtime/paths.ts";

/** How to run the demonstration. */
export interface DemoOptions {
  /** Ends by itself, with the verdict as exit status, instead of staying until it is interrupted. */
  readonly once: boolean;
  /** Name of the lab. */
  readonly name: string;
  /** Takes the lines of output. */
  readonly print: (line: string) => void;
  /** Ends the demonstration at any moment; everything is removed. */
  readonly signal: AbortSignal;
}

const router = "r1";
/** An address that only the router has, behind the prefix that it announces. */
const serviceAddress = "172.31.0.1";
const sessionTimeoutMs = 30_000;
const pingTimeoutMs = 5_000;
const interruptedStatus = 130;

/**
 * The three-node lab from start to end: brings it up, waits for BGP, pings every pod from every other and from behind the
 * router, shows what the first node knows, and removes everything. Resolves with the exit status: 0 if every session and
 * every ping was good, 1 if not, 130 if it was interrupted before that was known.
 */
export async function runThreeNodeDemo(options: DemoOptions): Promise<number> {
  const { print, signal } = options;
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  const progress = (line: string) => print(`[${seconds().padStart(6)}] ${line}`);
  const file = join(installationRoot(), "containerlab", "three-nodes.clab.yml");
  let lab: Lab | undefined;
  try {
    lab = await Lab.up({ file, name: options.name, report: progress, signal });
    progress("the lab is up; waiting for BGP");
    const failed = lab.execReports.filter((report) => report.code !== 0);
    const sessions = await establishSessions(lab, signal, progress);
    const pings = await pingPods(lab, signal);
    const lost = pings.filter((ping) => ping.milliseconds === undefined);
    progress(`${pings.length - lost.length} of ${pings.length} pings were answered`);
    await showNode(lab, "n1", options);
    print(`\n${formatPings(pings)}\n`);
    const good = failed.length === 0 && sessions && lost.length === 0 && pings.length > 0;
    progress(good ? "every session is established and every ping was answered" : "NOT everything is as it should be");
    if (options.once) return good ? 0 : 1;
    print(suggestions(file, lab));
    await delay(2 ** 31 - 1, undefined, { signal }).catch(() => {});
    return good ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) throw error;
    progress(error instanceof LabError ? error.message : `interrupted: ${errorMessage(error)}`);
    return interruptedStatus;
  } finally {
    if (lab !== undefined) {
      await lab.down();
      progress("everything is removed");
    }
  }
}

/** Waits until every node has an established session with every other and with the router; false if time is over. */
async function establishSessions(lab: Lab, signal: AbortSignal, progress: (line: string) => void): Promise<boolean> {
  const nodes = agentNodes(lab);
  const hasRouter = lab.nodes.some((node) => node.name === router);
  if (!hasRouter) {
    const { code } = await lab.exec(nodes[0]?.name ?? "", ["calictl", "delete", "bgppeer", router], { signal });
    if (code === 0) progress(`without ${router}: its BGPPeer is deleted`);
  }
  const wanted = nodes.length - 1 + (hasRouter ? 1 : 0);
  const end = performance.now() + sessionTimeoutMs;
  const done = new Set<string>();
  for (;;) {
    const missing = await Promise.all(
      nodes.map(async (node) => {
        const peers = (await readAgentStatus(node.runDirectory))?.peers ?? [];
        const established = peers.filter((peer) => peer.state === "Established");
        const isComplete = established.length >= wanted && established.length === peers.length;
        if (isComplete && !done.has(node.name))
          progress(`${node.name}: ${established.length} sessions are established`);
        if (isComplete) done.add(node.name);
        const others = peers.filter((peer) => peer.state !== "Established");
        const names = others.map(
          (peer) => `${peer.name} is ${peer.state}${peer.reason === null ? "" : ` (${peer.reason})`}`,
        );
        return isComplete ? [] : [`${node.name}: ${names.join(", ") || "no answer from its agent"}`];
      }),
    );
    if (missing.flat().length === 0) return true;
    if (performance.now() >= end) {
      for (const line of missing.flat()) progress(`no session: ${line}`);
      return false;
    }
    await delay(50, undefined, { signal });
  }
}

async function pingPods(lab: Lab, signal: AbortSignal) {
  const pods = await Promise.all(agentNodes(lab).map((node) => readPods(lab, node.name, signal)));
  const targets: PingTarget[] = pods.flat();
  if (lab.nodes.some((node) => node.name === router)) targets.push({ label: router, address: serviceAddress });
  return pingAll(lab, pods.flat(), targets, { timeoutMs: pingTimeoutMs, signal });
}

async function readPods(lab: Lab, node: string, signal: AbortSignal): Promise<(PingSource & PingTarget)[]> {
  const { code, stdout } = await lab.exec(node, ["calibird", "pod", "list", "-o", "json"], { signal });
  if (code !== 0) return [];
  return (JSON.parse(stdout) as PodView[]).flatMap(({ name, addresses: [address], networkNamespace }) =>
    address === undefined || networkNamespace === null
      ? []
      : [{ label: name, node, namespace: basename(networkNamespace), address: address.replace(/\/\d+$/, "") }],
  );
}

async function showNode(lab: Lab, node: string, { print, signal }: DemoOptions): Promise<void> {
  for (const argv of [
    ["calictl", "node", "status"],
    ["calictl", "routes"],
  ]) {
    const { stdout, stderr } = await lab.exec(node, argv, { signal });
    print(`\n${node}$ ${argv.join(" ")}\n${`${stdout}${stderr}`.trimEnd()}`);
  }
}

function agentNodes(lab: Lab) {
  return lab.nodes.filter((node) => node.kind === "linux" && node.name !== router);
}

/** Commands that can be pasted into another terminal as they are. */
function suggestions(file: string, lab: Lab): string {
  const program = shown(join(installationRoot(), "dist", "bin", "calibird.js"));
  const name = lab.name === "three-nodes" ? "" : ` --name ${lab.name}`;
  const inNode = (node: string, command: string) =>
    `  ${process.argv0} ${program} lab exec${name} ${shown(file)} ${node} -- ${command}`;
  return [
    "The lab stays up until Ctrl-C. In another terminal:",
    inNode("n1", "calictl routes"),
    inNode("n1", `calictl routes explain ${serviceAddress}`),
    inNode("n2", "calibird pod add default/n2-c"),
    inNode("n3", "ip route"),
    ...(lab.nodes.some((node) => node.name === router) ? [inNode(router, "birdc -s /run/bird.ctl show route")] : []),
    "",
  ].join("\n");
}

/** The path as one would type it here. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
