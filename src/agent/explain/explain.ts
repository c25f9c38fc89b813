import type { ExplainedPath } from "../../bgp/paths.ts";
import type { PeerStatus } from "../../bgp/types.ts";
import type { RouteStatus } from "../../fib/types.ts";
import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { bgpView } from "../api/route-view.ts";
import { ApiError } from "../api/unix-server.ts";
import type { ExplainStep, ExplainView, RouteView } from "../api/views.ts";
import type { PeerRoute, RoutingBlock, RoutingPool, RoutingWorkload } from "../routing/sources.ts";

/** Everything that has a say in where packets go, as questions. */
export interface ExplainSources {
  readonly nodeName: string;
  poolOf(prefix: Prefix): RoutingPool | undefined;
  blockOf(prefix: Prefix): RoutingBlock | undefined;
  workloadOf(address: Prefix): RoutingWorkload | undefined;
  /** The kernel route of ours that covers the target, most specific first. */
  routeFor(target: Prefix): RouteStatus | undefined;
  /** The candidates of the decision process for exactly this prefix. */
  candidates(prefix: Prefix): readonly ExplainedPath[];
  /** The way to a peer, if the route to exactly this prefix is that. */
  peerRouteTo(prefix: Prefix): PeerRoute | undefined;
  /** What is odd about who announces exactly this prefix. */
  noteOn(prefix: Prefix): string | undefined;
  peers(): readonly PeerStatus[];
  /** Address of a family that a node of the cluster is reached at. */
  addressOfNode(name: string, family: AddressFamily): IpAddress | undefined;
  viewOf(status: RouteStatus): RouteView;
}

/** Follows the chain from pool to kernel for an address or a prefix. Throws `INVALID_REQUEST` for anything else. */
export function explainTarget(text: string, sources: ExplainSources): ExplainView {
  const target = parseTarget(text);
  const pool = sources.poolOf(target);
  const block = sources.blockOf(target);
  const status = sources.routeFor(target);
  const workload = sources.workloadOf(target);
  const steps: ExplainStep[] = [poolStep(target, pool)];
  if (pool !== undefined) steps.push(...blockSteps(target, block, sources));
  const local = status?.route.kind === "workload" || status?.route.kind === "local-block";
  const peerRoute = status === undefined ? undefined : sources.peerRouteTo(status.route.prefix);
  if (peerRoute !== undefined) steps.push(peerRouteStep(peerRoute));
  else if (local) steps.push(...rivalSteps(status.route.prefix, sources));
  else steps.push(...bgpSteps(status?.route.prefix ?? block?.block ?? target, block, sources));
  steps.push(encapsulationStep(status, pool));
  steps.push(kernelStep(status));
  const isOwnBlock = status?.state === "installed" && status.route.kind === "local-block" && !target.isHost;
  const reachable = status !== undefined && (forwards(status) || isOwnBlock);
  return {
    target: text,
    verdict: verdictOf(text, status, workload, reachable, steps),
    reachable,
    steps,
    route: status === undefined ? null : sources.viewOf(status),
  };
}

function parseTarget(text: string): Prefix {
  const address = IpAddress.tryParse(text);
  if (address !== undefined) return Prefix.host(address);
  const prefix = Prefix.tryParse(text);
  if (prefix !== undefined) return prefix;
  throw new ApiError(
    "INVALID_REQUEST",
    `"${text}" is neither an address such as 10.0.0.1 nor a prefix such as 10.0.0.0/26`,
    { value: text },
  );
}

function poolStep(target: Prefix, pool: RoutingPool | undefined): ExplainStep {
  if (pool === undefined)
    return { stage: "pool", verdict: "info", text: `${target} is in no IPPool: a destination outside the cluster` };
  return { stage: "pool", verdict: "ok", text: `IPPool ${pool.name}, ${pool.cidr}, ${modeOf(pool)}` };
}

function modeOf({ ipipMode, vxlanMode, udpMode }: RoutingPool): string {
  if (ipipMode !== "Never") return `IPIP ${ipipMode}`;
  if (vxlanMode !== "Never") return `VXLAN ${vxlanMode}`;
  return udpMode === "Never" ? "direct" : `UDP ${udpMode}`;
}

