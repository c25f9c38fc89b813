import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, writeLine } from "./output.ts";

/** `calictl node drain`: the node's peers are told to send no traffic here any more. */
export async function drainNode(
  client: AgentClient,
  context: CommandContext,
  message: string | undefined,
): Promise<void> {
  await client.admin("POST", "/v1/node/drain", { message: message ?? "" });
  writeLine(context, "all BGP sessions of this node are shut down, until calictl node undrain or a start of the agent");
}

/** `calictl node undrain` */
export async function undrainNode(client: AgentClient, context: CommandContext): Promise<void> {
  await client.admin("DELETE", "/v1/node/drain");
  writeLine(context, "the BGP sessions of this node come up again");
}
