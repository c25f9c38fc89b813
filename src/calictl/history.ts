import type { HistoryView } from "../agent/api/views.ts";
import { parseDuration } from "../resources/duration.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";
import { parseTarget } from "./routes.ts";
import { type Column, formatTable, type Style } from "./table.ts";

export interface HistoryOptions {
  readonly format: OutputFormat;
  /** `--since`: a duration such as 10m. */
  readonly since: string | undefined;
}

const kindStyles: Record<HistoryView["kind"], Style> = { session: "yellow", refused: "red", "best-path": "green" };

/** `calictl routes history [PREFIX]`: what happened to sessions and routes, oldest first. */
export async function showHistory(
  client: AgentClient,
  context: CommandContext,
  target: string | undefined,
  { format, since }: HistoryOptions,
): Promise<void> {
  const query = new URLSearchParams();
  if (target !== undefined) query.set("prefix", parseTarget(target).toString());
  if (since !== undefined) query.set("since", new Date(context.nowMs() - ageOf(since)).toISOString());
  const events = await client.get<HistoryView[]>(`/v1/history?${query}`);
  if (format === "json" || format === "yaml") await writeStructured(context, events, format);
  else if (events.length === 0) writeLine(context, "nothing is remembered");
  else writeLine(context, formatTable(columns, events, context.colour));
}

function ageOf(text: string): number {
  const ageMs = parseDuration(text);
  if (ageMs === undefined || ageMs < 0)
    throw new UsageError(`--since: "${text}" must be a duration such as 90s, 10m or 2h30m`);
  return ageMs;
}

const columns: Column<HistoryView>[] = [
  { title: "TIME", value: ({ at }) => at },
  { title: "WHAT", value: ({ kind }) => kind, style: ({ kind }) => kindStyles[kind] },
  { title: "PREFIX", value: ({ prefix }) => prefix ?? "" },
  { title: "PEER", value: ({ peer }) => peer ?? "" },
  { title: "RULE", value: ({ rule }) => rule ?? "" },
  { title: "TEXT", value: ({ text }) => text },
];