function blockSteps(target: Prefix, block: RoutingBlock | undefined, sources: ExplainSources): ExplainStep[] {
  if (block === undefined)
    return [{ stage: "block", verdict: "problem", text: `no node has claimed a block that holds ${target}` }];
  const blockStep: ExplainStep = { stage: "block", verdict: "ok", text: `block ${block.block}` };
  const where = block.node === sources.nodeName ? "this node" : `node ${block.node}`;
  if (block.state !== "confirmed")
    return [
      blockStep,
      {
        stage: "owner",
        verdict: "problem",
        text: `${where} is about to ${block.state === "pending" ? "claim" : "release"} it`,
      },
    ];
  return [blockStep, { stage: "owner", verdict: "ok", text: `${where} owns it` }];
}

function bgpSteps(prefix: Prefix, block: RoutingBlock | undefined, sources: ExplainSources): ExplainStep[] {
  const candidates = sources.candidates(prefix);
  const best = candidates.find((candidate) => candidate.best);
  if (best === undefined) return [ownerPeerStep(block, sources), noPathStep(prefix, candidates)];
  const steps = [peerStep(best, sources), pathStep(best, candidates)];
  for (const loser of candidates.filter((candidate) => !candidate.best && !candidate.multipath))
    steps.push({ stage: "path", verdict: "info", text: `not used: ${pathText(loser)}: ${lossText(loser)}` });
  const note = sources.noteOn(prefix);
  if (note !== undefined) steps.push({ stage: "path", verdict: "info", text: note });
  return steps;
}

function peerRouteStep({ peer, gateway }: PeerRoute): ExplainStep {
  return { stage: "peer", verdict: "ok", text: `the peer of BGPPeer ${peer}, which is reachableBy ${gateway}` };
}

/** What peers say of a route of this node. */
function rivalSteps(prefix: Prefix, sources: ExplainSources): ExplainStep[] {
  return sources
    .candidates(prefix)
    .filter(({ path }) => path.source.kind === "peer")
    .map((candidate) => ({
      stage: "path",
      verdict: "info",
      text: `not used, this node has it: ${pathText(candidate)}`,
    }));
}

/** Without a path the question is whether we could have heard one: the session with the owner. */
function ownerPeerStep(block: RoutingBlock | undefined, sources: ExplainSources): ExplainStep {
  if (block === undefined || block.node === sources.nodeName)
    return { stage: "peer", verdict: "info", text: "no peer is known to announce it" };
  const { family } = block.block;
  const address = sources.addressOfNode(block.node, family);
  const peer = sources.peers().find((status) => address !== undefined && status.config.address.equals(address));
  if (peer === undefined)
    return { stage: "peer", verdict: "problem", text: `there is no IPv${family} BGP session with node ${block.node}` };
  if (peer.state === "Established")
    return { stage: "peer", verdict: "problem", text: `${peer.config.name} is Established but has not announced it` };
  const why = peer.lastReason?.text ?? "not yet connected";
  return { stage: "peer", verdict: "problem", text: `the session ${peer.config.name} is ${peer.state}: ${why}` };
}

function noPathStep(prefix: Prefix, candidates: readonly ExplainedPath[]): ExplainStep {
  const [refused] = candidates;
  if (refused === undefined) return { stage: "path", verdict: "problem", text: `no path to ${prefix} in the RIB` };
  return { stage: "policy", verdict: "problem", text: `${pathText(refused)}: ${refused.lostBy ?? "not usable"}` };
}

function peerStep(best: ExplainedPath, sources: ExplainSources): ExplainStep {
  const { source } = best.path;
  if (source.kind === "local") return { stage: "peer", verdict: "ok", text: "originated by this node" };
  const state = sources.peers().find((status) => status.config.name === source.peer)?.state ?? "gone";
  if (best.path.stale)
    return {
      stage: "peer",
      verdict: "info",
      text: `${source.peer} (${source.type}, AS ${source.remoteAs}) is ${state}; its route is kept while it restarts`,
    };
  return { stage: "peer", verdict: "ok", text: `${source.peer} (${source.type}, AS ${source.remoteAs}), ${state}` };
}

function pathStep(best: ExplainedPath, candidates: readonly ExplainedPath[]): ExplainStep {
  const equals = candidates.filter((candidate) => candidate.multipath).length;
  const count = candidates.length === 1 ? "the only path" : `best of ${candidates.length} paths`;
  const shared = equals > 1 ? `, shared with ${equals - 1} equal` : "";
  return { stage: "path", verdict: "ok", text: `${count}${shared}: ${pathText(best)}` };
}

