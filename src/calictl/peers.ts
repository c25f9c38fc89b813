import type { PeerView } from "../agent/api/views.ts";
import type { AgentClient } from "./agent-client.ts";
import { writePeers } from "./node-status.ts";
import { type CommandContext, type OutputFormat, writeLine, writeStructured } from "./output.ts";

/** `calictl peers`: the BGP sessions of this node. */
export async function showPeers(client: AgentClient, context: CommandContext, format: OutputFormat): Promise<void> {
  const peers = await client.get<PeerView[]>("/v1/peers");
  if (format === "json" || format === "yaml") await writeStructured(context, peers, format);
  else if (peers.length === 0) writeLine(context, "no BGP peers");
  else writePeers(context, peers, format === "wide");
}
