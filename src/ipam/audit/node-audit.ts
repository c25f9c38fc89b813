import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { IpAddress } from "../../net/address.ts";
import { type Allocation, allocationsOf } from "../allocations.ts";
import type { AddressOwner, Block } from "../block.ts";
import { IpamError } from "../errors.ts";
import type { Ipam } from "../ipam.ts";
import { isKeptHandle, keptOwner, legacyPodHandle } from "../owners.ts";
import { Sightings } from "./sightings.ts";

/** An address that this node uses. */
export interface LiveAddress {
  readonly address: IpAddress;
  readonly owner: AddressOwner;
  /** For people: `pod default/web`. */
  readonly user: string;
  /** The host's interface that leads to it. */
  readonly device: string;
}

/** What the kernel knows of pods, whoever made them. */
export interface LocalUse {
  /** By the text of an address that has a route through a pod's interface: that interface. */
  readonly routed: ReadonlyMap<string, { readonly address: IpAddress; readonly device: string }>;
  /** Names of all interfaces. */
  readonly devices: ReadonlySet<string>;
}

/** What the node itself knows, read anew for every audit. */
export interface NodeFacts {
  /** Pods first: a tunnel can take another address, a pod can't. */
  readonly live: readonly LiveAddress[];
  /** Handles of endpoints that are recorded, whether they live or not. */
  readonly recorded: ReadonlySet<string>;
  readonly local: LocalUse;
}

export interface NodeAuditOptions {
  readonly nodeName: string;
  readonly ipam: Pick<Ipam, "blocks" | "describeAddress" | "assertAddress" | "releaseAddresses">;
  readonly facts: () => Promise<NodeFacts>;
  /** True for an address that IPAM is responsible for. */
  readonly isPooled: (address: IpAddress) => boolean;
  /** The host's interface of a pod. */
  readonly deviceOf: (namespace: string, pod: string) => string;
  /** True for handles of pods that are this agent's. */
  readonly isPodHandle: (handleId: string) => boolean;
  /** True while a pod with this handle is being made. */
  readonly isBeingMade: (handleId: string) => boolean;
  /** Only report what would be freed. */
  readonly dryRun: boolean;
  /** How far apart two looks must be before something is freed. */
  readonly apartMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one audit has found and done. */
export interface NodeAuditReport {
  readonly atMs: number;
  /** Addresses that were in use and not recorded, and are now. */
  readonly asserted: readonly string[];
  /** Addresses that two use, a sentence each; somebody has to make one of the two anew. */
  readonly conflicts: readonly string[];
  /** Recorded for this node, but used by nothing; freed if a later audit finds the same. */
  readonly unused: readonly string[];
  readonly released: readonly string[];
}

/**
 * Holds the addresses that are recorded for this node against those that it uses. What is used and not recorded is recorded
 * at once: the datastore may be a restored backup. What is recorded and not used is freed at the second look, and never while
 * an interface or a route of it is there.
 */
export class NodeAudit {
  readonly #options: NodeAuditOptions;
  readonly #sightings: Sightings;
  #last: NodeAuditReport | undefined;

  constructor(options: NodeAuditOptions) {
    this.#options = options;
    this.#sightings = new Sightings(options.apartMs);
  }

  /** Of the last audit that went through; undefined before the first. */
  get last(): NodeAuditReport | undefined {
    return this.#last;
  }

