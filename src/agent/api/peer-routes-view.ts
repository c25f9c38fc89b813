import type { ExplainedPath, Path, RouteSelection } from "../../bgp/paths.ts";
import type { PeerStatus } from "../../bgp/types.ts";
import { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { bgpView } from "./route-view.ts";
import { ApiError } from "./unix-server.ts";
import type { PeerRouteView } from "./views.ts";

const mostRoutes = 100_000;

/** Reads `prefix` and `limit` (1000 if absent). Throws `INVALID_REQUEST`. */
export function parseSelection(query: URLSearchParams): RouteSelection {
  const prefix = parsePrefix(query.get("prefix"));
  const text = query.get("limit") ?? "1000";
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > mostRoutes)
    throw new ApiError("INVALID_REQUEST", `limit: "${text}" must be a number of routes from 1 to ${mostRoutes}`, {
      value: text,
    });
  return { limit, ...(prefix !== undefined && { overlapping: prefix }) };
}

/** An address or a prefix; undefined without one. Throws `INVALID_REQUEST`. */
export function parsePrefix(text: string | null): Prefix | undefined {
  if (text === null) return undefined;
  const address = IpAddress.tryParse(text);
  const prefix = address === undefined ? Prefix.tryParse(text) : Prefix.host(address);
  if (prefix === undefined)
    throw new ApiError("INVALID_REQUEST", `prefix: "${text}" is neither an address nor a prefix`, { value: text });
  return prefix;
}

/** The peer of this name or address. Throws `NOT_FOUND`. */
export function findPeer(peers: readonly PeerStatus[], wanted: string): PeerStatus {
  const address = IpAddress.tryParse(wanted);
  const peer = peers.find(
    ({ config }) => config.name === wanted || (address !== undefined && config.address.equals(address)),
  );
  if (peer === undefined) throw new ApiError("NOT_FOUND", `there is no BGP peer "${wanted}"`, { peer: wanted });
  return peer;
}

export function receivedView({ path, best, multipath, lostBy, rule }: ExplainedPath): PeerRouteView {
  const state = best ? "best" : multipath ? "equal" : lostBy !== undefined && rule === undefined ? "refused" : "other";
  return { ...routeOf(path), state, reason: lostBy ?? null, rule: rule ?? null };
}

export function advertisedView(path: Path): PeerRouteView {
  return { ...routeOf(path), state: "told", reason: null, rule: null };
}

function routeOf(path: Path) {
  return {
    prefix: path.prefix.toString(),
    pathId: path.pathId === 0 ? null : path.pathId,
    nextHop: path.nextHop?.address.toString() ?? null,
    stale: path.stale,
    bgp: bgpView(path),
  };
}
