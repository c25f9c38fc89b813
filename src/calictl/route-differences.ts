import type { RouteDifferenceView } from "../agent/api/views.ts";
import { Prefix } from "../net/prefix.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, writeLine, writeStructured } from "./output.ts";
import { parseTarget } from "./routes.ts";
import { paint, type Style } from "./table.ts";

/**
 * `calictl routes --diff-kernel [PREFIX|IP]`: what has to go from the kernel (-) and what is missing there (+). Returns the
 * exit status: 1 if anything differs.
 */
export async function showRouteDifferences(
  client: AgentClient,
  context: CommandContext,
  target: string | undefined,
  format: OutputFormat,
): Promise<number> {
  const wanted = target === undefined ? undefined : parseTarget(target);
  const differences = (await client.get<RouteDifferenceView[]>("/v1/route-differences")).filter(
    ({ prefix }) => wanted === undefined || Prefix.parse(prefix).overlaps(wanted),
  );
  if (format === "json" || format === "yaml") await writeStructured(context, differences, format);
  else if (differences.length === 0) writeLine(context, "the kernel has the routes that it shall have");
  for (const { missing, instead } of format === "table" ? differences : []) {
    for (const route of instead) writeChange(context, "-", "red", route);
    if (missing !== null) writeChange(context, "+", "green", missing);
  }
  return differences.length === 0 ? 0 : 1;
}

function writeChange(context: CommandContext, mark: string, style: Style, route: string): void {
  const line = `${mark} ${route}`;
  writeLine(context, context.colour ? paint(style, line) : line);
}
