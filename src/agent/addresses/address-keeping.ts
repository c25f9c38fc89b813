import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Datastore } from "../../datastore/datastore.ts";
import { collectorKey } from "../../datastore/own-keys.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { podInterfaceName } from "../../endpoint/names.ts";
import type { RouteStatus } from "../../fib/types.ts";
import { IpamAdministration } from "../../ipam/administration.ts";
import { Collector } from "../../ipam/audit/collector.ts";
import { LeaderLease } from "../../ipam/audit/leader-lease.ts";
import { type LiveAddress, NodeAudit, type NodeFacts } from "../../ipam/audit/node-audit.ts";
import { PeriodicRun } from "../../ipam/audit/periodic-run.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import { podOwner, tunnelOwner } from "../../ipam/owners.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { NetlinkAccess } from "../../netlink/types.ts";
import { nodeTunnelAddresses } from "../../resources/node-tunnel-addresses.ts";
import type { IpamAuditView } from "../api/views.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import { ipamPools } from "../cluster-view.ts";
import type { AgentConfig } from "../config/settings.ts";
import type { PodManager } from "../pods/pod-manager.ts";
import { isPodHandle, podHandle, podIdentity } from "../pods/pod-record.ts";
import { readLocalUse } from "./local-use.ts";

const leaderTtlSec = 30;

export interface AddressKeepingOptions {
  readonly nodeName: string;
  readonly config: Pick<AgentConfig, "ipamAuditIntervalSec" | "ipamCollection" | "interfacePrefix">;
  readonly ipam: Ipam;
  readonly pods: Pick<PodManager, "list" | "isBeingMade">;
  readonly client: ResourceClient;
  readonly cluster: Pick<ClusterCache, "resources" | "node">;
  /** While it is held what it tells is old. */
  readonly datastore: Datastore & { readonly isHeld: boolean };
  readonly netlink: Pick<NetlinkAccess, "links" | "routes">;
  /** True if there is a way to exactly this prefix that leads to another node. */
  readonly isRouted: (prefix: Prefix) => boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/** Keeps the records of addresses true: every agent those of its own node, and one of all agents the rest. */
export class AddressKeeping {
  readonly #options: AddressKeepingOptions;
  readonly #audit: NodeAudit;
  readonly #audits: PeriodicRun;
  readonly #lease: LeaderLease;
  readonly #collector: Collector;
  readonly #collections: PeriodicRun;
  readonly #totals = { asserted: 0, released: 0, collected: 0 };
  /** Why the last audit did not go through, if so. */
  #failure: string | undefined;

