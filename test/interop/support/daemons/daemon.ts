import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Family } from "../../../../src/bgp/packet/family.ts";

const run = promisify(execFile);

export type DaemonName = "BIRD" | "FRR" | "GoBGP" | "OpenBGPD" | "ExaBGP";

/** A session as the daemon is to have it; every daemon's own file says the same in its own words. */
export interface NeighborConfig {
  /** The other side. */
  readonly address: string;
  /** The daemon's own address. */
  readonly localAddress: string;
  readonly remoteAs: number;
  readonly families: readonly Family[];
  /** Never dial. */
  readonly passive?: boolean;
  readonly password?: string;
  /** RFC 5082 on a single hop. */
  readonly ttlSecurity?: boolean;
  /** RFC 7911 in both directions. */
  readonly addPath?: boolean;
  readonly gracefulRestartSec?: number;
  /** RFC 9494: how long stale routes are kept when the restart time is over. */
  readonly longLivedSec?: number;
  readonly routeReflectorClient?: boolean;
  /** Speaks as before RFC 6793. */
  readonly twoOctetAs?: boolean;
  readonly extendedMessages?: boolean;
  /** The session ends when there are more prefixes from the other side. */
  readonly maxPrefixes?: number;
  /** RFC 9234: what the daemon is to the other side, which must have a role, too. */
  readonly role?: "provider" | "customer";
  readonly bfd?: boolean;
  /** RFC 8950. */
  readonly extendedNextHop?: boolean;
  /** The daemon's own times for everything, but this hold time. Absent: hold time 90, and times that let no test wait. */
  readonly production?: { readonly holdSec: number };
}

/** A route that the daemon brings into BGP. Communities are written as in RFC 1997 and 8092: `65000:1`, `65000:1:2`. */
export interface NetworkConfig {
  readonly prefix: string;
  readonly community?: string;
  readonly largeCommunity?: string;
  /** A route target, `AS:number`. */
  readonly routeTarget?: string;
  readonly med?: number;
  /** The daemon's own address on the session if absent. */
  readonly nextHop?: string;
}

export interface DaemonConfig {
  readonly as: number;
  readonly routerId: string;
  readonly neighbors: readonly NeighborConfig[];
  readonly networks: readonly NetworkConfig[];
}

/** A route as the daemon has it from a neighbour, in one notation for all daemons; what the daemon does not show is absent. */
export interface HeardRoute {
  readonly prefix: string;
  readonly nextHop: string;
  /** AS numbers with blanks between. */
  readonly asPath: string;
  readonly localPref?: number;
  readonly med?: number;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  /** Route targets only, `AS:number`. */
  readonly routeTargets: readonly string[];
  readonly originatorId?: string;
  readonly clusterList: readonly string[];
  /** Attributes that the daemon has no name for: `code:value` in hexadecimal digits. */
  readonly unknown: readonly string[];
  readonly stale: boolean;
}

/** One daemon in one namespace. */
export interface Daemon {
  readonly name: DaemonName;
  /** Number and nothing else. */
  version(): Promise<string>;
  /** Starts it; resolves when it can be asked. */
  start(config: DaemonConfig): Promise<void>;
  /** After `kill`: starts it as one does after a crash, to restart gracefully. */
  restart(config: DaemonConfig): Promise<void>;
  isEstablished(neighbor: string): Promise<boolean>;
  /** What it has from one neighbour, of both families. */
  routes(neighbor: string): Promise<readonly HeardRoute[]>;
  /** Asks the neighbour for all its routes again, without ending the session. */
  requestRefresh(neighbor: string): Promise<void>;
  /** Ends the session on behalf of the operator, who gives this reason (RFC 9003). */
  shutDown(neighbor: string, reason: string): Promise<void>;
  /** Everything that the daemon tells about a neighbour and its last errors, and its log. */
  describe(neighbor: string): Promise<string>;
  /** With everything that belongs to it, and without a chance to say goodbye. */
  kill(): Promise<void>;
  /** Ends it if it is there. */
  stop(): Promise<void>;
  /** Lines of its log that are complaints, without time stamps. */
  complaints(): readonly string[];
}

/** Where a daemon lives. */
export interface DaemonHome {
  readonly namespace: string;
  /** For its files; exists, and is removed by whoever made it. */
  readonly folder: string;
}

/** The version number in what a program answers. */
export async function versionOf(program: string, ...flags: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(program, flags);
  return /\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? "unknown";
}
