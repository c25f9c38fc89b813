import type { RouteChangeView, RouteView } from "../agent/api/views.ts";
import { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import type { AgentClient } from "./agent-client.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";
import { type Column, formatAge, formatTable, type Style } from "./table.ts";

export interface RoutesOptions {
  readonly format: OutputFormat;
  readonly watch: boolean;
}

/** `calictl routes [PREFIX|IP]`: what shall be in the kernel, what is, and why. */
export async function showRoutes(
  client: AgentClient,
  context: CommandContext,
  target: string | undefined,
  options: RoutesOptions,
): Promise<void> {
  const wanted = target === undefined ? undefined : parseTarget(target);
  const routes = (await client.get<RouteView[]>("/v1/routes")).filter(
    (route) => wanted === undefined || matches(route, wanted),
  );
  if (options.format === "json" || options.format === "yaml") await writeStructured(context, routes, options.format);
  else if (routes.length === 0) writeLine(context, target === undefined ? "no routes" : `no route for ${target}`);
  else writeLine(context, formatTable(columns(context, options.format === "wide"), routes, context.colour));
  if (options.watch) await watchRoutes(client, context, wanted, options.format);
}

async function watchRoutes(
  client: AgentClient,
  context: CommandContext,
  wanted: Prefix | undefined,
  format: OutputFormat,
): Promise<void> {
  for await (const { event, data } of client.events("/v1/events")) {
    if (event !== "route") continue;
    const change = data as RouteChangeView;
    if (wanted !== undefined && !matches(change, wanted)) continue;
    if (format === "json") writeLine(context, JSON.stringify(change));
    else {
      const what = change.route === null ? "removed" : `${change.route.state}  ${change.route.reason}`;
      writeLine(context, `${new Date(context.nowMs()).toISOString()}  ${change.prefix}  ${what}`);
    }
  }
}

/**
 * An address means the routes that cover it, a prefix itself, what it covers and what covers it. Throws a `UsageError` for
 * anything else.
 */
export function parseTarget(text: string): Prefix {
  const address = IpAddress.tryParse(text);
  if (address !== undefined) return Prefix.host(address);
  const prefix = Prefix.tryParse(text);
  if (prefix !== undefined) return prefix;
  throw new UsageError(`"${text}" is neither an address such as 10.0.0.1 nor a prefix such as 10.0.0.0/26`);
}

function matches(route: Pick<RouteView, "prefix">, wanted: Prefix): boolean {
  return Prefix.parse(route.prefix).overlaps(wanted);
}

const stateStyles: Record<RouteView["state"], Style> = {
  installed: "green",
  pending: "yellow",
  stale: "yellow",
  conflict: "red",
  unresolved: "red",
  filtered: "dim",
};

function columns(context: CommandContext, wide: boolean): Column<RouteView>[] {
  const narrow: Column<RouteView>[] = [
    { title: "DESTINATION", value: (route) => route.prefix },
    { title: "KIND", value: (route) => route.kind },
    { title: "MODE", value: (route) => route.mode },
    { title: "NEXT HOP", value: (route) => route.nextHops.join(",") },
    { title: "DEVICE", value: (route) => route.device ?? "" },
    { title: "NODE", value: (route) => route.node ?? "" },
    { title: "STATE", value: (route) => route.state, style: (route) => stateStyles[route.state] },
    { title: "AGE", value: (route) => formatAge(route.since, context.nowMs()), align: "right" },
  ];
  const extra: Column<RouteView>[] = [
    { title: "PROTO", value: (route) => String(route.protocol), align: "right" },
    { title: "METRIC", value: (route) => String(route.metric), align: "right" },
    { title: "PEER", value: (route) => route.bgp?.peer ?? "" },
    { title: "AS PATH", value: (route) => route.bgp?.asPath ?? "" },
    { title: "LOCAL PREF", value: (route) => String(route.bgp?.localPref ?? ""), align: "right" },
    { title: "COMMUNITIES", value: (route) => route.bgp?.communities.join(" ") ?? "" },
  ];
  return [...narrow, ...(wide ? extra : []), { title: "REASON", value: (route) => route.reason }];
}
