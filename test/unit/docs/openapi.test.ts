import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { statusRoutes, statusStreams } from "../../../src/agent/api/status-routes.ts";
import { EventHub } from "../../../src/agent/event-hub.ts";
import type { StatusSource } from "../../../src/agent/status-source.ts";

interface Schema {
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, unknown>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const document = parse(read("docs/openapi.yaml")) as Document;

/** The fields of an interface of views.ts, as its text has them. */
function fieldsOf(name: string): string[] {
  const [, body = ""] =
    new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(read("src/agent/api/views.ts")) ?? [];
  return [...body.matchAll(/^ {2}(\w+)\??:/gm)].map((match) => match[1] ?? "").sort();
}

describe("docs/openapi.yaml", () => {
  it.each([
    ["RouteView", "Route"],
    ["BgpRouteView", "BgpRoute"],
    ["RouteDifferenceView", "RouteDifference"],
    ["PeerView", "Peer"],
    ["NodeView", "Node"],
    ["NodeStatusView", "NodeStatus"],
    ["DatastoreView", "Datastore"],
    ["BlockView", "Block"],
    ["ExplainView", "Explain"],
    ["PeerRoutesView", "PeerRoutes"],
    ["PeerRouteView", "PeerRoute"],
    ["HistoryView", "History"],
    ["ErrorView", "Error"],
  ])("describes every field of %s as the schema %s", (view, name) => {
    const schema = document.components.schemas[name];
    expect(fieldsOf(view).length).toBeGreaterThan(0);
    expect(Object.keys(schema?.properties ?? {}).sort()).toEqual(fieldsOf(view));
    expect([...(schema?.required ?? [])].sort()).toEqual(fieldsOf(view));
  });

  it("describes every path that the status socket answers, and no other", () => {
    // Routes are only listed here, so the source behind them is never asked.
    const served = [...statusRoutes({} as StatusSource), ...statusStreams(new EventHub())].map(({ path }) =>
      path.replace(/:(\w+)\*?/, "{$1}"),
    );
    expect(Object.keys(document.paths).sort()).toEqual(served.sort());
  });
});
