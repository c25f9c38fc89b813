import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
import { type ExaBgpEvent, ExaBgpTable } from "./exabgp-table.ts";

/** ExaBGP, which has no RIB of its own: what its API tells is collected here. */
export class ExaBgpDaemon implements Daemon {
  readonly name = "ExaBGP";
  readonly #home: DaemonHome;
  #child: Child | undefined;

  constructor(home: DaemonHome) {
    this.#home = home;
  }

  version(): Promise<string> {
    return versionOf("exabgp", "--version");
  }

  async start(config: DaemonConfig): Promise<void> {
    for (const file of [this.#events, this.#commands]) writeFileSync(file, "");
    const relay = `#!/bin/bash\nexec 3<&0\ncat <&3 >>${this.#events} &\nexec tail -n +1 -f ${this.#commands}\n`;
    writeFileSync(this.#relay, relay, { mode: 0o755 });
    const file = join(this.#home.folder, "exabgp.conf");
    writeFileSync(file, exaBgpConfig(config, this.#relay));
    const listens = config.neighbors.map(({ localAddress }) => localAddress);
    const child = new Child(this.#home.namespace, ["exabgp", file], {
      logFile: join(this.#home.folder, "exabgp.log"),
      env: {
        "exabgp.daemon.user": "root",
        "exabgp.log.destination": "stdout",
        "exabgp.api.cli": "false",
        "exabgp.api.ack": "false",
        "exabgp.tcp.bind": [...new Set(listens)].join(" "),
        // It looks a hundred times a second whether there is something to do, which is most of the work of a quiet day.
        ...(config.neighbors.some(({ production }) => production) ? { "exabgp.reactor.speed": "10" } : {}),
      },
    });
    this.#child = child;
    await waitFor(() => {
      if (!child.isRunning) throw new Error(`ExaBGP does not run:\n${child.log}`);
      if (!existsSync(this.#events)) throw new Error("ExaBGP has not started its helper");
    });
  }

  restart(config: DaemonConfig): Promise<void> {
    return this.start(config);
  }

  async isEstablished(neighbor: string): Promise<boolean> {
    return this.#table(neighbor).isUp;
  }

  async routes(neighbor: string): Promise<readonly HeardRoute[]> {
    return this.#table(neighbor).routes;
  }

  async requestRefresh(neighbor: string): Promise<void> {
    appendFileSync(this.#commands, `neighbor ${neighbor} announce route-refresh ipv4 unicast\n`);
  }

  async shutDown(neighbor: string, _reason: string): Promise<void> {
    appendFileSync(this.#commands, `neighbor ${neighbor} teardown 2\n`);
  }

  async describe(_neighbor: string): Promise<string> {
    return `${this.#child?.log}\n${readFileSync(this.#events, "utf8")}`;
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
      .filter((line) => /\b(WARN|ERR|CRIT|warning|error|critical)/i.test(line))
      .map((line) => line.replace(/^[\d:]+ \| \d+ +\| /, ""));
  }

  get #events(): string {
    return join(this.#home.folder, "events");
  }

  get #commands(): string {
    return join(this.#home.folder, "commands");
  }

  get #relay(): string {
    return join(this.#home.folder, "relay");
  }

  #table(neighbor: string): ExaBgpTable {
    const table = new ExaBgpTable();
    // The last line may be half written.
    for (const line of readFileSync(this.#events, "utf8").split("\n").slice(0, -1)) {
      const event = JSON.parse(line) as ExaBgpEvent;
      if (event.neighbor?.address.peer === neighbor) table.apply(event);
    }
    return table;
  }
}

function exaBgpConfig({ as, routerId, neighbors, networks }: DaemonConfig, relay: string): string {
  return [
    `process relay { run ${relay}; encoder json; }`,
    ...neighbors.map((neighbor) => neighborSection(as, routerId, neighbor, networks)),
    "",
  ].join("\n");
}

function neighborSection(
  as: number,
  routerId: string,
  neighbor: NeighborConfig,
  networks: readonly NetworkConfig[],
): string {
  const own = networks.filter(({ prefix }) =>
    neighbor.families.includes(prefix.includes(":") ? "ipv6-unicast" : "ipv4-unicast"),
  );
  return `neighbor ${neighbor.address} {
  router-id ${routerId};
  local-address ${neighbor.localAddress};
  local-as ${as};
  peer-as ${neighbor.remoteAs};
  hold-time ${neighbor.production?.holdSec ?? 90};
  ${neighbor.passive ? "passive true;" : ""}
  ${neighbor.password === undefined ? "" : `md5-password "${neighbor.password}";`}
  ${neighbor.ttlSecurity ? "outgoing-ttl 255; incoming-ttl 255;" : ""}
  family {
    ${neighbor.families.map((family) => `${family.replace("-", " ")};`).join(" ")}
  }
  capability {
    asn4 ${neighbor.twoOctetAs ? "disable" : "enable"};
    route-refresh enable;
    ${neighbor.gracefulRestartSec === undefined ? "" : `graceful-restart ${neighbor.gracefulRestartSec};`}
    ${neighbor.addPath ? "add-path send/receive;" : ""}
    ${neighbor.extendedMessages ? "extended-message enable;" : "extended-message disable;"}
    ${neighbor.extendedNextHop ? "nexthop enable;" : ""}
  }
  ${neighbor.extendedNextHop ? "nexthop { ipv4 unicast ipv6; }" : ""}
  static {
    ${own.map((network, index) => routeLine(network, neighbor, index)).join("\n    ")}
  }
  api {
    processes [ relay ];
    neighbor-changes;
    receive { parsed; update; notification; open; }
  }
}`;
}

function routeLine(
  { prefix, community, largeCommunity, routeTarget, med, nextHop }: NetworkConfig,
  { addPath, localAddress, families }: NeighborConfig,
  index: number,
): string {
  const isForeign = prefix.includes(":") !== localAddress.includes(":");
  const self = isForeign && families.length > 1 ? place.themV6 : "self";
  return [
    `route ${prefix} next-hop ${nextHop ?? self}`,
    ...(addPath ? [`path-information ${index + 1}`] : []),
    ...(community === undefined ? [] : [`community [${community}]`]),
    ...(largeCommunity === undefined ? [] : [`large-community [${largeCommunity}]`]),
    ...(routeTarget === undefined ? [] : [`extended-community [target:${routeTarget}]`]),
    ...(med === undefined ? [] : [`med ${med}`]),
  ]
    .join(" ")
    .concat(";");
}
