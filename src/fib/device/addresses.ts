import type { IpAddress } from "../../net/address.ts";
import type { InterfaceAddress } from "../../netlink/types.ts";
import type { DeviceStep } from "./types.ts";

/** The addresses of one family that a device has, without those that the kernel gives to every device. */
export function addressesOf(
  all: readonly InterfaceAddress[],
  interfaceIndex: number,
  family: 4 | 6,
): readonly InterfaceAddress[] {
  return all.filter(
    ({ interfaceIndex: index, address, scope }) =>
      index === interfaceIndex && address.family === family && (family === 4 || scope !== "link"),
  );
}

/**
 * Steps to one /32 or /128 and no other address. The new one comes first: with its last IPv4 address a device loses all
 * its routes.
 */
export function planAddress(
  interfaceIndex: number,
  wanted: IpAddress,
  present: readonly InterfaceAddress[],
): DeviceStep[] {
  const isWanted = ({ address, prefixLength }: InterfaceAddress): boolean =>
    address.equals(wanted) && prefixLength === wanted.bits;
  const steps: DeviceStep[] = [];
  if (!present.some(isWanted))
    steps.push({
      request: {
        op: "address-replace",
        address: {
          interfaceIndex,
          address: wanted,
          prefixLength: wanted.bits,
          scope: "universe",
          ...(wanted.family === 6 && { noDuplicateDetection: true }),
        },
      },
    });
  for (const address of present) if (!isWanted(address)) steps.push({ request: { op: "address-delete", address } });
  return steps;
}
