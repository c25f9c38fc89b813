import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Child } from "../child-process.ts";
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

/** What `gobgp -j` says of a path. */
interface GoBgpPath {
  readonly nlri: { readonly prefix: string };
  readonly attrs: readonly GoBgpAttribute[];
  readonly stale?: boolean;
}

interface GoBgpAttribute {
  readonly type: number;
  readonly value?: unknown;
  readonly nexthop?: string;
  readonly metric?: number;
  readonly communities?: readonly number[];
  readonly as_paths?: readonly { readonly asns: readonly number[] }[];
}

/** GoBGP. */
export class GoBgpDaemon implements Daemon {
  readonly name = "GoBGP";
  readonly #home: DaemonHome;
  #config: DaemonConfig | undefined;
  #child: Child | undefined;

  constructor(home: DaemonHome) {
    this.#home = home;
  }

  version(): Promise<string> {
    return versionOf("gobgpd", "--version");
  }

  start(config: DaemonConfig): Promise<void> {
    return this.#start(config, []);
  }

  restart(config: DaemonConfig): Promise<void> {
    return this.#start(config, ["-r"]);
  }

  async isEstablished(neighbor: string): Promise<boolean> {
    const { state } = JSON.parse(await this.#gobgp("-j", "neighbor", neighbor));
    // 6: Established in its API.
    return state.session_state === 6;
  }

  async routes(neighbor: string): Promise<readonly HeardRoute[]> {
    const families = this.#config?.neighbors.find(({ address }) => address === neighbor)?.families ?? [];
    const heard: HeardRoute[] = [];
    for (const family of families) {
      const argv = ["-j", "neighbor", neighbor, "adj-in", "-a", family.slice(0, 4)];
      const table = JSON.parse((await this.#gobgp(...argv).catch(emptyWithoutSession)) || "{}") as Record<
        string,
        GoBgpPath[]
      >;
      heard.push(...Object.values(table).flat().map(heardRoute));
    }
    return heard;
  }

  async requestRefresh(neighbor: string): Promise<void> {
    await this.#gobgp("neighbor", neighbor, "softresetin");
  }

  async shutDown(neighbor: string, reason: string): Promise<void> {
    await this.#gobgp("neighbor", neighbor, "shutdown", "--reason", reason);
  }

  async describe(neighbor: string): Promise<string> {
    return `${await this.#gobgp("neighbor", neighbor)}\n${this.#child?.log}`;
  }

  async kill(): Promise<void> {
    await this.#child?.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#child?.end("SIGKILL");
  }

  complaints(): readonly string[] {
    return (this.#child?.log ?? "")
      .split("\n")
      .filter((line) => /^(time="[^"]*" )?level=(warning|error|fatal|panic)|^panic|^goroutine/.test(line))
      .map((line) => line.replace(/^time="[^"]*" /, ""));
  }

  async #start(config: DaemonConfig, flags: readonly string[]): Promise<void> {
    this.#config = config;
    const file = join(this.#home.folder, "gobgp.toml");
    writeFileSync(file, goBgpConfig(config));
    const child = new Child(
      this.#home.namespace,
      [
        "gobgpd",
        "-f",
        file,
        "--log-plain",
        "-l",
        "debug",
        "--api-hosts",
        "127.0.0.1:50051",
        "--pprof-disable",
        ...flags,
      ],
      { logFile: join(this.#home.folder, "gobgpd.log") },
    );
    this.#child = child;
    await waitFor(async () => {
      if (!child.isRunning) throw new Error(`gobgpd does not run:\n${child.log}`);
      await this.#gobgp("global");
    });
    for (const network of config.networks) await this.#gobgp(...announcement(network));
  }

  async #gobgp(...command: readonly string[]): Promise<string> {
    const { stdout } = await run("ip", ["netns", "exec", this.#home.namespace, "gobgp", ...command]);
    return stdout.trim();
  }
}

/** What it says in place of an empty table once there is no session, nor one that may still come back. */
function emptyWithoutSession(error: Error & { readonly stdout?: string }): string {
  if (error.stdout?.includes("session is not established")) return "";
  throw error;
}

function announcement({ prefix, community, largeCommunity, routeTarget, med, nextHop }: NetworkConfig): string[] {
  return [
    ...["global", "rib", "add", prefix, "-a", prefix.includes(":") ? "ipv6" : "ipv4"],
    ...(nextHop === undefined ? [] : ["nexthop", nextHop]),
    ...(community === undefined ? [] : ["community", community]),
    ...(largeCommunity === undefined ? [] : ["large-community", largeCommunity]),
    ...(routeTarget === undefined ? [] : ["rt", routeTarget]),
    ...(med === undefined ? [] : ["med", `${med}`]),
  ];
}

function goBgpConfig({ as, routerId, neighbors }: DaemonConfig): string {
  return [
    ...["[global.config]", `as = ${as}`, `router-id = "${routerId}"`],
    ...neighbors.flatMap((neighbor) => neighborLines(neighbor)),
    "",
  ].join("\n");
}

function neighborLines(neighbor: NeighborConfig): string[] {
  const section = (name: string, ...lines: readonly string[]) => [`[neighbors.${name}]`, ...lines];
  const { gracefulRestartSec, longLivedSec } = neighbor;
  return [
    "[[neighbors]]",
    ...section(
      "config",
      `neighbor-address = "${neighbor.address}"`,
      `peer-as = ${neighbor.remoteAs}`,
      ...(neighbor.password === undefined ? [] : [`auth-password = "${neighbor.password}"`]),
    ),
    ...section(
      "timers.config",
      `hold-time = ${neighbor.production?.holdSec ?? 90}`,
      ...(neighbor.production ? [] : ["connect-retry = 1", "idle-hold-time-after-reset = 1"]),
    ),
    ...section(
      "transport.config",
      `local-address = "${neighbor.localAddress}"`,
      `passive-mode = ${neighbor.passive ?? false}`,
    ),
    ...(neighbor.ttlSecurity ? section("ttl-security.config", "enabled = true", "ttl-min = 255") : []),
    ...(neighbor.routeReflectorClient
      ? section("route-reflector.config", "route-reflector-client = true", `route-reflector-cluster-id = "244.0.0.9"`)
      : []),
    ...(gracefulRestartSec === undefined
      ? []
      : section(
          "graceful-restart.config",
          "enabled = true",
          `restart-time = ${gracefulRestartSec}`,
          ...(longLivedSec === undefined ? [] : ["long-lived-enabled = true"]),
        )),
    ...neighbor.families.flatMap((family) => [
      "[[neighbors.afi-safis]]",
      ...section("afi-safis.config", `afi-safi-name = "${family}"`),
      ...(gracefulRestartSec === undefined ? [] : section("afi-safis.mp-graceful-restart.config", "enabled = true")),
      ...(longLivedSec === undefined
        ? []
        : section("afi-safis.long-lived-graceful-restart.config", "enabled = true", `restart-time = ${longLivedSec}`)),
      ...(neighbor.addPath ? section("afi-safis.add-paths.config", "receive = true", "send-max = 8") : []),
      ...(neighbor.maxPrefixes === undefined
        ? []
        : section("afi-safis.prefix-limit.config", `max-prefixes = ${neighbor.maxPrefixes}`)),
    ]),
  ];
}

function heardRoute({ nlri, attrs, stale }: GoBgpPath): HeardRoute {
  const attribute = (type: number) => attrs.find((candidate) => candidate.type === type);
  const payloadOf = (type: number) => attribute(type)?.value;
  const localPref = payloadOf(5);
  const med = attribute(4)?.metric;
  const originatorId = payloadOf(9);
  const large = (payloadOf(32) ?? []) as { ASN: number; LocalData1: number; LocalData2: number }[];
  const extended = (payloadOf(16) ?? []) as { type?: number; subtype?: number; value?: string }[];
  return {
    prefix: nlri.prefix,
    nextHop: attribute(14)?.nexthop ?? attribute(3)?.nexthop ?? "",
    asPath: (attribute(2)?.as_paths ?? []).flatMap(({ asns }) => asns).join(" "),
    ...(typeof localPref === "number" ? { localPref } : {}),
    ...(med === undefined ? {} : { med }),
    communities: (attribute(8)?.communities ?? []).map((number) => `${number >>> 16}:${number & 0xffff}`),
    largeCommunities: large.map(({ ASN, LocalData1, LocalData2 }) => `${ASN}:${LocalData1}:${LocalData2}`),
    routeTargets: extended.flatMap(({ subtype, value }) => (subtype === 2 && value !== undefined ? [value] : [])),
    ...(typeof originatorId === "string" ? { originatorId } : {}),
    clusterList: (payloadOf(10) ?? []) as string[],
    unknown: attrs.flatMap(({ type, value }) =>
      typeof value === "string" && type > 40
        ? [`${type.toString(16).padStart(2, "0")}:${Buffer.from(value, "base64").toString("hex")}`]
        : [],
    ),
    stale: stale ?? false,
  };
}
