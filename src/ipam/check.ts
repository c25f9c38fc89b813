import type { Prefix } from "../net/prefix.ts";
import { type Allocation, allocationsOf } from "./allocations.ts";
import { attributesOf, type Block, handleOf, ownerOfNode } from "./block.ts";
import { nodeOf } from "./block-choice.ts";
import type { AddressUse, ClusterFacts } from "./cluster-facts.ts";
import type { BlockAffinity, IpamSurvey } from "./survey.ts";

/** The handle of addresses that Windows keeps for itself; it is stored nowhere but in blocks. */
const WINDOWS_HANDLE = "windows-reserved-ipam-handle";

/** A handle that counts another number of addresses of a block than the block has of it. */
export interface MiscountedHandle {
  readonly handleId: string;
  readonly block: string;
  readonly counted: number;
  readonly held: number;
}

export interface IpamReport {
  readonly allocations: readonly { readonly allocation: Allocation; readonly uses: readonly AddressUse[] }[];
  /** Allocated, but nothing says that it uses the address. */
  readonly leaked: readonly Allocation[];
  /** Used by two or more at the same time. */
  readonly shared: readonly { readonly address: string; readonly uses: readonly AddressUse[] }[];
  /** Used, inside a pool, and not allocated. */
  readonly unallocated: readonly AddressUse[];
  /** Used, but in no enabled pool. */
  readonly outsidePools: readonly AddressUse[];
  /** Handles that count only addresses that they don't have. */
  readonly emptyHandles: readonly { readonly handleId: string; readonly revision: bigint }[];
  /** Of the other handles, also those that are missing. */
  readonly miscountedHandles: readonly MiscountedHandle[];
  /** Handles that blocks mention and that are not stored. */
  readonly missingHandles: readonly string[];
  readonly invalidBlocks: readonly { readonly block: Prefix; readonly problem: string }[];
  /** Affinities to blocks that are another node's, nobody's or not there. */
  readonly strayAffinities: readonly BlockAffinity[];
  /** Blocks of nodes that don't exist. */
  readonly blocksOfMissingNodes: readonly { readonly block: Prefix; readonly node: string }[];
  readonly unreadable: readonly string[];
  /** How many of the above are problems. */
  readonly problems: number;
}

/** Holds what IPAM has stored against itself and against what the cluster's resources say. */
export function checkIpam(survey: IpamSurvey, facts: ClusterFacts, nowMs: number): IpamReport {
  const { blocks, affinities, unreadable } = survey;
  const overlaps = overlapsAmong(blocks);
  const owners: BlockOwners = new Map(blocks.map(({ cidr, affinity }) => [cidr.toString(), affinity]));
  const usesOf = groupUses(facts.uses);
  const allocations = blocks.flatMap(allocationsOf).map((allocation) => ({
    allocation,
    uses: usesOf.get(allocation.address.toString()) ?? [],
  }));
  const allocated = new Set(
    allocations.filter(({ allocation }) => !allocation.coolingDown).map(({ allocation }) => `${allocation.address}`),
  );
  const enabled = facts.pools.filter((pool) => !pool.disabled);
  const isPooled = ({ address }: AddressUse) => enabled.some(({ cidr }) => cidr.containsAddress(address));
  const report = {
    allocations,
    leaked: allocations.flatMap(({ allocation, uses }) =>
      uses.length === 0 && isExpectedInUse(allocation, owners) ? [allocation] : [],
    ),
    shared: [...usesOf].flatMap(([address, uses]) => (uses.length > 1 ? [{ address, uses }] : [])),
    unallocated: facts.uses.filter((use) => isPooled(use) && !allocated.has(use.address.toString())),
    outsidePools: facts.uses.filter((use) => !isPooled(use)),
    ...checkHandles(survey),
    invalidBlocks: blocks.flatMap((block) => blockProblems(block, overlaps.get(block), nowMs)),
    strayAffinities: affinities.filter(({ node, block }) => owners.get(block.toString()) !== ownerOfNode(node)),
    blocksOfMissingNodes: blocks.flatMap((block) => {
      const node = nodeOf(block);
      return node === undefined || facts.nodes.has(node) ? [] : [{ block: block.cidr, node }];
    }),
    unreadable,
  };
  const { allocations: _, outsidePools: _outside, ...problems } = report;
  return { ...report, problems: Object.values(problems).reduce((sum, found) => sum + found.length, 0) };
}

