import { errorMessage } from "../core/errors.ts";
import type { Datastore, KeyValue } from "../datastore/datastore.ts";
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
import { AFFINITIES_PREFIX, blocksPrefix, CONFIG_KEY, HANDLES_PREFIX, parseAffinityKey } from "./keys.ts";

/** What a node says of a block of its own. */
export interface BlockAffinity {
  readonly node: string;
  readonly block: Prefix;
  readonly state: AffinityState;
}

export interface SurveyedHandle extends Handle {
  /** Of its last write. */
  readonly revision: bigint;
}

/** Everything that IPAM has stored. */
export interface IpamSurvey {
  readonly config: IpamConfig;
  /** In the order of their keys, IPv4 first. */
  readonly blocks: readonly Block[];
  readonly affinities: readonly BlockAffinity[];
  /** By handle id. */
  readonly handles: ReadonlyMap<string, SurveyedHandle>;
  /** Stored values that cannot be read, one sentence each. */
  readonly unreadable: readonly string[];
}

/**
 * Reads everything. Blocks, affinities and handles are read one after the other: what contradicts itself here may have
 * changed in between, so that it has to be seen twice.
 */
export async function surveyIpam(datastore: Datastore): Promise<IpamSurvey> {
  const unreadable: string[] = [];
  const read = <T>({ key, value }: KeyValue, decode: (key: string, text: string) => T | undefined): T | undefined => {
    try {
      return decode(key, value);
    } catch (error) {
      unreadable.push(errorMessage(error));
      return undefined;
    }
  };
  const handles = new Map<string, SurveyedHandle>();
  for (const item of (await datastore.list(HANDLES_PREFIX)).items) {
    const handle = read(item, decodeHandle);
    if (handle !== undefined)
      handles.set(item.key.slice(HANDLES_PREFIX.length), { ...handle, revision: item.modRevision });
  }
  const affinities: BlockAffinity[] = [];
  for (const item of (await datastore.list(AFFINITIES_PREFIX)).items) {
    const parsed = parseAffinityKey(item.key);
    const state = parsed && read(item, decodeAffinity);
    if (parsed !== undefined && state !== undefined) affinities.push({ ...parsed, state });
  }
  const { blocks, unreadable: unreadableBlocks } = await readBlocks(datastore);
  const config = decodeConfig(CONFIG_KEY, (await datastore.get(CONFIG_KEY)).item?.value);
  return { config, blocks, affinities, handles, unreadable: [...unreadable, ...unreadableBlocks] };
}

/** All blocks, and of those that can't be read one sentence each. */
export async function readBlocks(
  datastore: Datastore,
): Promise<{ readonly blocks: readonly Block[]; readonly unreadable: readonly string[] }> {
  const unreadable: string[] = [];
  const blocks: Block[] = [];
  for (const family of [4, 6] as const)
    for (const { key, value } of (await datastore.list(blocksPrefix(family))).items)
      try {
        const block = decodeBlock(key, value);
        if (block !== undefined) blocks.push(block);
      } catch (error) {
        unreadable.push(errorMessage(error));
      }
  return { blocks, unreadable };
}
