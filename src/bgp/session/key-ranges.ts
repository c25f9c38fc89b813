import type { TcpKey, TcpRange } from "../../core/tcp.ts";
import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { PeerConfig, PeerRange } from "../types.ts";

/** A password that connections from somewhere need. */
export interface ListenerKey {
  readonly range: TcpRange;
  readonly key: TcpKey;
}

/**
 * How many passwords a listening socket may hold one by one. The kernel keeps each in memory that net.core.optmem_max limits
 * for the whole socket: 20 KiB in older kernels are some 150 of them, which is less than a mesh of nodes needs.
 */
const mostSingleKeys = 100;

interface Member {
  readonly address: IpAddress;
  readonly key: TcpKey | undefined;
}

/**
 * The passwords that a listening socket has to ask for, by a name that stays the same while the addresses do. Where there are
 * many, neighbouring addresses with one password share an entry, as long as it takes in no peer that has another one or none;
 * strangers in between get no answer then, and would have been refused.
 */
export function listenerKeys(peers: readonly PeerConfig[], ranges: readonly PeerRange[]): Map<string, ListenerKey> {
  const keys = new Map<string, ListenerKey>();
  const add = (prefix: Prefix, key: TcpKey) => keys.set(prefix.toString(), { range: rangeOf(prefix), key });
  for (const { prefix, template } of ranges)
    if (template.transport?.key !== undefined) add(prefix, template.transport.key);
  const members = peers
    .filter(({ range }) => range === undefined)
    .map(({ address, transport }) => ({ address, key: transport?.key }));
  const isShared = ranges.length === 0 && members.filter(({ key }) => key !== undefined).length > mostSingleKeys;
  for (const family of [4, 6] as const) {
    const ofFamily = members.filter(({ address }) => address.family === family);
    if (isShared)
      cover(
        ofFamily.sort((left, right) => left.address.compare(right.address)),
        add,
      );
    else for (const { address, key } of ofFamily) if (key !== undefined) add(Prefix.host(address), key);
  }
  return keys;
}

/** The smallest prefix around members with one password, or what that gives for the two halves of the members. */
function cover(members: readonly Member[], add: (prefix: Prefix, key: TcpKey) => void): void {
  const [first] = members;
  const last = members.at(-1);
  if (first === undefined || last === undefined) return;
  const { key } = first;
  const length = first.address.equals(last.address)
    ? Prefix.host(first.address).length
    : first.address.commonBits(last.address);
  if (members.every((member) => areSameKeys(member.key, key))) {
    if (key !== undefined) add(Prefix.of(first.address, length), key);
    return;
  }
  const upper = members.findIndex(({ address }) => address.bitAt(length) === 1);
  cover(members.slice(0, upper), add);
  cover(members.slice(upper), add);
}

/** True if one can stand for the other. */
export function areSameKeys(one: TcpKey | undefined, other: TcpKey | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.password.equals(other.password) && JSON.stringify(one) === JSON.stringify(other);
}

function rangeOf(prefix: Prefix): ListenerKey["range"] {
  const address = prefix.address.toString();
  return prefix.isHost ? { address } : { address, prefixLength: prefix.length };
}