/** With the name that docs/bgp.md gives the step. */
function lossText({ lostBy, rule }: ExplainedPath): string {
  return `${lostBy ?? "worse"}${rule === undefined ? "" : ` (rule ${rule})`}`;
}

function pathText(candidate: ExplainedPath): string {
  const view = bgpView(candidate.path);
  const parts = [
    `next hop ${candidate.path.nextHop?.address ?? "self"}`,
    `AS path ${view.asPath === "" ? "empty" : view.asPath}`,
    ...(view.localPref === null ? [] : [`local preference ${view.localPref}`]),
    ...(view.med === null ? [] : [`MED ${view.med}`]),
    ...(view.communities.length === 0 ? [] : [`communities ${view.communities.join(" ")}`]),
    `from ${view.peer}${candidate.path.pathId === 0 ? "" : ` as path ${candidate.path.pathId}`}`,
  ];
  return parts.join(", ");
}

function encapsulationStep(status: RouteStatus | undefined, pool: RoutingPool | undefined): ExplainStep {
  const forwarding = status?.route.forwarding;
  if (forwarding?.mode === "none" && forwarding.intended !== "direct")
    return { stage: "encapsulation", verdict: "problem", text: status?.route.reason ?? "" };
  if (forwarding?.mode === "device")
    return { stage: "encapsulation", verdict: "ok", text: `none: straight to the pod by ${forwarding.device}` };
  if (forwarding?.mode === "blackhole")
    return { stage: "encapsulation", verdict: "info", text: "none: addresses of the block without a pod end here" };
  if (status === undefined || forwarding === undefined || !("nextHops" in forwarding))
    return { stage: "encapsulation", verdict: "info", text: "none" };
  const { mtu, reason } = status.route;
  if (forwarding.mode !== "direct") {
    const ends = forwarding.nextHops.map(({ gateway, device = "" }) => `${gateway} by ${device}`).join(", ");
    const size = mtu === undefined ? "" : `, packets of up to ${mtu} octets`;
    return { stage: "encapsulation", verdict: "ok", text: `${forwarding.mode.toUpperCase()} to ${ends}${size}` };
  }
  const plain = "none: plain packets";
  if (pool === undefined) return { stage: "encapsulation", verdict: "ok", text: plain };
  // Also what the pool wants but cannot have yet.
  const why = modeOf(pool) === "direct" ? ", as the pool says" : ` (${modeOf(pool)}): ${reason}`;
  return { stage: "encapsulation", verdict: "ok", text: plain + why };
}

function kernelStep(status: RouteStatus | undefined): ExplainStep {
  if (status === undefined)
    return { stage: "kernel", verdict: "problem", text: "no route of ours; the kernel follows its other routes" };
  const { route } = status;
  const device = status.device === undefined ? "" : ` by ${status.device}`;
  const text = `${route.prefix}${device}, protocol ${status.protocol}, metric ${route.metric}: ${status.state}, ${status.reason}`;
  const verdict = status.state === "installed" ? "ok" : status.state === "stale" ? "info" : "problem";
  return { stage: "kernel", verdict, text };
}

function forwards(status: RouteStatus): boolean {
  const works = status.state === "installed" || status.state === "stale";
  return works && status.route.forwarding.mode !== "blackhole" && status.route.forwarding.mode !== "none";
}

function verdictOf(
  text: string,
  status: RouteStatus | undefined,
  workload: RoutingWorkload | undefined,
  reachable: boolean,
  steps: readonly ExplainStep[],
): string {
  if (reachable && workload !== undefined && status?.route.kind === "workload")
    return `${text} is pod ${workload.pod} on this node.`;
  if (reachable && status !== undefined && status.route.forwarding.mode !== "blackhole") {
    const node = status.route.node === undefined ? "" : ` on node ${status.route.node}`;
    return `Packets to ${text}${node} leave by ${status.device ?? "the kernel's choice of device"}.`;
  }
  if (status?.route.forwarding.mode === "blackhole" && text.includes("/"))
    return `${text} is a block of this node; its pods have routes of their own, the rest is dropped here.`;
  if (status?.route.forwarding.mode === "blackhole")
    return `${text} is in a block of this node, but no pod has it: packets to it are dropped here.`;
  const problem = steps.find((step) => step.verdict === "problem");
  return `${text} is not reachable by a route of calibird: ${problem?.text ?? "nothing announces it"}.`;
}