/** Compares what handles count with what blocks have. */
export function checkHandles({
  blocks,
  handles,
}: Pick<IpamSurvey, "blocks" | "handles">): Pick<IpamReport, "emptyHandles" | "miscountedHandles" | "missingHandles"> {
  const held = new Map<string, Map<string, number>>();
  for (const block of blocks)
    for (const ordinal of block.allocations.keys()) {
      const handleId = handleOf(block, ordinal);
      if (handleId === undefined || handleId === WINDOWS_HANDLE) continue;
      const counts = held.get(handleId) ?? new Map<string, number>();
      held.set(handleId, counts);
      counts.set(block.cidr.toString(), (counts.get(block.cidr.toString()) ?? 0) + 1);
    }
  const miscounted: MiscountedHandle[] = [];
  const compare = (handleId: string, counted: ReadonlyMap<string, number>) => {
    const actual = held.get(handleId) ?? new Map<string, number>();
    for (const block of new Set([...counted.keys(), ...actual.keys()])) {
      const counts = { counted: counted.get(block) ?? 0, held: actual.get(block) ?? 0 };
      if (counts.counted !== counts.held) miscounted.push({ handleId, block, ...counts });
    }
  };
  const empty: { handleId: string; revision: bigint }[] = [];
  for (const [handleId, { counts, revision }] of handles)
    if (held.has(handleId)) compare(handleId, counts);
    else empty.push({ handleId, revision });
  const missing = [...held.keys()].filter((handleId) => !handles.has(handleId));
  for (const handleId of missing) compare(handleId, new Map());
  return { emptyHandles: empty, miscountedHandles: miscounted, missingHandles: missing };
}

function groupUses(uses: readonly AddressUse[]): Map<string, AddressUse[]> {
  const groups = new Map<string, AddressUse[]>();
  for (const use of uses) {
    const key = use.address.toString();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [use]);
    else group.push(use);
  }
  return groups;
}

/** What load balancers and Windows keep is used by nothing that has a resource. */
function isExpectedInUse({ handleId, coolingDown, block }: Allocation, owners: BlockOwners): boolean {
  if (coolingDown || handleId === WINDOWS_HANDLE) return false;
  return owners.get(block.toString())?.startsWith("virtual:") !== true;
}

/** Affinities of blocks by their CIDRs as text; null: nobody's. */
type BlockOwners = ReadonlyMap<string, string | null>;

/** Of blocks that overlap others, one of those. Prefixes that overlap are nested, so one walk in their order finds them. */
function overlapsAmong(blocks: readonly Block[]): ReadonlyMap<Block, Block> {
  const overlaps = new Map<Block, Block>();
  let outer: Block | undefined;
  for (const block of [...blocks].sort((left, right) => left.cidr.compare(right.cidr))) {
    if (outer?.cidr.overlaps(block.cidr) !== true) outer = block;
    else {
      overlaps.set(block, outer);
      if (!overlaps.has(outer)) overlaps.set(outer, block);
    }
  }
  return overlaps;
}

function blockProblems(
  block: Block,
  overlapping: Block | undefined,
  nowMs: number,
): { block: Prefix; problem: string }[] {
  const problems: string[] = [];
  const { allocations, unallocated, cidr } = block;
  const free = new Set(unallocated);
  if (free.size < unallocated.length) problems.push("an address is free twice");
  for (const [ordinal, index] of allocations.entries()) {
    const address = cidr.address.plus(ordinal);
    if ((index === null) !== free.has(ordinal))
      problems.push(index === null ? `${address} is neither free nor taken` : `${address} is both free and taken`);
    const releasedAt = attributesOf(block, ordinal)?.releasedAt;
    if (typeof releasedAt === "string" && Date.parse(releasedAt) > nowMs)
      problems.push(`${address} was released in the future, at ${releasedAt}`);
  }
  const used = new Set(allocations);
  for (const index of (block.attributes ?? []).keys())
    if (!used.has(index)) problems.push(`attribute ${index} belongs to no address`);
  if (overlapping !== undefined) problems.push(`it overlaps the block ${overlapping.cidr}`);
  return problems.map((problem) => ({ block: cidr, problem }));
}
