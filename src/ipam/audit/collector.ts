import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { Datastore } from "../../datastore/datastore.ts";
import { nodeClaimKey } from "../../datastore/own-keys.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { Prefix } from "../../net/prefix.ts";
import { ResourceError } from "../../resources/errors.ts";
import type { IpamAdministration } from "../administration.ts";
import { type Allocation, allocationsOf } from "../allocations.ts";
import { collect, isEmpty } from "../block.ts";
import { nodeOf } from "../block-choice.ts";
import { checkHandles } from "../check.ts";
import { IpamError } from "../errors.ts";
import { isHandleId } from "../keys.ts";
import { type IpamSurvey, surveyIpam } from "../survey.ts";
import { type Sighting, Sightings } from "./sightings.ts";

interface CollectorOptions {
  readonly datastore: Datastore;
  readonly client: Pick<ResourceClient, "list" | "get">;
  readonly administration: IpamAdministration;
  readonly clock: Clock;
  readonly logger: Logger;
  /** True if packets to exactly this prefix have a way to some node. */
  readonly isRouted: (prefix: Prefix) => boolean;
  /** Only report what would be collected. */
  readonly dryRun: boolean;
  /** How far apart two looks must be before something is collected. */
  readonly apartMs: number;
}

/** Something that nobody will give back any more. */
type Waste =
  /** A handle that counts another number of addresses of a block than it has there. */
  | { readonly kind: "handle"; readonly name: string; readonly block: Prefix | undefined }
  | { readonly kind: "node"; readonly name: string }
  /** A block without addresses and without an owner. */
  | { readonly kind: "block"; readonly name: string; readonly block: Prefix };

/** What one look has found and done. */
export interface CollectionReport {
  readonly atMs: number;
  /** What looks like waste; collected if a later look finds the same. A sentence each. */
  readonly found: readonly string[];
  readonly collected: readonly string[];
  /** Nodes that are gone but whose addresses somebody still announces, a sentence each. */
  readonly kept: readonly string[];
}

