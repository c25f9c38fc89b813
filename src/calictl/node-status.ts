import type {
  DatastoreView,
  IpipView,
  NodeStatusView,
  PacketCountsView,
  PeerView,
  UdpTunnelView,
} from "../agent/api/views.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, writeLine, writeStructured } from "./output.ts";
import { type Column, formatAge, formatTable, paint } from "./table.ts";

/** `calictl node status`: this node in a few lines, then a line per peer. */
export async function showNodeStatus(
  client: AgentClient,
  context: CommandContext,
  format: OutputFormat,
): Promise<void> {
  const status = await client.get<NodeStatusView>("/v1/status");
  if (format === "json" || format === "yaml") {
    await writeStructured(context, status, format);
    return;
  }
  const { node } = status;
  const facts: [string, string][] = [
    ["Node", `${node.name}   address ${addressesOf(node)}   AS ${node.asNumber}   router ID ${node.routerId}`],
    [
      "Agent",
      `calibird ${node.version}, up ${formatAge(node.startedAt, context.nowMs())}${node.converged ? "" : ", still converging"}`,
    ],
    ["Datastore", datastoreText(node.datastore)],
    ["Blocks", node.blocks.map((block) => blockText(block)).join(", ") || "none yet"],
    ["Pods", String(node.pods)],
    ...(node.ipip === null ? [] : ([["IPIP", ipipText(node.ipip)]] as [string, string][])),
    ...(node.udp === null ? [] : ([["UDP tunnel", udpText(node.udp)]] as [string, string][])),
    ["Routes", routesText(node.routes)],
  ];
  const width = Math.max(...facts.map(([title]) => title.length));
  for (const [title, text] of facts) writeLine(context, `${title.padEnd(width)}   ${text}`);
  for (const problem of node.problems) {
    const line = `Problem: ${problem}`;
    writeLine(context, context.colour ? paint("red", line) : line);
  }
  writeLine(context, "");
  if (status.peers.length === 0) writeLine(context, "no BGP peers");
  else writePeers(context, status.peers, format === "wide");
}

function addressesOf({ ipv4Address, ipv6Address }: NodeStatusView["node"]): string {
  return [ipv4Address, ipv6Address].filter((address) => address !== null).join(", ") || "none";
}

function datastoreText({ kind, places, member, reachable, locked, asOf, lastError }: DatastoreView): string {
  const others = places.length - 1;
  const place = member === null ? places.join(", ") : `${member}${others > 0 ? ` (and ${others} more)` : ""}`;
  const cause = lastError === null ? "" : `: ${lastError.message}`;
  const age = asOf === null ? "" : `, going on with the state of ${asOf}`;
  return `${kind} ${place}${locked ? "  LOCKED" : ""}${reachable ? "" : `  UNREACHABLE${age}${cause}`}`;
}

function blockText(block: NodeStatusView["node"]["blocks"][number]): string {
  return block.state === "confirmed" ? block.block : `${block.block} (${block.state})`;
}

function ipipText({ backend, reason, packets }: IpipView): string {
  const counted = packets === null ? "" : `   ${packetsText(packets)}`;
  return `${backend}${reason === null ? "" : ` (${reason})`}${counted}`;
}

function udpText({ device, port, packets }: UdpTunnelView): string {
  return `${device}, port ${port}   ${packetsText(packets)}`;
}

function packetsText({ sent, received, dropped }: PacketCountsView): string {
  const lost = Object.entries(dropped).filter(([, count]) => count > 0);
  const losses = lost.length === 0 ? "" : `, dropped ${lost.map(([why, count]) => `${count} ${why}`).join(", ")}`;
  return `sent ${sent}, received ${received}${losses}`;
}

function routesText(routes: NodeStatusView["node"]["routes"]): string {
  const parts = Object.entries(routes).filter(([, count]) => count > 0);
  return parts.map(([state, count]) => `${count} ${state}`).join(", ") || "none";
}

/** The table of peers, for `node status` and `peers`. */
export function writePeers(context: CommandContext, peers: readonly PeerView[], wide: boolean): void {
  const columns: Column<PeerView>[] = [
    { title: "PEER", value: (peer) => peer.name },
    { title: "ADDRESS", value: (peer) => peer.address },
    { title: "AS", value: (peer) => String(peer.remoteAs), align: "right" },
    { title: "TYPE", value: (peer) => peer.description },
    { title: "STATE", value: (peer) => peer.state, style: (peer) => (peer.state === "Established" ? "green" : "red") },
    { title: "SINCE", value: (peer) => formatAge(peer.since, context.nowMs()), align: "right" },
    { title: "IN", value: (peer) => String(peer.routes.accepted), align: "right" },
    { title: "OUT", value: (peer) => String(peer.routes.advertised), align: "right" },
  ];
  if (peers.some(({ bfd }) => bfd !== null))
    columns.push({
      title: "BFD",
      value: ({ bfd }) => bfd?.state ?? "",
      style: ({ bfd }) => (bfd?.state === "Up" ? "green" : "red"),
    });
  if (wide)
    columns.push(
      { title: "ROUTER ID", value: (peer) => peer.routerId ?? "" },
      { title: "HOLD", value: (peer) => (peer.holdTimeSec === null ? "" : `${peer.holdTimeSec}s`), align: "right" },
      { title: "GR", value: (peer) => (peer.gracefulRestart ? "yes" : "no") },
      { title: "STALE", value: (peer) => String(peer.routes.stale), align: "right" },
    );
  if (wide || peers.some((peer) => peer.state !== "Established"))
    columns.push({ title: "REASON", value: (peer) => (peer.state === "Established" ? "" : (peer.reason ?? "")) });
  if (wide) columns.push({ title: "CAPABILITIES", value: (peer) => peer.capabilities.join(", ") });
  writeLine(context, formatTable(columns, peers, context.colour));
}
