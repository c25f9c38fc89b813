import type { RouteDifference } from "../agent/pools/mode-change.ts";
import type { SetModeResult } from "../agent/pools/pool-modes.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";
import { formatTable } from "./table.ts";

const modes = ["Never", "Always", "CrossSubnet"];
const tunnels = ["ipip", "vxlan", "udp"];

/** `calictl pool set-mode NAME MODE`: prints what changes on every node, then changes it unless it is a dry run. */
export async function setPoolMode(
  client: AgentClient,
  context: CommandContext,
  options: {
    readonly pool: string;
    readonly mode: string;
    readonly tunnel: string | undefined;
    readonly dryRun: boolean;
    readonly format: OutputFormat;
  },
): Promise<void> {
  const { pool, dryRun, format } = options;
  const mode = oneOf("the mode", options.mode, modes);
  const tunnel = options.tunnel === undefined ? undefined : oneOf("--tunnel", options.tunnel, tunnels);
  const path = `/v1/pools/${encodeURIComponent(pool)}/mode`;
  const preview = await client.admin<SetModeResult>("POST", path, { mode, tunnel, dryRun: true });
  if (format === "table") writePreview(context, preview);
  const result = dryRun ? preview : await client.admin<SetModeResult>("POST", path, { mode, tunnel });
  if (format === "json" || format === "yaml") await writeStructured(context, result, format);
  else writeLine(context, verdict(result, dryRun));
}

function oneOf(what: string, text: string, known: readonly string[]): string {
  const found = known.find((name) => name.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new UsageError(`${what} "${text}" must be one of ${known.join(", ")}`);
  return found;
}

function writePreview(context: CommandContext, { pool, before, after, differences }: SetModeResult): void {
  const text = ({ ipipMode, vxlanMode, udpMode }: SetModeResult["before"]) =>
    `ipipMode ${ipipMode}, vxlanMode ${vxlanMode}${udpMode === "Never" ? "" : `, in UDP ${udpMode}`}`;
  writeLine(context, `IPPool ${pool}: ${text(before)}  ->  ${text(after)}`);
  if (differences.length === 0) {
    writeLine(context, "no route changes");
    return;
  }
  const columns = [
    { title: "NODE", value: (row: RouteDifference) => row.node },
    { title: "BLOCK", value: (row: RouteDifference) => row.block },
    { title: "OWNER", value: (row: RouteDifference) => row.owner },
    { title: "NOW", value: (row: RouteDifference) => row.before },
    { title: "THEN", value: (row: RouteDifference) => row.after },
  ];
  writeLine(context, formatTable(columns, differences, context.colour));
}

function verdict({ pool, changed, differences }: SetModeResult, dryRun: boolean): string {
  const nodes = new Set(differences.map(({ node }) => node)).size;
  const routes = `${differences.length} routes on ${nodes} nodes`;
  if (dryRun) return `dry run: nothing was changed; it would change ${routes}`;
  return changed ? `IPPool ${pool} is changed; the agents now change ${routes}` : `IPPool ${pool} is so already`;
}
