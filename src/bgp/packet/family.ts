/** Address family identifiers (RFC 4760, IANA "Address Family Numbers"). */
export const Afi = { ipv4: 1, ipv6: 2 } as const;

/** Subsequent address family identifiers (RFC 4760). */
export const Safi = { unicast: 1, multicast: 2 } as const;

/** An address family as the wire names it; may be one that we do not route. */
export interface AfiSafi {
  readonly afi: number;
  readonly safi: number;
}

/** The families that this speaker routes. */
export type Family = "ipv4-unicast" | "ipv6-unicast";

export const families: readonly Family[] = ["ipv4-unicast", "ipv6-unicast"];

export function familyOf(pair: AfiSafi): Family | undefined {
  if (pair.safi !== Safi.unicast) return undefined;
  if (pair.afi === Afi.ipv4) return "ipv4-unicast";
  return pair.afi === Afi.ipv6 ? "ipv6-unicast" : undefined;
}

export function afiSafiOf(family: Family): AfiSafi {
  return { afi: family === "ipv4-unicast" ? Afi.ipv4 : Afi.ipv6, safi: Safi.unicast };
}
