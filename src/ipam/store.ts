import type { Datastore, KeyValue } from "../datastore/datastore.ts";
import { DatastoreError } from "../datastore/errors.ts";
import type { Prefix } from "../net/prefix.ts";
import type { Block } from "./block.ts";
import {
  type AffinityState,
  decodeAffinity,
  decodeBlock,
  decodeConfig,
  decodeHandle,
  type Handle,
  type IpamConfig,
} from "./codec.ts";
import {
  affinitiesOfNodePrefix,
  affinityKey,
  blockKey,
  blocksPrefix,
  CONFIG_KEY,
  handleKey,
  parseAffinityKey,
} from "./keys.ts";

/** A key as it was read. `revision` is 0 if it did not exist; `value` is undefined then, or if it was marked as deleted. */
export interface Slot<T> {
  readonly key: string;
  readonly value: T | undefined;
  readonly revision: bigint;
}

/** What is to become of a key, provided that it is still as it was read; without `text` it is deleted. */
export interface Change {
  readonly slot: Slot<unknown>;
  readonly text?: string;
}

/** `unknown`: the answer was lost; read again to find out. */
export type CommitOutcome = "done" | "conflict" | "unknown";

/** Typed access to the keys of IPAM. */
export class IpamStore {
  readonly #datastore: Datastore;

  constructor(datastore: Datastore) {
    this.#datastore = datastore;
  }

  async block(block: Prefix): Promise<Slot<Block>> {
    const key = blockKey(block);
    return slot(key, (await this.#datastore.get(key)).item, decodeBlock);
  }

  /** All blocks of a family. */
  async blocks(family: 4 | 6): Promise<readonly Slot<Block>[]> {
    const { items } = await this.#datastore.list(blocksPrefix(family));
    return items.map((item) => slot(item.key, item, decodeBlock));
  }

  /** A node's affinity to a block, and the block, at one moment. */
  async claim(node: string, block: Prefix): Promise<{ affinity: Slot<AffinityState>; block: Slot<Block> }> {
    const keys = { affinity: affinityKey(node, block), block: blockKey(block) };
    const [affinity, stored] = await this.#read(keys.affinity, keys.block);
    return { affinity: slot(keys.affinity, affinity, decodeAffinity), block: slot(keys.block, stored, decodeBlock) };
  }

  /** What two nodes say of a block, and the block, at one moment. */
  async claims(
    nodes: readonly [string, string],
    block: Prefix,
  ): Promise<{ affinities: readonly [Slot<AffinityState>, Slot<AffinityState>]; block: Slot<Block> }> {
    const keys = [affinityKey(nodes[0], block), affinityKey(nodes[1], block), blockKey(block)] as const;
    const [first, second, stored] = await this.#read(...keys);
    const affinities = [slot(keys[0], first, decodeAffinity), slot(keys[1], second, decodeAffinity)] as const;
    return { affinities, block: slot(keys[2], stored, decodeBlock) };
  }

  /** A node's affinities of one family, in the order of their keys. */
  async affinities(node: string, family: 4 | 6): Promise<{ block: Prefix; state: AffinityState }[]> {
    const { items } = await this.#datastore.list(affinitiesOfNodePrefix(node, family));
    return items.flatMap((item) => {
      const block = parseAffinityKey(item.key)?.block;
      const state = decodeAffinity(item.key, item.value);
      return block === undefined || state === undefined ? [] : { block, state };
    });
  }

  async handle(handleId: string): Promise<Slot<Handle>> {
    const key = handleKey(handleId);
    return slot(key, (await this.#datastore.get(key)).item, decodeHandle);
  }

  /** Handles at one moment, by id; at most 128. */
  async handles(handleIds: readonly string[]): Promise<ReadonlyMap<string, Slot<Handle>>> {
    if (handleIds.length === 0) return new Map();
    const keys = handleIds.map(handleKey);
    const items = await this.#read(...keys);
    return new Map(
      handleIds.map((handleId, index) => [handleId, slot(keys[index] ?? "", items[index], decodeHandle)] as const),
    );
  }

  /** A block and a handle at one moment. */
  async blockAndHandle(block: Prefix, handleId: string): Promise<{ block: Slot<Block>; handle: Slot<Handle> }> {
    const keys = { block: blockKey(block), handle: handleKey(handleId) };
    const [stored, handle] = await this.#read(keys.block, keys.handle);
    return { block: slot(keys.block, stored, decodeBlock), handle: slot(keys.handle, handle, decodeHandle) };
  }

  /** A key whose value does not matter. */
  async raw(key: string): Promise<Slot<string>> {
    return slot(key, (await this.#datastore.get(key)).item, (_, text) => text);
  }

  async config(): Promise<IpamConfig> {
    return decodeConfig(CONFIG_KEY, (await this.#datastore.get(CONFIG_KEY)).item?.value);
  }

  /** Makes all changes in one transaction, or none if one of the keys has changed since it was read. */
  async commit(...changes: readonly Change[]): Promise<CommitOutcome> {
    try {
      const { succeeded } = await this.#datastore.transact({
        compares: changes.map(({ slot: { key, revision } }) => ({
          key,
          target: "modRevision",
          result: "equal",
          value: revision,
        })),
        success: changes.map(({ slot: { key }, text }) =>
          text === undefined ? { type: "delete", key } : { type: "put", key, value: text },
        ),
      });
      return succeeded ? "done" : "conflict";
    } catch (error) {
      if (error instanceof DatastoreError && error.code === "OUTCOME_UNKNOWN") return "unknown";
      throw error;
    }
  }

  async #read(...keys: readonly string[]): Promise<(KeyValue | undefined)[]> {
    const success = keys.map((key) => ({ type: "get", key }) as const);
    const { responses } = await this.#datastore.transact({ compares: [], success });
    return responses.map((response) => (response.type === "get" ? response.item : undefined));
  }
}

function slot<T>(
  key: string,
  item: KeyValue | undefined,
  decode: (key: string, text: string) => T | undefined,
): Slot<T> {
  return item === undefined
    ? { key, value: undefined, revision: 0n }
    : { key, value: decode(key, item.value), revision: item.modRevision };
}
