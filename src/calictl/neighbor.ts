import type { PeerRoutesView, PeerRouteView, PeerView } from "../agent/api/views.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";
import { parseTarget } from "./routes.ts";
import { type Column, formatTable, type Style } from "./table.ts";

export interface NeighborOptions {
  readonly format: OutputFormat;
  readonly prefix: string | undefined;
  readonly limit: string;
}

/** `calictl bgp neighbor ADDRESS|NAME [received|advertised]`: all about a session, or one side of its routes. */
export async function showNeighbor(
  client: AgentClient,
  context: CommandContext,
  neighbor: string,
  direction: string | undefined,
  { format, prefix, limit }: NeighborOptions,
): Promise<void> {
  if (direction === undefined) {
    const peers = await client.get<PeerView[]>("/v1/peers");
    const peer = peers.find(({ name, address }) => name === neighbor || address === neighbor);
    if (peer === undefined) throw new UsageError(`there is no BGP peer "${neighbor}"`);
    await writeStructured(context, peer, format === "json" ? format : "yaml");
    return;
  }
  if (direction !== "received" && direction !== "advertised")
    throw new UsageError(`"${direction}" must be received or advertised`);
  const query = new URLSearchParams({ limit });
  if (prefix !== undefined) query.set("prefix", parseTarget(prefix).toString());
  const answer = await client.get<PeerRoutesView>(`/v1/peers/${encodeURIComponent(neighbor)}/${direction}?${query}`);
  if (format === "json" || format === "yaml") {
    await writeStructured(context, answer, format);
    return;
  }
  const { routes, total } = answer;
  if (routes.length === 0) writeLine(context, "no routes");
  else writeLine(context, formatTable(columns, routes, context.colour));
  if (prefix === undefined && routes.length < total)
    writeLine(context, `${routes.length} of ${total}; more with --limit`);
}

const stateStyles: Partial<Record<PeerRouteView["state"], Style>> = { best: "green", equal: "green", refused: "red" };

const columns: Column<PeerRouteView>[] = [
  { title: "DESTINATION", value: ({ prefix }) => prefix },
  { title: "PATH ID", value: ({ pathId }) => String(pathId ?? ""), align: "right" },
  { title: "NEXT HOP", value: ({ nextHop }) => nextHop ?? "" },
  { title: "AS PATH", value: ({ bgp }) => bgp.asPath },
  { title: "LOCAL PREF", value: ({ bgp }) => String(bgp.localPref ?? ""), align: "right" },
  { title: "MED", value: ({ bgp }) => String(bgp.med ?? ""), align: "right" },
  { title: "COMMUNITIES", value: ({ bgp }) => bgp.communities.join(" ") },
  { title: "STATE", value: ({ state }) => state, style: ({ state }) => stateStyles[state] },
  { title: "REASON", value: ({ reason }) => reason ?? "" },
];
