import type { NodeView } from "../agent/api/views.ts";
import { errorMessage } from "../core/errors.ts";
import { version } from "../core/version.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, writeLine, writeStructured } from "./output.ts";

/** `calictl version`: ours and the agent's; an agent that cannot be asked is no failure, but is said. */
export async function showVersion(
  client: AgentClient,
  context: CommandContext,
  clientOnly: boolean,
  format: OutputFormat,
): Promise<void> {
  let agent: string | null = null;
  let problem: string | undefined;
  if (!clientOnly)
    try {
      agent = (await client.get<NodeView>("/v1/node")).version;
    } catch (error) {
      problem = errorMessage(error);
    }
  if (format === "json" || format === "yaml") {
    await writeStructured(context, { client: version, agent }, format);
    return;
  }
  writeLine(context, `Client Version:    ${version}`);
  if (!clientOnly) writeLine(context, `Agent Version:     ${agent ?? `unknown (${problem})`}`);
}
