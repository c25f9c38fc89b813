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

/** BIRD 2. */
export class BirdDaemon implements Daemon {
  readonly name = "BIRD";
  readonly #home: DaemonHome;
  #config: DaemonConfig | undefined;
  #child: Child | undefined;

  constructor(home: DaemonHome) {
    this.#home = home;
  }

  version(): Promise<string> {
    return versionOf("bird", "--version");
  }

  start(config: DaemonConfig): Promise<void> {
    return this.#start(config, []);
  }

  restart(config: DaemonConfig): Promise<void> {
    return this.#start(config, ["-R"]);
  }

  async isEstablished(neighbor: string): Promise<boolean> {
    return /BGP state:\s+Established/.test(await this.#protocol(neighbor));
  }

  async routes(neighbor: string): Promise<readonly HeardRoute[]> {
    const name = this.#nameOf(neighbor);
    const routes = parseBirdRoutes(await this.#birdc("show", "route", "all", "where", "proto", "=", `"${name}"`));
    // It marks single routes only when they are long-lived stale.
    const areAllStale = (await this.#protocol(neighbor)).includes("Neighbor graceful restart active");
    return routes.map((route) => ({ ...route, stale: route.stale || areAllStale }));
  }

  async requestRefresh(neighbor: string): Promise<void> {
    await this.#birdc("reload", "in", this.#nameOf(neighbor));
  }

  async shutDown(neighbor: string, reason: string): Promise<void> {
    await this.#birdc("disable", this.#nameOf(neighbor), `"${reason}"`);
  }

  async describe(neighbor: string): Promise<string> {
    return `${await this.#protocol(neighbor)}\n${this.#log}`;
  }

  async kill(): Promise<void> {
    await this.#child?.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#child?.end("SIGKILL");
  }

  complaints(): readonly string[] {
    const harmless = /<(TRACE|INFO)>|Running as user|^$/;
    return this.#log
      .split("\n")
      .filter((line) => !harmless.test(line))
      .map((line) => line.replace(/^bird: |^[\d-]+ [\d:.]+ /g, ""));
  }

  get #log(): string {
    return this.#child?.log ?? "";
  }

  #file(name: string): string {
    return join(this.#home.folder, name);
  }

  async #start(config: DaemonConfig, flags: readonly string[]): Promise<void> {
    this.#config = config;
    writeFileSync(this.#file("bird.conf"), birdConfig(config));
    const child = new Child(
      this.#home.namespace,
      ["bird", "-f", ...flags, "-c", this.#file("bird.conf"), "-s", this.#file("ctl"), "-P", this.#file("pid")],
      { logFile: this.#file("bird.log") },
    );
    this.#child = child;
    await waitFor(async () => {
      if (!child.isRunning) throw new Error(`BIRD does not run:\n${child.log}`);
      await this.#birdc("show", "status");
    });
  }

  async #birdc(...command: readonly string[]): Promise<string> {
    return (await run("birdc", ["-s", this.#file("ctl"), ...command])).stdout;
  }

  #protocol(neighbor: string): Promise<string> {
    return this.#birdc("show", "protocols", "all", this.#nameOf(neighbor));
  }

  #nameOf(neighbor: string): string {
    return `n${this.#config?.neighbors.findIndex(({ address }) => address === neighbor) ?? 0}`;
  }
}

function birdConfig({ as, routerId, neighbors, networks }: DaemonConfig): string {
  const needsBfd = neighbors.some(({ bfd }) => bfd);
  return `
log stderr all;
router id ${routerId};
protocol device {}
protocol direct { ipv4; ipv6; }
${needsBfd ? 'protocol bfd { interface "*" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }' : ""}
${networks.map((network, index) => birdNetwork(network, index)).join("\n")}
${neighbors.map((neighbor, index) => birdNeighbor(as, neighbor, `n${index}`)).join("\n")}
`;
}

function birdNetwork({ prefix, community, largeCommunity, routeTarget, med, nextHop }: NetworkConfig, index: number) {
  const tuple = (text: string) => text.replaceAll(":", ",");
  const set = [
    ...(community === undefined ? [] : [`bgp_community.add((${tuple(community)}));`]),
    ...(largeCommunity === undefined ? [] : [`bgp_large_community.add((${tuple(largeCommunity)}));`]),
    ...(routeTarget === undefined ? [] : [`bgp_ext_community.add((rt,${tuple(routeTarget)}));`]),
    ...(med === undefined ? [] : [`bgp_med = ${med};`]),
    ...(nextHop === undefined ? [] : [`bgp_next_hop = ${nextHop};`]),
  ];
  const family = prefix.includes(":") ? "ipv6" : "ipv4";
  return `protocol static s${index} { ${family}; route ${prefix} blackhole { ${set.join(" ")} }; }`;
}

function birdNeighbor(as: number, neighbor: NeighborConfig, name: string): string {
  const channels = neighbor.families.map((family) => {
    const options = [
      "import all;",
      "export where source != RTS_DEVICE;",
      ...(neighbor.addPath ? ["add paths on;"] : []),
      ...(neighbor.extendedNextHop ? ["extended next hop on;"] : []),
      ...(neighbor.maxPrefixes === undefined ? [] : [`import limit ${neighbor.maxPrefixes} action disable;`]),
    ];
    return `${family.slice(0, 4)} { ${options.join(" ")} };`;
  });
  const options = [
    `local ${neighbor.localAddress} as ${as};`,
    `neighbor ${neighbor.address} as ${neighbor.remoteAs};`,
    "direct;",
    `hold time ${neighbor.production?.holdSec ?? 90};`,
    ...(neighbor.production ? [] : ["connect delay time 1;", "connect retry time 1;", "error wait time 1, 2;"]),
    "debug { states, events };",
    ...(neighbor.passive ? ["passive on;"] : []),
    ...(neighbor.password === undefined ? [] : [`password "${neighbor.password}";`]),
    ...(neighbor.ttlSecurity ? ["ttl security on;"] : []),
    ...(neighbor.gracefulRestartSec === undefined
      ? ["graceful restart off;"]
      : ["graceful restart on;", `graceful restart time ${neighbor.gracefulRestartSec};`]),
    ...(neighbor.longLivedSec === undefined
      ? []
      : ["long lived graceful restart on;", `long lived stale time ${neighbor.longLivedSec};`]),
    ...(neighbor.routeReflectorClient ? ["rr client;"] : []),
    ...(neighbor.twoOctetAs ? ["enable as4 off;"] : []),
    ...(neighbor.extendedMessages ? ["enable extended messages on;"] : []),
    ...(neighbor.role === undefined ? [] : [`local role ${neighbor.role};`, "require roles on;"]),
    ...(neighbor.bfd ? ["bfd on;"] : []),
  ];
  return `protocol bgp ${name} {\n  ${[...options, ...channels].join("\n  ")}\n}`;
}

/** Reads the answer of `show route all`. */
export function parseBirdRoutes(answer: string): HeardRoute[] {
  const routes: { prefix: string; stale: boolean; attributes: Map<string, string> }[] = [];
  let prefix = "";
  for (const line of answer.split("\n")) {
    const head = /^(\S+\/\d+)?\s+(?:unicast|blackhole|unreachable) \[\S+ [^\]]*\](.*)$/.exec(line);
    if (head !== null) {
      prefix = head[1] ?? prefix;
      routes.push({ prefix, stale: /\(\d+s/.test(head[2] ?? ""), attributes: new Map() });
      continue;
    }
    const attribute = /^\tBGP\.([^:]+): ?(.*)$/.exec(line);
    if (attribute?.[1] !== undefined) routes.at(-1)?.attributes.set(attribute[1], attribute[2] ?? "");
  }
  return routes.map(({ prefix, stale, attributes }) => {
    const numberOf = (name: string) => {
      const text = attributes.get(name);
      return text === undefined ? {} : { value: Number(text) };
    };
    const tuples = (name: string) =>
      [...(attributes.get(name) ?? "").matchAll(/\(([^)]*)\)/g)].map(([, text = ""]) => text.replace(/,\s*/g, ":"));
    const { value: localPref } = numberOf("local_pref");
    const { value: med } = numberOf("med");
    const originatorId = attributes.get("originator_id");
    return {
      prefix,
      nextHop: attributes.get("next_hop") ?? "",
      asPath: attributes.get("as_path") ?? "",
      ...(localPref === undefined ? {} : { localPref }),
      ...(med === undefined ? {} : { med }),
      communities: tuples("community"),
      largeCommunities: tuples("large_community"),
      routeTargets: tuples("ext_community").flatMap((text) => (text.startsWith("rt:") ? [text.slice(3)] : [])),
      ...(originatorId === undefined ? {} : { originatorId }),
      clusterList: (attributes.get("cluster_list") ?? "").split(" ").filter((text) => text !== ""),
      unknown: [...attributes].flatMap(([name, value]) => {
        const unknown = /^([0-9a-f]{2}) \[/.exec(name);
        return unknown === null ? [] : [`${unknown[1]}:${value.replaceAll(" ", "")}`];
      }),
      stale,
    };
  });
}
