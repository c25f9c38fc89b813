import type { HistoryEvent, HistoryQuery } from "../../bgp/history/history.ts";
import type { Path } from "../../bgp/paths.ts";
import { parsePrefix } from "./peer-routes-view.ts";
import { bgpView } from "./route-view.ts";
import { ApiError } from "./unix-server.ts";
import type { HistoryView } from "./views.ts";

/** Reads `prefix` and `since`. Throws `INVALID_REQUEST`. */
export function parseHistoryQuery(query: URLSearchParams): HistoryQuery {
  const prefix = parsePrefix(query.get("prefix"));
  const since = query.get("since");
  const sinceMs = since === null ? undefined : Date.parse(since);
  if (sinceMs !== undefined && Number.isNaN(sinceMs))
    throw new ApiError("INVALID_REQUEST", `since: "${since}" is no time such as 2026-01-02T03:04:05Z`, {
      value: since,
    });
  return { ...(prefix !== undefined && { prefix }), ...(sinceMs !== undefined && { sinceMs }) };
}

export function historyView(event: HistoryEvent): HistoryView {
  const view = { at: new Date(event.atMs).toISOString(), kind: event.kind, peer: null, prefix: null, rule: null };
  switch (event.kind) {
    case "session": {
      const why = event.reason === undefined ? "" : `: ${event.reason.text}`;
      return { ...view, peer: event.peer, text: `${event.state}${why}` };
    }
    case "refused": {
      const { prefix, peer = null, direction, reason, omitted } = event;
      const before = omitted === 0 ? "" : ` (and ${omitted} more before)`;
      const what = direction === "import" ? "not taken" : "not passed on";
      return { ...view, prefix: prefix.toString(), peer, text: `${what}: ${reason}${before}` };
    }
    case "best-path": {
      const { prefix, paths, runnerUp } = event;
      const [best, ...others] = paths;
      const peer = best?.source.kind === "peer" ? best.source.peer : null;
      const shared = others.length === 0 ? "" : ` and ${others.length} equal`;
      const choice = best === undefined ? "no path is left" : `best is ${pathText(best)}${shared}`;
      const rival = runnerUp === undefined ? "" : `; ${pathText(runnerUp.path)} lost: ${runnerUp.lostBy ?? "worse"}`;
      return { ...view, prefix: prefix.toString(), peer, text: choice + rival, rule: runnerUp?.rule ?? null };
    }
  }
}

function pathText(path: Path): string {
  const { peer, asPath } = bgpView(path);
  const via = path.nextHop === undefined ? "" : ` via ${path.nextHop.address}`;
  return `that of ${peer}${via}${asPath === "" ? "" : `, AS path ${asPath}`}${path.stale ? ", stale" : ""}`;
}