  /** Throws DatastoreError and IpamError if the addresses can't be read or written; then nothing is known for sure. */
  async run(): Promise<NodeAuditReport> {
    const { ipam, facts, clock } = this.#options;
    // Blocks first: what is taken after this is not looked at, and what is freed after it is found to be gone.
    const allocations = indexAllocations(await ipam.blocks());
    const known = await facts();
    const report = { asserted: [] as string[], conflicts: [] as string[] };
    for (const live of [...known.live, ...keptAddresses(known, this.#options.nodeName, allocations)])
      if (this.#options.isPooled(live.address)) await this.#assert(live, allocations, known, report);
    const unused = [...allocations.values()].filter((allocation) => this.#isUnused(allocation, known));
    const released = await this.#free(unused, known);
    this.#last = { atMs: clock.wallMs(), ...report, unused: unused.map(({ address }) => `${address}`), released };
    return this.#last;
  }

  /** Makes sure that an address in use is recorded as its user's. */
  async #assert(
    live: LiveAddress,
    allocations: ReadonlyMap<string, Allocation>,
    known: NodeFacts,
    report: { readonly asserted: string[]; readonly conflicts: string[] },
  ): Promise<void> {
    const { address, owner, user } = live;
    const before = allocations.get(address.toString());
    if (before !== undefined && isSameOwner(before, owner)) return;
    try {
      const found = await this.#options.ipam.describeAddress(address);
      if (found !== undefined && !found.coolingDown) {
        if (isSameOwner(found, owner)) return;
        if (!this.#isLeftOver(found, live, known)) {
          report.conflicts.push(describeConflict(live, found));
          return;
        }
        await this.#options.ipam.releaseAddresses([requestFor(found)]);
      }
      await this.#options.ipam.assertAddress({ ...owner, address });
    } catch (error) {
      if (!(error instanceof IpamError && error.code === "ADDRESS_IN_USE")) throw error;
      report.conflicts.push(`${user} uses ${address}, but it was given to somebody else just now: ${error.message}`);
      return;
    }
    this.#options.logger.warn({ address: address.toString(), user }, "an address in use was not recorded; it is now");
    report.asserted.push(address.toString());
  }

  /** True for what an earlier user of the address has left: nobody of this node uses it, and its interface is gone. */
  #isLeftOver(found: Allocation, live: LiveAddress, known: NodeFacts): boolean {
    const { nodeName } = this.#options;
    if (found.node !== nodeName) return false;
    const usesIt = (other: LiveAddress) =>
      other !== live && other.address.equals(found.address) && other.owner.handleId === found.handleId;
    return !known.live.some(usesIt) && !this.#hasDevice(found, known);
  }

  #isUnused(allocation: Allocation, known: NodeFacts): boolean {
    const { live, recorded, local } = known;
    const { nodeName, isPodHandle, isBeingMade } = this.#options;
    const { handleId, node, coolingDown, address } = allocation;
    if (coolingDown || node !== nodeName || handleId === undefined) return false;
    if (!(isPodHandle(handleId) || isKeptHandle(handleId)) || recorded.has(handleId) || isBeingMade(handleId))
      return false;
    return (
      !local.routed.has(address.toString()) &&
      !live.some((each) => each.owner.handleId === handleId || each.address.equals(address)) &&
      !this.#hasDevice(allocation, known)
    );
  }

  /** True if the pod's interface is there; not if it is that of a pod whose addresses are known. */
  #hasDevice(allocation: Allocation, { live, local }: NodeFacts): boolean {
    const device = this.#deviceOf(allocation);
    return device !== undefined && local.devices.has(device) && !live.some((each) => each.device === device);
  }

  async #free(unused: readonly Allocation[], { local }: NodeFacts): Promise<string[]> {
    const { ipam, clock, logger, dryRun } = this.#options;
    const seen = unused.map((allocation) => ({ key: sightingKey(allocation), subject: allocation }));
    const released: string[] = [];
    for (const allocation of this.#sightings.confirm(seen, clock.wallMs())) {
      const facts = { address: `${allocation.address}`, handleId: allocation.handleId, interfaces: local.devices.size };
      if (dryRun) {
        logger.warn(facts, "an address that nothing uses would be freed");
        continue;
      }
      try {
        const freed = await ipam.releaseAddresses([requestFor(allocation)]);
        if (freed.length === 0) continue;
      } catch (error) {
        // It has been freed and taken again meanwhile.
        if (error instanceof IpamError && error.code === "ADDRESS_IN_USE") continue;
        throw error;
      }
      logger.warn(facts, "an address that nothing uses is freed");
      released.push(facts.address);
    }
    return released;
  }

  #deviceOf({ attributes, handleId }: Allocation): string | undefined {
    const { namespace, pod, device } = attributes;
    if (handleId !== undefined && isKeptHandle(handleId)) return device;
    return namespace === undefined || pod === undefined ? undefined : this.#options.deviceOf(namespace, pod);
  }
}

function indexAllocations(blocks: readonly Block[]): Map<string, Allocation> {
  return new Map(blocks.flatMap(allocationsOf).map((allocation) => [allocation.address.toString(), allocation]));
}

/** Addresses that have a route through a pod's interface, while nothing says whose they are. */
function keptAddresses(
  { live, local }: NodeFacts,
  node: string,
  allocations: ReadonlyMap<string, Allocation>,
): LiveAddress[] {
  const known = new Set(live.map(({ address }) => address.toString()));
  return [...local.routed].flatMap(([text, { address, device }]) => {
    if (known.has(text) || allocations.get(text)?.node === node) return [];
    return [{ address, device, owner: keptOwner(device, node), user: `an unknown pod behind ${device}` }];
  });
}

/** True also for the same container, or pod, under the handle that another plugin has given it. */
function isSameOwner({ handleId }: Allocation, owner: AddressOwner): boolean {
  if (handleId === undefined || handleId === owner.handleId) return handleId !== undefined;
  const { namespace, pod } = owner.attributes;
  if (namespace === undefined || pod === undefined) return false;
  const container = owner.handleId.slice(owner.handleId.lastIndexOf("."));
  return handleId.endsWith(container) || handleId === legacyPodHandle({ namespace, pod });
}

function requestFor({ address, handleId, sequenceNumber }: Allocation) {
  return { address, sequenceNumber, ...(handleId !== undefined && { handleId }) };
}

function sightingKey({ address, handleId, sequenceNumber }: Allocation): string {
  return `${address} ${handleId} ${sequenceNumber}`;
}

function describeConflict({ address, user }: LiveAddress, { handleId, attributes, node }: Allocation): string {
  const { namespace, pod } = attributes;
  const holder = pod === undefined ? `handle ${handleId ?? "(none)"}` : `pod ${namespace}/${pod}`;
  return (
    `${user} uses ${address}, which is recorded for ${holder} of node ${node ?? "(unknown)"}: ` +
    "delete one of the two, so that it gets another address"
  );
}
