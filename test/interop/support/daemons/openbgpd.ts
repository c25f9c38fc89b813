import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Child } from "../child-process.ts";
import { place } from "../place.ts";
import { waitFor } from "../wait-for.ts";
import {
  type Daemon,
  type DaemonConfig,
  type DaemonHome,
  type HeardRoute,
  type NeighborConfig,
  type NetworkConfig,
  versionOf,
} from "./daemon.ts";

const run = promisify(execFile);
/** FRR has a bgpd, too. */
const program = "/usr/sbin/bgpd";

/** What `bgpctl -j show rib detail` says of a path. */
interface OpenBgpdPath {
  readonly prefix: string;
  readonly aspath: string;
  readonly exit_nexthop: string;
  readonly localpref?: number;
  readonly metric?: number;
  readonly stale?: boolean;
  readonly communities?: readonly string[];
  readonly large_communities?: readonly string[];
  readonly extended_communities?: readonly string[];
  readonly attributes?: readonly OpenBgpdAttribute[];
}

interface OpenBgpdAttribute {
  readonly type: string;
  readonly originator?: string;
  readonly cluster_list?: readonly string[];
  readonly data?: string;
}

/** OpenBGPD's portable edition. */
export class OpenBgpdDaemon implements Daemon {
  readonly name = "OpenBGPD";
  readonly #home: DaemonHome;
  #child: Child | undefined;

  constructor(home: DaemonHome) {
    this.#home = home;
  }

  version(): Promise<string> {
    return versionOf(program, "-V");
  }

