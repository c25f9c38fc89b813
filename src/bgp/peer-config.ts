import { policiesEqual } from "./policy/apply.ts";
import type { PeerConfig, PeerTransport } from "./types.ts";

/** What changed between two configurations of one peer, by what it takes to bring it into force. */
export interface PeerConfigChange {
  /** The connection itself: a new session is needed. */
  readonly session: boolean;
  /**
   * Nothing of the connection but its password: a live session goes on with the new one. It survives if the peer follows within
   * the hold time, so that a cluster can change a password without losing a route. (BIRD begins a new session.)
   */
  readonly password: boolean;
  /** What we make of received routes: run them through the rules again. */
  readonly import: boolean;
  /** How many routes are taken. */
  readonly limits: boolean;
  /** What the peer is told: export again and send the difference. */
  readonly export: boolean;
}

/** Compares two configurations of one peer. */
export function comparePeerConfigs(old: PeerConfig, wanted: PeerConfig): PeerConfigChange {
  const keyChange = compareKeys(old.transport, wanted.transport);
  const both =
    old.routeReflectorClient !== wanted.routeReflectorClient ||
    old.clusterId !== wanted.clusterId ||
    JSON.stringify(old.treatment) !== JSON.stringify(wanted.treatment);
  return {
    session: sessionPart(old) !== sessionPart(wanted) || keyChange === "other",
    password: keyChange === "password",
    limits: JSON.stringify(old.maxPrefix) !== JSON.stringify(wanted.maxPrefix),
    import: both || old.allowLocalAs !== wanted.allowLocalAs || !policiesEqual(old.importPolicy, wanted.importPolicy),
    export: both || old.nextHopMode !== wanted.nextHopMode || !policiesEqual(old.exportPolicy, wanted.exportPolicy),
  };
}

/** Everything that is fixed while a session lives; another port counts from the next dial on. Fields that are not named here belong to it, also future ones. */
function sessionPart(config: PeerConfig): string {
  const {
    name: _name,
    description: _description,
    routeReflectorClient: _reflection,
    clusterId: _clusterId,
    nextHopMode: _nextHop,
    allowLocalAs: _allow,
    importPolicy: _import,
    exportPolicy: _export,
    maxPrefix: _limits,
    treatment: _treatment,
    port: _port,
    bfd: _bfd,
    shutdown: _shutdown,
    transport = {},
    ...session
  } = config;
  const { key: _key, ...options } = transport;
  return JSON.stringify([sorted(session), sorted(options)]);
}

function sorted(fields: object): unknown {
  return Object.entries(fields).sort(([left], [right]) => (left < right ? -1 : 1));
}

/** Only an MD5 password can be changed on a live socket; two TCP-AO keys of one ID can't be there together. */
function compareKeys(
  { key: old }: PeerTransport = {},
  { key: wanted }: PeerTransport = {},
): "password" | "other" | undefined {
  if (old === undefined || wanted === undefined) return old === wanted ? undefined : "other";
  const isSamePassword = old.password.equals(wanted.password);
  if (isSamePassword && JSON.stringify(sorted(old)) === JSON.stringify(sorted(wanted))) return undefined;
  return old.kind === "md5" && wanted.kind === "md5" ? "password" : "other";
}
