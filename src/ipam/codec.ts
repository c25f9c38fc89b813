import { errorMessage } from "../core/errors.ts";
import {
  type ExactJson,
  type ExactJsonObject,
  isExactList,
  isExactObject,
  parseExactJson,
  printExactJson,
} from "../core/exact-json.ts";
import { Prefix } from "../net/prefix.ts";
import type { Block } from "./block.ts";
import { IpamError } from "./errors.ts";

/** How far a node is with claiming or giving up a block. Only `confirmed` is ownership. */
export type AffinityState = "confirmed" | "pending" | "pendingDeletion";

/** How many addresses a handle has in which block, by the block's CIDR. */
export interface Handle {
  readonly counts: ReadonlyMap<string, number>;
  readonly unknownFields: ExactJsonObject;
}

/** The live IPAM configuration with defaults in place. */
export interface IpamConfig {
  readonly strictAffinity: boolean;
  readonly autoAllocateBlocks: boolean;
  /** 0 stands for the default. */
  readonly maxBlocksPerHost: number;
  readonly cooldownSec: number;
}

/** The stored text of a block, field by field in Calico's order. */
export function encodeBlock(block: Block): string {
  // Go prints maps in the order of their keys as text: 0, 1, 10, 2; a JavaScript object would put numbers in order.
  const sequences = [...block.allocationSequence]
    .map(([ordinal, sequence]) => [`${ordinal}`, sequence] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([ordinal, sequence]) => `"${ordinal}":${sequence}`);
  const head = {
    cidr: block.cidr.toString(),
    affinity: block.affinity,
    ...(block.affinityClaimTime !== undefined && { affinity_claim_time: block.affinityClaimTime }),
    allocations: block.allocations,
    unallocated: block.unallocated,
    attributes: block.attributes,
    sequenceNumber: block.sequenceNumber,
  };
  const tail = { deleted: false, ...block.unknownFields };
  const middle = `"sequenceNumberForAllocation":{${sequences.join(",")}}`;
  return `${printExactJson(head).slice(0, -1)},${middle},${printExactJson(tail).slice(1)}`;
}

/** Reads a block; undefined if it is marked as deleted. Throws `INVALID_STORED_VALUE`. */
export function decodeBlock(key: string, text: string): Block | undefined {
  const { cidr, affinity, affinity_claim_time, allocations, unallocated, attributes, ...others } = parse(key, text);
  const { sequenceNumber, sequenceNumberForAllocation, deleted, ...unknownFields } = others;
  if (deleted === true) return undefined;
  const prefix = typeof cidr === "string" ? Prefix.tryParse(cidr) : undefined;
  if (prefix === undefined) throw invalid(key, `cidr is ${shown(cidr)}, not a prefix`);
  if (!isExactList(allocations) || allocations.length !== prefix.size)
    throw invalid(key, `allocations must be a list with one entry for each of the ${prefix.size} addresses`);
  const attributeList = isExactList(attributes) ? attributes : [];
  const indexes = allocations.map((index, ordinal) => {
    if (index === null || (typeof index === "number" && isExactObject(attributeList[index]))) return index;
    throw invalid(key, `allocations[${ordinal}] is ${shown(index)}, neither null nor the index of an attribute`);
  });
  if (!isExactList(unallocated)) throw invalid(key, "unallocated must be a list of ordinals");
  const free = unallocated.map((ordinal) => {
    if (typeof ordinal === "number" && ordinal in allocations) return ordinal;
    throw invalid(key, `unallocated has ${shown(ordinal)}, which is not an ordinal below ${prefix.size}`);
  });
  return {
    cidr: prefix,
    affinity: typeof affinity === "string" ? affinity : null,
    ...(typeof affinity_claim_time === "string" && { affinityClaimTime: affinity_claim_time }),
    allocations: indexes,
    unallocated: free,
    attributes: isExactList(attributes) ? attributeList.filter(isExactObject) : null,
    sequenceNumber: integer(key, "sequenceNumber", sequenceNumber),
    allocationSequence: new Map(
      Object.entries(isExactObject(sequenceNumberForAllocation) ? sequenceNumberForAllocation : {}).map(
        ([ordinal, value]) => [Number(ordinal), integer(key, `sequenceNumberForAllocation.${ordinal}`, value)],
      ),
    ),
    unknownFields,
  };
}

export function encodeAffinity(state: AffinityState): string {
  return printExactJson({ state, deleted: false });
}

/** The state of an affinity; undefined if it is marked as deleted. Empty values of old writers mean confirmed. */
export function decodeAffinity(key: string, text: string): AffinityState | undefined {
  if (text === "") return "confirmed";
  const { state, deleted } = parse(key, text);
  if (deleted === true) return undefined;
  if (state === "" || state === undefined || state === "confirmed") return "confirmed";
  if (state === "pending" || state === "pendingDeletion") return state;
  throw invalid(key, `state is ${shown(state)}, not confirmed, pending or pendingDeletion`);
}

export function encodeHandle(handle: Handle): string {
  const block = Object.fromEntries([...handle.counts].sort(([left], [right]) => (left < right ? -1 : 1)));
  return printExactJson({ block, deleted: false, ...handle.unknownFields });
}

/** Reads a handle; undefined if it is marked as deleted. Throws `INVALID_STORED_VALUE`. */
export function decodeHandle(key: string, text: string): Handle | undefined {
  const { block, deleted, ...unknownFields } = parse(key, text);
  if (deleted === true) return undefined;
  const entries = Object.entries(isExactObject(block) ? block : {}).map(([cidr, count]) => {
    if (typeof count !== "number" || Prefix.tryParse(cidr) === undefined)
      throw invalid(key, `block["${cidr}"] is ${shown(count)}; it must be a prefix and a number`);
    return [cidr, count] as const;
  });
  return { counts: new Map(entries), unknownFields };
}

/** An absent object and an empty one differ: absent means that blocks are allocated on demand, `{}` that they are not. */
export function decodeConfig(key: string, text: string | undefined): IpamConfig {
  const fields = text === undefined ? { auto_allocate_blocks: true } : parse(key, text);
  const { strict_affinity, auto_allocate_blocks, maxBlocksPerHost, ipCooldownSeconds } = fields as ExactJsonObject;
  return {
    strictAffinity: strict_affinity === true,
    autoAllocateBlocks: auto_allocate_blocks === true,
    maxBlocksPerHost: typeof maxBlocksPerHost === "number" ? maxBlocksPerHost : 0,
    cooldownSec: typeof ipCooldownSeconds === "number" ? ipCooldownSeconds : 0,
  };
}

function parse(key: string, text: string): ExactJsonObject {
  let value: ExactJson;
  try {
    value = parseExactJson(text);
  } catch (error) {
    throw invalid(key, `it is not JSON: ${errorMessage(error)}`);
  }
  if (!isExactObject(value)) throw invalid(key, "it is not a JSON object");
  return value;
}

function integer(key: string, field: string, value: ExactJson | undefined): bigint {
  if (typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value))) return BigInt(value);
  throw invalid(key, `${field} is ${shown(value)}, not an integer`);
}

function shown(value: ExactJson | undefined): string {
  return value === undefined ? "missing" : printExactJson(value);
}

function invalid(key: string, reason: string): IpamError {
  const message = `the value stored under ${key} can't be used: ${reason}; see "calictl ipam check"`;
  return new IpamError("INVALID_STORED_VALUE", message, { key });
}
