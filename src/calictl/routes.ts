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
  else if (options.format === "wide") writeLine(context, formatTable(columns(context), routes, context.colour));
  else writeLine(context, narrowTable(context, routes));
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

function columns(context: CommandContext): Column<RouteView>[] {
  return [
    { title: "DESTINATION", value: (route) => route.prefix },
    { title: "KIND", value: (route) => route.kind },
    { title: "MODE", value: (route) => route.mode },
    { title: "NEXT HOP", value: (route) => route.nextHops.join(",") },
    { title: "DEVICE", value: (route) => route.device ?? "" },
    { title: "NODE", value: (route) => route.node ?? "" },
    { title: "STATE", value: (route) => route.state, style: (route) => stateStyles[route.state] },
    { title: "AGE", value: (route) => formatAge(route.since, context.nowMs()), align: "right" },
    { title: "PROTO", value: (route) => String(route.protocol), align: "right" },
    { title: "METRIC", value: (route) => String(route.metric), align: "right" },
    { title: "PEER", value: (route) => route.bgp?.peer ?? "" },
    { title: "AS PATH", value: (route) => route.bgp?.asPath ?? "" },
    { title: "LOCAL PREF", value: (route) => String(route.bgp?.localPref ?? ""), align: "right" },
    { title: "COMMUNITIES", value: (route) => route.bgp?.communities.join(" ") ?? "" },
    { title: "REASON", value: (route) => route.reason },
  ];
}

/** What fits a terminal of 80 columns. The reason has a line of its own where a route is not as it should be. */
function narrowTable(context: CommandContext, routes: readonly RouteView[]): string {
  const narrow: Column<RouteView>[] = [
    { title: "DESTINATION", value: (route) => route.prefix },
    { title: "VIA", value: via },
    { title: "NODE", value: (route) => route.node ?? "" },
    { title: "STATE", value: (route) => route.state, style: (route) => stateStyles[route.state] },
    { title: "AGE", value: (route) => formatAge(route.since, context.nowMs()), align: "right" },
  ];
  const [header = "", ...lines] = formatTable(narrow, routes, context.colour).split("\n");
  const explained = routes.flatMap(({ state, reason }, index) => [
    lines[index] ?? "",
    ...(state === "installed" ? [] : [`  ${reason}`]),
  ]);
  return [header, ...explained].join("\n");
}

/** `10.0.0.2 eth1`, `cali0123456789a`, `blackhole`; of several next hops the first, and how many more. */
function via({ mode, nextHops, device }: RouteView): string {
  const [first, ...more] = nextHops;
  const hops = first === undefined ? [] : [more.length === 0 ? first : `${first} (+${more.length})`];
  return [...hops, ...(device === null ? [] : [device])].join(" ") || mode;
}