  constructor(options: AddressKeepingOptions) {
    const { config, nodeName, ipam, pods, datastore, client, cluster, isRouted, clock, random } = options;
    const logger = options.logger.child({ part: "ipam" });
    this.#options = { ...options, logger };
    const intervalMs = config.ipamAuditIntervalSec * 1_000;
    const common = { dryRun: config.ipamCollection !== "on", apartMs: intervalMs / 2, clock, logger };
    const pools = () => ipamPools(cluster.resources);
    this.#audit = new NodeAudit({
      ...common,
      nodeName,
      ipam,
      facts: () => this.#facts(),
      isPooled: (address) => pools().some(({ cidr }) => cidr.containsAddress(address)),
      deviceOf: (namespace, pod) => podInterfaceName(namespace, pod, config.interfacePrefix),
      isPodHandle,
      isBeingMade: (handleId) => pods.isBeingMade(handleId),
    });
    const administration = new IpamAdministration({ datastore, clock, random, pools });
    this.#collector = new Collector({ ...common, datastore, client, administration, isRouted });
    this.#lease = new LeaderLease({
      datastore,
      clock,
      logger,
      key: collectorKey,
      name: nodeName,
      ttlSec: leaderTtlSec,
    });
    const periodic = { intervalMs, clock, random };
    this.#audits = new PeriodicRun({
      ...periodic,
      run: () => this.#runAudit(),
      onFailure: (error) => this.#auditFailed(error),
    });
    this.#collections = new PeriodicRun({
      ...periodic,
      run: () => this.#collect(),
      onFailure: (error) => logger.warn({ error: errorMessage(error) }, "IPAM could not be collected; trying again"),
    });
  }

  /** Why no address may be given out now: until the first audit has gone through. */
  get refusal(): string | undefined {
    if (this.#audit.last !== undefined) return undefined;
    return `the addresses in use on this node have not been compared with the recorded ones yet${this.#failure === undefined ? "" : ` (${this.#failure})`}`;
  }

  /** What an operator should know, one sentence each. */
  get problems(): readonly string[] {
    const refusal = this.refusal;
    return [
      ...(refusal === undefined ? [] : [`no address is given out: ${refusal}`]),
      ...(this.#audit.last?.conflicts ?? []),
      ...(this.#lease.isLeader ? (this.#collector.last?.kept ?? []) : []),
    ];
  }

  view(): IpamAuditView {
    const { config } = this.#options;
    const { last } = this.#audit;
    const collection = this.#collector.last;
    const at = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
    return {
      auditedAt: at(last?.atMs),
      problem: this.#failure ?? null,
      conflicts: [...(last?.conflicts ?? [])],
      unused: [...(last?.unused ?? [])],
      collection: {
        mode: config.ipamCollection,
        leader: this.#lease.leader ?? null,
        lookedAt: at(collection?.atMs),
        found: [...(collection?.found ?? [])],
        kept: [...(collection?.kept ?? [])],
      },
      totals: { ...this.#totals },
    };
  }

  /** Resolves after the first audit, whether it has gone through or not. */
  start(): Promise<void> {
    return this.#audits.start();
  }

  /** From now on it may be known what is routed, so that others' waste can be told from what they use. */
  async startCollecting(): Promise<void> {
    if (this.#options.config.ipamCollection === "off") return;
    await this.#lease.start();
    await this.#collections.start();
  }

  /** The datastore tells the present again. */
  auditSoon(): void {
    this.#audits.soon();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#audits.stop(), this.#collections.stop()]);
    await this.#lease.stop();
  }

  async #runAudit(): Promise<void> {
    if (this.#options.datastore.isHeld) throw new Error("the datastore does not tell the present");
    const { asserted, released } = await this.#audit.run();
    this.#failure = undefined;
    this.#totals.asserted += asserted.length;
    this.#totals.released += released.length;
  }

  #auditFailed(error: unknown): void {
    this.#failure = errorMessage(error);
    this.#options.logger.warn({ error: this.#failure }, "the node's addresses could not be audited; trying again");
  }

  async #collect(): Promise<void> {
    if (!this.#lease.isLeader || this.#options.datastore.isHeld) return;
    this.#totals.collected += (await this.#collector.run()).collected.length;
  }

  async #facts(): Promise<NodeFacts> {
    const { netlink, config, client, nodeName, pods, cluster, clock } = this.#options;
    const local = await readLocalUse(netlink, config.interfacePrefix);
    const { resources } = await client.list("WorkloadEndpoint");
    const own = resources.filter(({ spec }) => spec.node === nodeName);
    const ofPods = pods.list().flatMap((pod) =>
      pod.addresses.map(
        (address): LiveAddress => ({
          address,
          owner: podOwner(podIdentity(nodeName, pod), clock.wallMs()),
          user: `pod ${pod.namespace}/${pod.name}`,
          device: pod.hostInterface,
        }),
      ),
    );
    const node = cluster.node(nodeName);
    const ofTunnels = (node === undefined ? [] : nodeTunnelAddresses(node)).map(
      ({ tunnel, address }): LiveAddress => ({
        address,
        owner: tunnelOwner(tunnel, nodeName),
        user: `the ${tunnel} tunnel of this node`,
        device: tunnel,
      }),
    );
    return {
      live: [...ofPods, ...ofTunnels],
      recorded: new Set(own.map(({ spec }) => podHandle(spec.containerID ?? ""))),
      local,
    };
  }
}

/** True for a route that leads to another node, also one that was found in the kernel at the start. */
export function leadsToOtherNode(status: RouteStatus | undefined): boolean {
  if (status === undefined) return false;
  const { kind, forwarding } = status.route;
  return (
    kind !== "local-block" && kind !== "workload" && forwarding.mode !== "blackhole" && forwarding.mode !== "device"
  );
}
