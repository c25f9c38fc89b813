import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { PeerView } from "../../../src/agent/api/views.ts";
import { BirdDaemon } from "../../interop/support/daemons/bird.ts";
import type { Daemon, DaemonHome, DaemonName, NetworkConfig } from "../../interop/support/daemons/daemon.ts";
import { ExaBgpDaemon } from "../../interop/support/daemons/exabgp.ts";
import { FrrDaemon } from "../../interop/support/daemons/frr.ts";
import { GoBgpDaemon } from "../../interop/support/daemons/gobgp.ts";
import { OpenBgpdDaemon } from "../../interop/support/daemons/openbgpd.ts";
import { clusterBgp, globalPeer } from "../../interop/support/resources.ts";
import { RouteWatch } from "../../interop/support/route-watch.ts";
import { eventually } from "../guest/eventually.ts";
import { Agent } from "./agent.ts";

const run = promisify(execFile);
const apiVersion = "projectcalico.org/v3";
const ourAs = 64512;
const ourAddress = "10.0.1.1";

/** The restart time that everybody asks for, in seconds; Calico's. */
export const restartTimeSec = 120;
/** A session that may come up is up after so long: OpenBGPD and GoBGP wait longest after an error. */
const settleMs = 400_000;

/** A daemon beside us. */
export interface Neighbour {
  readonly daemon: Daemon;
  readonly namespace: string;
  readonly address: string;
  readonly as: number;
  readonly holdSec: number;
  /** Announced always. */
  readonly kept: string;
  /** Announced, but forgotten by a daemon that is back within its restart time. */
  readonly forgotten: string;
  /** It asks others to keep its routes while it restarts. */
  readonly keepsOverRestart: boolean;
  /** It keeps what it has from a neighbour that restarts. */
  readonly keepsForOthers: boolean;
  /** Its OPEN always says that it restarts, so that who restarts does not wait for its routes (RFC 4724 §4.1). */
  readonly alwaysRestarts: boolean;
}

export const daemonNames: readonly DaemonName[] = ["BIRD", "FRR", "GoBGP", "OpenBGPD", "ExaBGP"];

const makers: readonly {
  readonly make: (home: DaemonHome) => Daemon;
  readonly holdSec: number;
  readonly keepsOverRestart?: false;
  readonly keepsForOthers?: false;
  readonly alwaysRestarts?: true;
}[] = [
  { make: (home) => new BirdDaemon(home), holdSec: 240 },
  { make: (home) => new FrrDaemon(home), holdSec: 240 },
  { make: (home) => new GoBgpDaemon(home), holdSec: 90 },
  // It offers graceful restart for End-of-RIB only, without a family that it keeps.
  { make: (home) => new OpenBgpdDaemon(home), holdSec: 90, keepsOverRestart: false, alwaysRestarts: true },
  // It has no RIB.
  { make: (home) => new ExaBgpDaemon(home), holdSec: 90, keepsForOthers: false, alwaysRestarts: true },
];

/** Our agent and the five daemons on one segment, everybody with the times of production. */
export class SoakCluster {
  readonly agent: Agent;
  readonly neighbours: readonly Neighbour[];
  #timesEstablished = new Map<string, number>();

  private constructor(agent: Agent, neighbours: readonly Neighbour[]) {
    this.agent = agent;
    this.neighbours = neighbours;
  }

