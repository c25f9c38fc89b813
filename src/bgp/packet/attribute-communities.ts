import { type AttributeRule, lengthFault } from "./attribute-rule.ts";
import { maxUint32 } from "./constants.ts";
import { BgpPacketError, requireInteger } from "./errors.ts";
import type { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** All items of a value that must hold at least one (RFC 7606 §7.8, 7.14; RFC 8092 §5), or undefined. */
function readList<Item>(value: Reader, itemOctets: number, readItem: (value: Reader) => Item): Item[] | undefined {
  if (value.remaining === 0 || value.remaining % itemOctets !== 0) return undefined;
  const items: Item[] = [];
  while (value.remaining > 0) items.push(readItem(value));
  return items;
}

function listFault(length: number, itemOctets: number) {
  return lengthFault(length, `a positive multiple of ${itemOctets}`);
}

export const communitiesRule: AttributeRule = {
  code: 8,
  name: "COMMUNITIES",
  category: "optional-transitive",
  onError: "treat-as-withdraw",
  decode(value, draft) {
    const length = value.remaining;
    const communities = readList(value, 4, (item) => item.u32());
    if (communities === undefined) return listFault(length, 4);
    draft.communities = communities;
    return undefined;
  },
  encode: ({ attributes }) => encodeNumbers("communities", attributes.communities),
};

export const extendedCommunitiesRule: AttributeRule = {
  code: 16,
  name: "EXTENDED COMMUNITIES",
  category: "optional-transitive",
  onError: "treat-as-withdraw",
  decode(value, draft) {
    const length = value.remaining;
    const communities = readList(value, 8, (item) => item.u64());
    if (communities === undefined) return listFault(length, 8);
    draft.extendedCommunities = communities;
    return undefined;
  },
  encode({ attributes: { extendedCommunities } }) {
    if (extendedCommunities.length === 0) return undefined;
    const writer = new Writer(8 * extendedCommunities.length);
    for (const community of extendedCommunities) {
      if (BigInt.asUintN(64, community) !== community)
        throw new BgpPacketError(
          "VALUE_OUT_OF_RANGE",
          `extendedCommunities has ${community}, which is not an unsigned 64-bit number`,
          { field: "extendedCommunities", value: community },
        );
      writer.u64(community);
    }
    return writer.toBytes();
  },
};

export const largeCommunitiesRule: AttributeRule = {
  code: 32,
  name: "LARGE_COMMUNITY",
  category: "optional-transitive",
  onError: "treat-as-withdraw",
  decode(value, draft) {
    const length = value.remaining;
    const communities = readList(value, 12, (item) => {
      const global = item.u32();
      const local1 = item.u32();
      return { global, local1, local2: item.u32() };
    });
    if (communities === undefined) return listFault(length, 12);
    draft.largeCommunities = communities;
    return undefined;
  },
  encode: ({ attributes }) =>
    encodeNumbers(
      "largeCommunities",
      attributes.largeCommunities.flatMap(({ global, local1, local2 }) => [global, local1, local2]),
    ),
};

/** RFC 4456 §8: identifier of the router that brought the route into the AS. */
export const originatorIdRule: AttributeRule = {
  code: 9,
  name: "ORIGINATOR_ID",
  category: "optional-non-transitive",
  onError: "treat-as-withdraw",
  unread: "external-peer",
  decode(value, draft) {
    if (value.remaining !== 4) return lengthFault(value.remaining, "4");
    draft.originatorId = value.u32();
    return undefined;
  },
  encode({ attributes: { originatorId } }) {
    return originatorId === undefined ? undefined : encodeNumbers("originatorId", [originatorId]);
  },
};

/** RFC 4456 §8: the reflection clusters that the route has passed. */
export const clusterListRule: AttributeRule = {
  code: 10,
  name: "CLUSTER_LIST",
  category: "optional-non-transitive",
  onError: "treat-as-withdraw",
  unread: "external-peer",
  decode(value, draft) {
    const length = value.remaining;
    const clusters = readList(value, 4, (item) => item.u32());
    if (clusters === undefined) return listFault(length, 4);
    draft.clusterList = clusters;
    return undefined;
  },
  encode: ({ attributes }) => encodeNumbers("clusterList", attributes.clusterList),
};

function encodeNumbers(field: string, numbers: readonly number[]): Uint8Array | undefined {
  if (numbers.length === 0) return undefined;
  const writer = new Writer(4 * numbers.length);
  for (const number of numbers) writer.u32(requireInteger(field, number, 0, maxUint32));
  return writer.toBytes();
}
