import { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { defineKind } from "./kind-definition.ts";
import { addressOrPrefix } from "./text-formats.ts";

/** Addresses that are given to nobody automatically. What has one already keeps it, and who asks for one by name gets it. */
export interface IpReservationSpec {
  /** Prefixes and single addresses. */
  readonly reservedCIDRs?: readonly string[];
}

export const ipReservationKind = defineKind<IpReservationSpec>({
  kind: "IPReservation",
  description:
    "Addresses of pools that are never given out automatically. What has one keeps it, and a pod may ask for one.",
  plural: "ipreservations",
  namespaced: false,
  aliases: ["ipreservation", "reservation", "reservations"],
  spec: {
    type: "object",
    fields: {
      reservedCIDRs: {
        type: "list",
        unique: true,
        items: { type: "text", format: addressOrPrefix },
        description: "Prefixes without host bits, and single addresses, IPv4 or IPv6. Each at most once.",
        default: "none",
      },
    },
  },
  check: () => [],
});

/** What a valid spec reserves; a single address is a prefix of full length. */
export function reservedPrefixes({ reservedCIDRs = [] }: IpReservationSpec): Prefix[] {
  return reservedCIDRs.map((text) => {
    const address = IpAddress.tryParse(text);
    return address === undefined ? Prefix.parse(text) : Prefix.of(address, address.bits);
  });
}
