import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { attributesOf, type Block, handleOf } from "./block.ts";
import { nodeOf } from "./block-choice.ts";

/** An address that is not free. */
export interface Allocation {
  readonly address: IpAddress;
  readonly block: Prefix;
  /** Undefined for one that cools down, and for some that old writers have left. */
  readonly handleId?: string;
  /** What is stored of its owner, such as `node`, `namespace`, `pod`, `type`. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The node that uses it, as far as that is stored. */
  readonly node?: string;
  /** Tells this allocation from earlier and later ones of the address. */
  readonly sequenceNumber: bigint;
  /** Released, and not to be used again for a while. */
  readonly coolingDown: boolean;
  /** Used by another node than the one that owns the block, or in a block without an owner. */
  readonly isBorrowed: boolean;
}

/** All addresses of a block that are not free, in order. */
export function allocationsOf(block: Block): Allocation[] {
  const owner = nodeOf(block);
  return block.allocations.flatMap((_, ordinal) => {
    const stored = attributesOf(block, ordinal);
    if (stored === undefined) return [];
    const handleId = handleOf(block, ordinal);
    const attributes = ownerAttributes(stored.secondary);
    const { node } = attributes;
    return [
      {
        address: block.cidr.address.plus(ordinal),
        block: block.cidr,
        ...(handleId !== undefined && { handleId }),
        attributes,
        ...(node !== undefined && { node }),
        sequenceNumber: block.allocationSequence.get(ordinal) ?? 0n,
        coolingDown: stored.releasedAt !== undefined,
        isBorrowed: node !== undefined && node !== owner,
      },
    ];
  });
}

function ownerAttributes(secondary: unknown): Record<string, string> {
  const entries = Object.entries(typeof secondary === "object" && secondary !== null ? secondary : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}
