import { IpAddress } from "../../net/address.ts";
import type { AsPath, AsPathSegment, LargeCommunity } from "./attributes.ts";
import { WellKnownCommunity } from "./well-known-communities.ts";

const brackets: Readonly<Record<AsPathSegment["type"], readonly [open: string, separator: string, close: string]>> = {
  sequence: ["", " ", ""],
  set: ["{", ",", "}"],
  "confed-sequence": ["(", " ", ")"],
  "confed-set": ["[", ",", "]"],
};

/** As people write them. */
const wellKnownCommunities = new Map<number, string>([
  [WellKnownCommunity.gracefulShutdown, "graceful-shutdown"],
  [WellKnownCommunity.acceptOwn, "accept-own"],
  [WellKnownCommunity.longLivedStale, "llgr-stale"],
  [WellKnownCommunity.noLongLivedStale, "no-llgr"],
  [WellKnownCommunity.blackhole, "blackhole"],
  [WellKnownCommunity.noExport, "no-export"],
  [WellKnownCommunity.noAdvertise, "no-advertise"],
  [WellKnownCommunity.noExportSubconfed, "no-export-subconfed"],
  [WellKnownCommunity.noPeer, "no-peer"],
]);

/** e.g. `64512 64513 {1,2}`; a confederation's sequence in `()`, its set in `[]`. Empty text for an empty path. */
export function formatAsPath(path: AsPath): string {
  return path
    .map(({ type, asNumbers }) => {
      const [open, separator, close] = brackets[type];
      return `${open}${asNumbers.join(separator)}${close}`;
    })
    .join(" ");
}

/** The registered name of a well-known community, e.g. `no-export`, else `65000:100`. */
export function formatCommunity(community: number): string {
  return wellKnownCommunities.get(community) ?? `${community >>> 16}:${community & 0xffff}`;
}

/** e.g. `4200000000:1:2` (RFC 8092 §4.1). */
export function formatLargeCommunity({ global, local1, local2 }: LargeCommunity): string {
  return `${global}:${local1}:${local2}`;
}

/** Low octet of the type field (RFC 4360 §4, §5). */
const extendedSubtypes = new Map<number, string>([
  [0x02, "rt"],
  [0x03, "ro"],
]);

/** Link bandwidth (draft-ietf-idr-link-bandwidth) of a two-octet AS: transitive, and the usual non-transitive one. */
const linkBandwidthTypes: readonly number[] = [0x0004, 0x4004];

/**
 * A route target or route origin of a two-octet AS, an IPv4 address or a four-octet AS, e.g. `rt:64512:100`,
 * `ro:10.0.0.1:5`; link bandwidth in octets per second, e.g. `bandwidth:64512:125000000`; of any other type the eight octets, e.g.
 * `0x4006fde800000001`.
 */
export function formatExtendedCommunity(community: bigint): string {
  const field = (shift: bigint, bits: number): number => Number((community >> shift) & ((1n << BigInt(bits)) - 1n));
  if (linkBandwidthTypes.includes(field(48n, 16))) return `bandwidth:${field(32n, 16)}:${float32(field(0n, 32))}`;
  const subtype = extendedSubtypes.get(field(48n, 8));
  const parts = [
    `${field(32n, 16)}:${field(0n, 32)}`,
    `${IpAddress.v4(field(16n, 32))}:${field(0n, 16)}`,
    `${field(16n, 32)}:${field(0n, 16)}`,
  ][field(56n, 8)];
  return subtype === undefined || parts === undefined
    ? `0x${community.toString(16).padStart(16, "0")}`
    : `${subtype}:${parts}`;
}

/** The number that an IEEE 754 pattern of 32 bits stands for. */
function float32(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
}
