import type { LargeCommunity } from "../../bgp/packet/attributes.ts";
import type { PolicyOperation } from "../../bgp/policy/types.ts";

/** `aa:nn` of RFC 1997 or `aa:nn:mm` of RFC 8092; the resource's schema has checked the numbers. */
export type Community =
  | { readonly kind: "standard"; readonly value: number }
  | { readonly kind: "large"; readonly value: LargeCommunity };

export function parseCommunity(text: string): Community {
  const [first = 0, second = 0, third] = text.split(":").map(Number);
  if (third === undefined) return { kind: "standard", value: first * 0x10000 + second };
  return { kind: "large", value: { global: first, local1: second, local2: third } };
}

/** The operations that add all of these. */
export function addCommunities(texts: readonly string[]): PolicyOperation[] {
  const communities = texts.map(parseCommunity);
  const standard = communities.flatMap((community) => (community.kind === "standard" ? [community.value] : []));
  const large = communities.flatMap((community) => (community.kind === "large" ? [community.value] : []));
  return [
    ...(standard.length === 0 ? [] : [{ type: "add-communities" as const, communities: standard }]),
    ...(large.length === 0 ? [] : [{ type: "add-large-communities" as const, communities: large }]),
  ];
}
