import { policiesEqual } from "./policy/apply.ts";
import type { PeerConfig } from "./types.ts";

/** What changed between two configurations of one peer, by what it takes to bring it into force. */
export interface PeerConfigChange {
  /** The connection itself: a new session is needed. */
  readonly session: boolean;
  /** What we make of received routes: run them through the rules again. */
  readonly import: boolean;
  /** What the peer is told: export again and send the difference. */
  readonly export: boolean;
}

/** Compares two configurations of one peer. */
export function comparePeerConfigs(old: PeerConfig, wanted: PeerConfig): PeerConfigChange {
  const reflection = old.routeReflectorClient !== wanted.routeReflectorClient || old.clusterId !== wanted.clusterId;
  return {
    session: sessionPart(old) !== sessionPart(wanted),
    import:
      reflection || old.allowLocalAs !== wanted.allowLocalAs || !policiesEqual(old.importPolicy, wanted.importPolicy),
    export:
      reflection || old.nextHopMode !== wanted.nextHopMode || !policiesEqual(old.exportPolicy, wanted.exportPolicy),
  };
}

/** Everything that is fixed while a session lives. Fields that are not named here belong to it, also future ones. */
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
    ...session
  } = config;
  return JSON.stringify(Object.entries(session).sort(([left], [right]) => (left < right ? -1 : 1)));
}
