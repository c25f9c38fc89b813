import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Child } from "../child-process.ts";
import { waitFor } from "../wait-for.ts";
import { type Daemon, type DaemonConfig, type DaemonHome, type HeardRoute, versionOf } from "./daemon.ts";
import { familyName, frrConfig } from "./frr-config.ts";

const run = promisify(execFile);
const programs = "/usr/lib/frr";

/** FRR: bgpd with zebra, without which no next hop is reachable, and bfdd where it is wanted. */
export class FrrDaemon implements Daemon {
  readonly name = "FRR";
  readonly #home: DaemonHome;
  #config: DaemonConfig | undefined;
  #bgpd: Child | undefined;
  #helpers: Child[] = [];

  constructor(home: DaemonHome) {
    this.#home = home;
  }

  version(): Promise<string> {
    return versionOf(join(programs, "bgpd"), "--version");
  }

  async start(config: DaemonConfig): Promise<void> {
    mkdirSync(this.#run);
    await run("chown", ["frr:frr", this.#run]);
    this.#helpers.push(this.#launch("zebra", ["-f", "/dev/null"]));
    if (config.neighbors.some(({ bfd }) => bfd)) this.#helpers.push(this.#launch("bfdd", ["-f", "/dev/null"]));
    await waitFor(() => this.#vtysh("zebra", "show version"));
    await this.#startBgpd(config);
  }

  restart(config: DaemonConfig): Promise<void> {
    return this.#startBgpd(config);
  }

  async isEstablished(neighbor: string): Promise<boolean> {
    const found = (await this.#json(`show bgp neighbors ${neighbor} json`)) as Record<string, { bgpState?: string }>;
    return found[neighbor]?.bgpState === "Established";
  }

  async routes(neighbor: string): Promise<readonly HeardRoute[]> {
    const routes: HeardRoute[] = [];
    const families = this.#config?.neighbors.find(({ address }) => address === neighbor)?.families ?? [];
    for (const family of families) {
      const table = (await this.#json(`show bgp ${familyName(family)} json detail`)) as FrrTable;
      for (const [prefix, paths] of Object.entries(table.routes ?? {}))
        for (const path of "paths" in paths ? paths.paths : paths)
          if (path.peer?.peerId === neighbor) routes.push(heardRoute(prefix, path));
    }
    return routes;
  }

  async requestRefresh(neighbor: string): Promise<void> {
    await this.#vtysh("bgpd", `clear bgp ${neighbor} soft in`);
  }

  async shutDown(neighbor: string, reason: string): Promise<void> {
    await this.#configure(`neighbor ${neighbor} shutdown message ${reason}`);
  }

  async describe(neighbor: string): Promise<string> {
    return `${await this.#vtysh("bgpd", `show bgp neighbors ${neighbor}`)}\n${this.#bgpd?.log}`;
  }

  async kill(): Promise<void> {
    await this.#bgpd?.end("SIGKILL");
  }

  async stop(): Promise<void> {
    for (const child of [this.#bgpd, ...this.#helpers]) await child?.end("SIGKILL");
  }

  complaints(): readonly string[] {
    return (
      [this.#bgpd, ...this.#helpers]
        .flatMap((child) => child?.log.split("\n") ?? [])
        // EC: a code of an error or a warning. What has no time stamp comes before there is a log.
        .filter((line) => line !== "" && (line.includes("[EC ") || !/^\d{4}\/\d\d\/\d\d /.test(line)))
        .map((line) => line.replace(/^[\d/]+ [\d:.]+ /, ""))
    );
  }

  get #run(): string {
    return join(this.#home.folder, "run");
  }

  async #startBgpd(config: DaemonConfig): Promise<void> {
    this.#config = config;
    const file = join(this.#home.folder, "bgpd.conf");
    writeFileSync(file, frrConfig(config), { mode: 0o644 });
    const bgpd = this.#launch("bgpd", ["-f", file, "-p", "179"]);
    this.#bgpd = bgpd;
    await waitFor(async () => {
      if (!bgpd.isRunning) throw new Error(`bgpd does not run:\n${bgpd.log}`);
      await this.#vtysh("bgpd", "show version");
    });
  }

  #launch(program: string, flags: readonly string[]): Child {
    const argv = [
      ...[join(programs, program), "-u", "frr", "-g", "frr", "--log", "stdout", "--log-level", "informational"],
      ...["--vty_socket", this.#run, "-z", join(this.#run, "zserv.api"), "-i", join(this.#run, `${program}.pid`)],
      ...["-P", "0", ...flags],
    ];
    const bfd = program === "zebra" ? [] : ["--bfdctl", join(this.#run, "bfdd.sock")];
    return new Child(this.#home.namespace, program === "bfdd" ? [...argv, ...bfd] : argv, {
      logFile: join(this.#home.folder, `${program}.log`),
    });
  }

  async #vtysh(daemon: string, ...commands: readonly string[]): Promise<string> {
    const flags = ["--vty_socket", this.#run, "-d", daemon, ...commands.flatMap((command) => ["-c", command])];
    const { stdout } = await run("vtysh", flags, { maxBuffer: 64 * 2 ** 20 });
    if (stdout.startsWith("%")) throw new Error(`${commands.join("; ")}: ${stdout}`);
    return stdout;
  }

  async #json(command: string): Promise<unknown> {
    return JSON.parse(await this.#vtysh("bgpd", command));
  }

  async #configure(line: string): Promise<void> {
    await this.#vtysh("bgpd", "configure terminal", `router bgp ${this.#config?.as}`, line);
  }
}

interface FrrPath {
  readonly aspath?: { readonly string: string };
  readonly locPrf?: number;
  readonly med?: number;
  readonly metric?: number;
  readonly community?: { readonly list: readonly string[] };
  readonly largeCommunity?: { readonly list: readonly string[] };
  readonly extendedCommunity?: { readonly string: string };
  readonly originatorId?: string;
  readonly clusterList?: { readonly list: readonly string[] };
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string }[];
  readonly peer?: { readonly peerId: string };
  readonly stale?: boolean;
}

interface FrrTable {
  readonly routes?: Readonly<Record<string, readonly FrrPath[] | { readonly paths: readonly FrrPath[] }>>;
}

function heardRoute(prefix: string, path: FrrPath): HeardRoute {
  const med = path.metric ?? path.med;
  return {
    prefix,
    nextHop: path.nexthops?.find(({ scope }) => scope !== "link-local")?.ip ?? path.nexthops?.[0]?.ip ?? "",
    asPath: path.aspath?.string === "Local" ? "" : (path.aspath?.string ?? ""),
    ...(path.locPrf === undefined ? {} : { localPref: path.locPrf }),
    ...(med === undefined ? {} : { med }),
    communities: path.community?.list ?? [],
    largeCommunities: path.largeCommunity?.list ?? [],
    routeTargets: [...(path.extendedCommunity?.string ?? "").matchAll(/RT:(\S+)/g)].map(([, text = ""]) => text),
    ...(path.originatorId === undefined ? {} : { originatorId: path.originatorId }),
    clusterList: path.clusterList?.list ?? [],
    unknown: [],
    stale: path.stale ?? false,
  };
}
