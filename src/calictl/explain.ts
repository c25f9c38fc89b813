import type { ExplainStep, ExplainView } from "../agent/api/views.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, writeLine, writeStructured } from "./output.ts";
import { parseTarget } from "./routes.ts";
import { paint, type Style } from "./table.ts";

const marks: Record<ExplainStep["verdict"], { text: string; style: Style }> = {
  ok: { text: "ok", style: "green" },
  info: { text: "--", style: "dim" },
  problem: { text: "!!", style: "red" },
};

/** `calictl routes explain IP|PREFIX`: the whole chain from pool to kernel. Returns the exit status: 1 if unreachable. */
export async function explainRoute(
  client: AgentClient,
  context: CommandContext,
  target: string,
  format: OutputFormat,
): Promise<number> {
  parseTarget(target);
  const explained = await client.get<ExplainView>(`/v1/explain/${encodeURIComponent(target)}`);
  if (format === "json" || format === "yaml") await writeStructured(context, explained, format);
  else {
    const width = Math.max(...explained.steps.map((step) => step.stage.length));
    for (const step of explained.steps) {
      const mark = marks[step.verdict];
      const marked = context.colour ? paint(mark.style, mark.text) : mark.text;
      writeLine(context, `${marked}  ${step.stage.padEnd(width)}  ${step.text}`);
    }
    writeLine(context, "");
    writeLine(context, explained.verdict);
  }
  return explained.reachable ? 0 : 1;
}