  static async start(): Promise<SoakCluster> {
    const folder = mkdtempSync(join(tmpdir(), "soak-"));
    // Some daemons give up root before they open their files.
    chmodSync(folder, 0o755);
    const home = (namespace: string) => {
      mkdirSync(join(folder, namespace));
      return { namespace, folder: join(folder, namespace) };
    };
    const neighbours = makers.map(({ make, ...others }, index) => {
      const namespace = `them${index}`;
      return {
        ...{ keepsOverRestart: true, keepsForOthers: true, alwaysRestarts: false, ...others },
        ...{ daemon: make(home(namespace)), namespace, address: `10.0.1.${index + 11}`, as: ourAs + index + 1 },
        ...{ kept: `198.51.${index}.0/24`, forgotten: `203.0.${index}.0/24` },
      };
    });
    const cluster = new SoakCluster(new Agent("us", home("us").folder, `${ourAddress}/24`), neighbours);
    await cluster.#connect();
    // OpenBGPD stays Idle for ever if it starts in the first second of a machine.
    await delay(5_000);
    for (const neighbour of neighbours) await cluster.startDaemon(neighbour, "start", allNetworks(neighbour));
    await cluster.agent.start();
    await cluster.#configure();
    // FRR says for so long that it is restarting.
    await delay((restartTimeSec + 10) * 1000);
    await cluster.settled();
    return cluster;
  }

  startDaemon(neighbour: Neighbour, how: "start" | "restart", networks: readonly string[]): Promise<void> {
    const { daemon, address, as, holdSec } = neighbour;
    return daemon[how]({
      as,
      routerId: address,
      networks: networks.map((prefix): NetworkConfig => ({ prefix })),
      neighbors: [
        {
          ...{ address: ourAddress, localAddress: address, remoteAs: ourAs, families: ["ipv4-unicast"] },
          ...{ gracefulRestartSec: restartTimeSec, production: { holdSec } },
        },
      ],
    });
  }

