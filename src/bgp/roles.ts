import type { BgpRole } from "./packet/capability.ts";
import type { PeerConfig } from "./types.ts";

/*
 * Route leak prevention by roles (RFC 9234). A role says what this side is to the peer, so a `provider` speaks to its
 * customer. The attribute OTC marks a route that went down or sideways once and must not go up or sideways any more.
 */

/** What the other side of a session must be (§4.2). */
const counterparts: Readonly<Record<BgpRole, BgpRole>> = {
  provider: "customer",
  customer: "provider",
  "route-server": "route-server-client",
  "route-server-client": "route-server",
  peer: "peer",
};

/** The role that counts on this session: RFC 9234 is about eBGP. */
export function roleOf(config: PeerConfig): PeerConfig["role"] {
  return config.localAs === config.remoteAs ? undefined : config.role;
}

/** True if a side of role `own` may have a session with one of role `other`. */
export function rolesMatch(own: BgpRole, other: BgpRole | undefined): boolean {
  return counterparts[own] === other;
}

/** Why a received route is a leak (§5, first two ingress rules); undefined if it is none. */
export function leakOf(own: BgpRole, onlyToCustomer: number | undefined, remoteAs: number): string | undefined {
  if (onlyToCustomer === undefined) return undefined;
  if (own === "provider" || own === "route-server")
    return `route leak: OTC of AS ${onlyToCustomer} in a route from a ${counterparts[own]}`;
  if (own === "peer" && onlyToCustomer !== remoteAs)
    return `route leak: OTC of AS ${onlyToCustomer} in a route from the peer AS ${remoteAs}`;
  return undefined;
}

const upOrSideways: ReadonlySet<BgpRole> = new Set(["customer", "route-server-client", "peer"]);
const downOrSideways: ReadonlySet<BgpRole> = new Set(["provider", "route-server", "peer"]);

/** True if routes that come in are marked with the peer's AS (§5, third ingress rule). */
export function marksOnImport(own: BgpRole): boolean {
  return upOrSideways.has(own);
}

/** True if marked routes must not go out (§5, second egress rule). */
export function withholdsMarked(own: BgpRole): boolean {
  return upOrSideways.has(own);
}

/** True if routes that go out are marked with our AS (§5, first egress rule). */
export function marksOnExport(own: BgpRole): boolean {
  return downOrSideways.has(own);
}
