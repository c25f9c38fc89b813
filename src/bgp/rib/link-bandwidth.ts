import type { PathAttributes } from "../packet/attributes.ts";
import type { Path } from "../paths.ts";

/** Type and sub-type of the link bandwidth community, without the bit that says whether it may leave the AS. */
const linkBandwidth = 0x0004n;
const nonTransitive = 0x4000n;

/** Kernel weights go to 256; a hundred steps are as fine as the links differ in practice, and keep ratios such as 1:10 exact. */
const heaviest = 100;

/**
 * Shares of the packets for paths that are used together, in their order, from the link bandwidth community
 * (draft-ietf-idr-link-bandwidth): the widest gets 100. Undefined unless every path has one, since then nothing is known of
 * the others.
 */
export function multipathWeights(paths: readonly Pick<Path, "attributes">[]): readonly number[] | undefined {
  return sharesOf(paths.map(({ attributes }) => linkBandwidthOf(attributes)));
}

/** As `multipathWeights`, of what `linkBandwidthOf` says of each path. */
export function sharesOf(linkBandwidths: readonly (number | undefined)[]): readonly number[] | undefined {
  if (linkBandwidths.length < 2) return undefined;
  const bandwidths: number[] = [];
  for (const bandwidth of linkBandwidths) {
    if (bandwidth === undefined) return undefined;
    bandwidths.push(bandwidth);
  }
  const widest = Math.max(...bandwidths);
  return bandwidths.map((bandwidth) => Math.max(1, Math.round((bandwidth / widest) * heaviest)));
}

/** What the community says, in octets per second: a 32-bit IEEE number behind the AS number of who said it. */
export function linkBandwidthOf({ extendedCommunities }: PathAttributes): number | undefined {
  for (const community of extendedCommunities) {
    if (((community >> 48n) & ~nonTransitive) !== linkBandwidth) continue;
    const octets = new DataView(new ArrayBuffer(4));
    octets.setUint32(0, Number(community & 0xffffffffn));
    const bandwidth = octets.getFloat32(0);
    if (Number.isFinite(bandwidth) && bandwidth > 0) return bandwidth;
  }
  return undefined;
}