  neighbour(name: DaemonName): Neighbour {
    const found = this.neighbours.find(({ daemon }) => daemon.name === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  }

  /** What the daemon has from us. */
  async heardBy({ daemon }: Neighbour): Promise<string[]> {
    return (await daemon.routes(ourAddress)).map(({ prefix }) => prefix);
  }

  async peer({ address }: Neighbour): Promise<PeerView> {
    const peer = (await this.agent.peers()).find((candidate) => candidate.address === address);
    if (peer === undefined) throw new Error(`the agent has no peer ${address}`);
    return peer;
  }

  /** Waits until every session is up on both sides, and both sides have the routes that they should, and nothing else. */
  async settled(forgetful?: Neighbour): Promise<void> {
    await eventually(() => this.#ours(forgetful), settleMs, 1_000);
    await eventually(() => this.#theirs(), settleMs, 5_000);
    this.#timesEstablished = new Map((await this.agent.peers()).map((peer) => [peer.address, peer.timesEstablished]));
  }

  /** As `settled`, and no session but those with these has ended since the last time. */
  async settledWithout(affected: readonly Neighbour[], forgetful?: Neighbour): Promise<void> {
    const before = this.#timesEstablished;
    await this.settled(forgetful);
    const lost = this.neighbours.filter(
      (neighbour) =>
        !affected.includes(neighbour) &&
        this.#timesEstablished.get(neighbour.address) !== before.get(neighbour.address),
    );
    if (lost.length === 0) return;
    const words = await Promise.all(lost.map(async (one) => `${one.daemon.name}: ${(await this.peer(one)).reason}`));
    throw new Error(`sessions were lost without a cause:\n${words.join("\n")}`);
  }

  /** Makes a daemon hear and say nothing; neither side is told. */
  async setForwarding({ namespace }: Neighbour, isOn: boolean): Promise<void> {
    await run("bridge", ["-n", "lan", "link", "set", "dev", namespace, "state", isOn ? "3" : "0"]);
  }

  /** The cable of a namespace. */
  async setLink(namespace: string, state: "up" | "down"): Promise<void> {
    await run("ip", ["-n", "lan", "link", "set", namespace, state]);
  }

  watchRoutes(): Promise<RouteWatch> {
    return RouteWatch.start(this.agent.namespace);
  }

  /** With a message the session is administratively down. */
  async setPeer(neighbour: Neighbour, shutdown?: string): Promise<void> {
    const { address, as, holdSec } = neighbour;
    const peer = globalPeer(neighbour.namespace, address, as) as { metadata: object };
    const annotations = {
      "calibird.io/hold-time": `${holdSec}s`,
      ...(shutdown === undefined ? {} : { "calibird.io/shutdown": shutdown }),
    };
    await this.#apply({ ...peer, metadata: { ...peer.metadata, annotations } });
  }

  async diagnose(): Promise<string> {
    const theirs = this.neighbours.map(async ({ daemon }) => {
      const words = await daemon.describe(ourAddress).catch(String);
      return `--- ${daemon.name}\n${words.split("\n").slice(-40).join("\n")}`;
    });
    return [`--- we\n${this.agent.log.split("\n").slice(-60).join("\n")}`, ...(await Promise.all(theirs))].join("\n");
  }

  async #ours(forgetful: Neighbour | undefined): Promise<string[]> {
    const problems = (await this.agent.peers()).flatMap(({ address, state, reason, routes: { stale } }) => [
      ...(state === "Established" ? [] : [`${address} is ${state}: ${reason}`]),
      ...(stale === 0 ? [] : [`${stale} stale routes of ${address}`]),
    ]);
    if (problems.length > 0) return problems;
    const wanted = this.neighbours
      .flatMap((neighbour) => (neighbour === forgetful ? [neighbour.kept] : allNetworks(neighbour)))
      .sort();
    const found = await this.agent.kernelRoutes();
    return found.join() === wanted.join() ? [] : [`the kernel has ${found.join(" ")}, not ${wanted.join(" ")}`];
  }

  async #theirs(): Promise<string[]> {
    const block = await this.agent.block();
    const problems = await Promise.all(
      this.neighbours.map(async (neighbour) => {
        const { daemon } = neighbour;
        if (!(await daemon.isEstablished(ourAddress))) return [`${daemon.name} is not Established`];
        const routes = await daemon.routes(ourAddress);
        const seen = routes.map(({ prefix, stale }) => `${prefix}${stale ? " stale" : ""}`).join();
        return seen === block ? [] : [`${daemon.name} has ${seen} from us, not ${block}`];
      }),
    );
    return problems.flat();
  }

  async #connect(): Promise<void> {
    const places = [
      { namespace: "us", address: ourAddress },
      ...this.neighbours.map(({ namespace, address }) => ({ namespace, address })),
    ];
    for (const { namespace } of [{ namespace: "lan" }, ...places]) await run("ip", ["netns", "add", namespace]);
    await run("ip", ["-n", "lan", "link", "add", "lan0", "type", "bridge"]);
    await run("ip", ["-n", "lan", "link", "set", "lan0", "up"]);
    for (const { namespace, address } of places)
      for (const words of [
        `-n lan link add ${namespace} type veth peer name eth0 netns ${namespace}`,
        `-n lan link set ${namespace} master lan0 up`,
        `-n ${namespace} link set lo up`,
        `-n ${namespace} address add ${address}/24 dev eth0`,
        `-n ${namespace} link set eth0 up`,
      ])
        await run("ip", words.split(" "));
  }

  async #configure(): Promise<void> {
    await this.#apply(clusterBgp({ nodeToNodeMeshEnabled: false, asNumber: ourAs }));
    const spec = { cidr: "10.244.0.0/16", blockSize: 26, natOutgoing: false, ipipMode: "Never" };
    await this.#apply({ apiVersion, kind: "IPPool", metadata: { name: "pods" }, spec });
    for (const neighbour of this.neighbours) await this.setPeer(neighbour);
    await this.agent.client.admin("POST", "/v1/pods", { namespace: "default", name: "pod" });
  }

  async #apply(resource: object): Promise<void> {
    await this.agent.client.admin("PUT", "/v1/resources", resource);
  }
}

/** What a daemon announces. */
export function allNetworks({ kept, forgotten }: Neighbour): string[] {
  return [kept, forgotten];
}
