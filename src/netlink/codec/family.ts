import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { family } from "./constants.ts";

/** The prefix of all addresses of a family: a default route's destination, which the kernel leaves out. */
export const anywhere = {
  4: Prefix.of(IpAddress.v4(0), 0),
  6: Prefix.of(IpAddress.v6(0, 0, 0, 0), 0),
} as const;

/** AF_INET or AF_INET6. */
export function familyNumber(addressFamily: AddressFamily): number {
  return addressFamily === 4 ? family.ipv4 : family.ipv6;
}

/** Undefined for every AF_* but AF_INET and AF_INET6. */
export function addressFamily(number: number): AddressFamily | undefined {
  return number === family.ipv4 ? 4 : number === family.ipv6 ? 6 : undefined;
}