/**
 * Collects what no node gives back: handles that count wrong, what nodes had that are gone, and blocks that are empty and
 * nobody's. One agent of the cluster does it. Nothing is touched before the second look, and nothing that has a route.
 */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #sightings: Sightings;
  #last: CollectionReport | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#sightings = new Sightings(options.apartMs);
  }

  /** Undefined before the first look. */
  get last(): CollectionReport | undefined {
    return this.#last;
  }

  /** Throws DatastoreError and IpamError; what is not collected then is so later. */
  async run(): Promise<CollectionReport> {
    const { datastore, client, clock, logger, dryRun } = this.#options;
    const survey = await surveyIpam(datastore);
    const nodes = new Set((await client.list("Node")).resources.map(({ metadata }) => metadata.name));
    const nowMs = clock.wallMs();
    const { gone, kept } = this.#missingNodes(survey, nodes);
    const seen = [...handleSightings(survey), ...gone, ...emptyBlocks(survey, nowMs)];
    const collected: string[] = [];
    for (const waste of this.#sightings.confirm(seen, nowMs)) {
      const text = describe(waste);
      if (dryRun) logger.warn({ waste: text }, "IPAM would be collected");
      else if (await this.#collect(waste)) {
        logger.warn({ waste: text }, "IPAM was collected");
        collected.push(text);
      }
    }
    this.#last = { atMs: nowMs, found: seen.map(({ subject }) => describe(subject)), collected, kept };
    return this.#last;
  }

  /** Nodes that have blocks or addresses and do not exist. Without any node the list itself is not to be believed. */
  #missingNodes(survey: IpamSurvey, nodes: ReadonlySet<string>): { gone: Sighting<Waste>[]; kept: string[] } {
    const { isRouted } = this.#options;
    if (nodes.size === 0) return { gone: [], kept: [] };
    const uses = new Map<string, Prefix[]>();
    const note = (node: string | undefined, prefix: Prefix) => {
      if (node !== undefined && !nodes.has(node)) uses.set(node, [...(uses.get(node) ?? []), prefix]);
    };
    for (const block of survey.blocks) {
      note(nodeOf(block), block.cidr);
      for (const { node, address } of allocationsOf(block)) note(node, Prefix.host(address));
    }
    for (const { node, block } of survey.affinities) note(node, block);
    const gone: Sighting<Waste>[] = [];
    const kept: string[] = [];
    for (const [name, prefixes] of uses) {
      const routed = prefixes.find(isRouted);
      if (routed === undefined) gone.push({ key: `node ${name}`, subject: { kind: "node", name } });
      else kept.push(`node ${name} does not exist, but somebody announces ${routed}, which is its; it is left alone`);
    }
    return { gone, kept };
  }

  async #collect(waste: Waste): Promise<boolean> {
    const { administration } = this.#options;
    switch (waste.kind) {
      case "handle":
        if (waste.block === undefined) return administration.correctHandle(waste.name);
        return administration.recount(waste.name, waste.block);
      case "block":
        return administration.removeEmptyBlock(waste.block);
      case "node":
        return this.#collectNode(waste.name);
    }
  }

  /** Frees what a node had, unless it has come back by now or its agent lives. */
  async #collectNode(name: string): Promise<boolean> {
    const { administration, datastore } = this.#options;
    const claim = await datastore.get(nodeClaimKey(name));
    if (claim.item !== undefined || (await this.#exists(name))) return false;
    const { blocks } = await surveyIpam(datastore);
    const own = blocks.flatMap(allocationsOf).filter(({ node, coolingDown }) => node === name && !coolingDown);
    for (const allocation of own) await this.#free(allocation);
    await administration.releaseNode(name, { onlyEmpty: false });
    return true;
  }

  async #free({ address, handleId, sequenceNumber }: Allocation): Promise<void> {
    try {
      const request = { address, sequenceNumber, ...(handleId !== undefined && { handleId }) };
      await this.#options.administration.release([request]);
    } catch (error) {
      // It has been freed and taken again meanwhile.
      if (!(error instanceof IpamError && error.code === "ADDRESS_IN_USE")) throw error;
    }
  }

  async #exists(node: string): Promise<boolean> {
    try {
      await this.#options.client.get("Node", node);
      return true;
    } catch (error) {
      if (error instanceof ResourceError && error.code === "RESOURCE_NOT_FOUND") return false;
      throw error;
    }
  }
}

function handleSightings(survey: IpamSurvey): Sighting<Waste>[] {
  const { emptyHandles, miscountedHandles } = checkHandles(survey);
  const wrong = miscountedHandles.filter(({ handleId }) => isHandleId(handleId));
  return [
    ...emptyHandles.map(
      ({ handleId, revision }): Sighting<Waste> => ({
        key: `handle ${handleId} at ${revision}`,
        subject: { kind: "handle", name: handleId, block: undefined },
      }),
    ),
    ...wrong.map(
      ({ handleId, block, counted, held }): Sighting<Waste> => ({
        key: `handle ${handleId} in ${block}: ${counted}, ${held}`,
        subject: { kind: "handle", name: handleId, block: Prefix.parse(block) },
      }),
    ),
  ];
}

function emptyBlocks({ blocks, config }: IpamSurvey, nowMs: number): Sighting<Waste>[] {
  return blocks
    .filter((block) => block.affinity === null && isEmpty(collect(block, nowMs, config.cooldownSec)))
    .map(({ cidr, sequenceNumber }) => ({
      key: `block ${cidr} at ${sequenceNumber}`,
      subject: { kind: "block", name: cidr.toString(), block: cidr },
    }));
}

function describe(waste: Waste): string {
  switch (waste.kind) {
    case "handle":
      return `handle ${waste.name} counts addresses${waste.block === undefined ? "" : ` of ${waste.block}`} that it has not, or not all`;
    case "node":
      return `node ${waste.name} does not exist and still has blocks or addresses`;
    case "block":
      return `block ${waste.name} is empty and belongs to nobody`;
  }
}
