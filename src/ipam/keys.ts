import { Prefix } from "../net/prefix.ts";
import { IpamError } from "./errors.ts";

const ROOT = "/calico/ipam/v2";

export const CONFIG_KEY = `${ROOT}/config`;
/** Everything below it that has a block in its key is a block affinity. */
export const AFFINITIES_PREFIX = `${ROOT}/host/`;

export function blockKey(block: Prefix): string {
  return `${blocksPrefix(block.family)}${keyText(block)}`;
}

export function blocksPrefix(family: 4 | 6): string {
  return `${ROOT}/assignment/ipv${family}/block/`;
}

export function affinityKey(node: string, block: Prefix): string {
  return `${affinitiesOfNodePrefix(node, block.family)}${keyText(block)}`;
}

export function affinitiesOfNodePrefix(node: string, family: 4 | 6): string {
  return `${AFFINITIES_PREFIX}${node}/ipv${family}/block/`;
}

/** A marker that old writers have left of a node. */
export function nodeMarkerKey(node: string): string {
  return `${AFFINITIES_PREFIX}${node}`;
}

/** The node and the block of an affinity's key; undefined for any other key below `AFFINITIES_PREFIX`. */
export function parseAffinityKey(key: string): { node: string; block: Prefix } | undefined {
  const [node, family, kind, text, ...more] = key.slice(AFFINITIES_PREFIX.length).split("/");
  if (!key.startsWith(AFFINITIES_PREFIX) || !node || kind !== "block" || text === undefined || more.length > 0)
    return undefined;
  const block = Prefix.tryParse(text.replace(/-(?=\d+$)/, "/"));
  return block !== undefined && family === `ipv${block.family}` ? { node, block } : undefined;
}

/** All handles are below it. */
export const HANDLES_PREFIX = `${ROOT}/handle/`;

/** False for what some writers once let in and nobody could release any more: empty, or with a slash or control character. */
export function isHandleId(text: string): boolean {
  return text !== "" && !/[/\p{Cc}]/u.test(text);
}

/** The key of a handle. Throws `INVALID_HANDLE` for what is none. */
export function handleKey(handleId: string): string {
  if (!isHandleId(handleId))
    throw new IpamError(
      "INVALID_HANDLE",
      `handle id ${JSON.stringify(handleId)} must not be empty and must have no "/" and no control character`,
      { field: "handleId", value: handleId },
    );
  return `${HANDLES_PREFIX}${handleId}`;
}

function keyText(block: Prefix): string {
  return block.toString().replace("/", "-");
}