  async start(config: DaemonConfig): Promise<void> {
    // Its processes lock themselves in there.
    mkdirSync("/run/openbgpd", { recursive: true });
    // On a session over IPv4 it names the loopback device's address as next hop of its IPv6 routes, and dies without one.
    await run("ip", ["-n", this.#home.namespace, "address", "replace", `${place.themV6}/128`, "dev", "lo", "nodad"]);
    await run("ip", ["-n", this.#home.namespace, "address", "flush", "dev", "lo", "to", "::1"]);
    const file = join(this.#home.folder, "bgpd.conf");
    writeFileSync(file, openBgpdConfig(config, this.#socket), { mode: 0o600 });
    const child = new Child(this.#home.namespace, [program, "-d", "-f", file], {
      logFile: join(this.#home.folder, "bgpd.log"),
    });
    this.#child = child;
    await waitFor(async () => {
      if (!child.isRunning) throw new Error(`OpenBGPD does not run:\n${child.log}`);
      await this.#bgpctl("show");
    });
  }

  restart(config: DaemonConfig): Promise<void> {
    return this.start(config);
  }

  async isEstablished(neighbor: string): Promise<boolean> {
    const { neighbors } = JSON.parse(await this.#bgpctl("-j", "show", "neighbor", neighbor));
    return neighbors?.[0]?.state === "Established";
  }

  async routes(neighbor: string): Promise<readonly HeardRoute[]> {
    const answer = JSON.parse(await this.#bgpctl("-j", "show", "rib", "in", "detail", "neighbor", neighbor));
    return ((answer.rib ?? []) as OpenBgpdPath[]).map(heardRoute);
  }

  async requestRefresh(neighbor: string): Promise<void> {
    await this.#bgpctl("neighbor", neighbor, "refresh");
  }

  async shutDown(neighbor: string, reason: string): Promise<void> {
    await this.#bgpctl("neighbor", neighbor, "down", reason);
  }

  async describe(neighbor: string): Promise<string> {
    return `${await this.#bgpctl("show", "neighbor", neighbor)}\n${this.#child?.log}`;
  }

  async kill(): Promise<void> {
    await this.#child?.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#child?.end("SIGKILL");
  }

  complaints(): readonly string[] {
    // It does not say what is an error and what is not.
    const harmless =
      /^$|^startup$|ready$|reconfigured$|reconfiguration done$|softreconfig|^listening on|: state change |^Rib |EOR marker$/;
    return (this.#child?.log ?? "").split("\n").filter((line) => !harmless.test(line));
  }

  get #socket(): string {
    return join(this.#home.folder, "ctl");
  }

  async #bgpctl(...command: readonly string[]): Promise<string> {
    return (await run("bgpctl", ["-s", this.#socket, ...command])).stdout;
  }
}

function openBgpdConfig({ as, routerId, neighbors, networks }: DaemonConfig, socket: string): string {
  const production = neighbors[0]?.production;
  return [
    `AS ${as}`,
    `router-id ${routerId}`,
    `socket "${socket}"`,
    "fib-update no",
    ...(production ? [] : ["connect-retry 1"]),
    `holdtime ${production?.holdSec ?? 90}`,
    "log updates",
    ...[...new Set(neighbors.map(({ localAddress }) => `listen on ${localAddress}`))],
    ...networks.map(networkLine),
    ...neighbors.flatMap((neighbor) => neighborLines(neighbor)),
    "allow from any",
    "allow to any",
    "",
  ].join("\n");
}

function networkLine({ prefix, community, largeCommunity, routeTarget, med, nextHop }: NetworkConfig): string {
  const set = [
    ...(community === undefined ? [] : [`community ${community}`]),
    ...(largeCommunity === undefined ? [] : [`large-community ${largeCommunity}`]),
    ...(routeTarget === undefined ? [] : [`ext-community rt ${routeTarget}`]),
    ...(med === undefined ? [] : [`med ${med}`]),
    ...(nextHop === undefined ? [] : [`nexthop ${nextHop}`]),
  ];
  return `network ${prefix}${set.length === 0 ? "" : ` set { ${set.join(" ")} }`}`;
}

function neighborLines(neighbor: NeighborConfig): string[] {
  const has = (family: "ipv4-unicast" | "ipv6-unicast") => (neighbor.families.includes(family) ? "unicast" : "none");
  const options = [
    `remote-as ${neighbor.remoteAs}`,
    `local-address ${neighbor.localAddress}`,
    `announce IPv4 ${has("ipv4-unicast")}`,
    `announce IPv6 ${has("ipv6-unicast")}`,
    "announce enhanced refresh yes",
    `announce restart ${neighbor.gracefulRestartSec === undefined ? "no" : "yes"}`,
    ...(neighbor.passive ? ["passive"] : []),
    ...(neighbor.password === undefined ? [] : [`tcp md5sig password ${neighbor.password}`]),
    ...(neighbor.ttlSecurity ? ["ttl-security yes"] : []),
    ...(neighbor.addPath ? ["announce add-path recv yes", "announce add-path send all"] : []),
    ...(neighbor.routeReflectorClient ? ["route-reflector"] : []),
    ...(neighbor.twoOctetAs ? ["announce as-4byte no"] : []),
    ...(neighbor.maxPrefixes === undefined ? [] : [`max-prefix ${neighbor.maxPrefixes}`]),
    ...(neighbor.role === undefined ? [] : [`announce policy ${neighbor.role} enforce`]),
  ];
  return [`neighbor ${neighbor.address} {`, ...options.map((option) => `  ${option}`), "}"];
}

function heardRoute(path: OpenBgpdPath): HeardRoute {
  const attributes = path.attributes ?? [];
  const originatorId = attributes.find(({ originator }) => originator !== undefined)?.originator;
  return {
    prefix: path.prefix,
    nextHop: path.exit_nexthop,
    asPath: path.aspath,
    ...(path.localpref === undefined ? {} : { localPref: path.localpref }),
    ...(path.metric === undefined ? {} : { med: path.metric }),
    communities: path.communities ?? [],
    largeCommunities: path.large_communities ?? [],
    routeTargets: (path.extended_communities ?? []).flatMap((text) => (text.startsWith("rt ") ? [text.slice(3)] : [])),
    ...(originatorId === undefined ? {} : { originatorId }),
    clusterList: attributes.flatMap(({ cluster_list }) => cluster_list ?? []),
    unknown: attributes.flatMap(({ type, data }) => {
      const code = /^Unknown Attribute #(\d+)$/.exec(type)?.[1];
      return code === undefined ? [] : [`${Number(code).toString(16)}:${data}`];
    }),
    stale: path.stale ?? false,
  };
}
