import fc from "fast-check";
import type { NatState } from "../../src/nat/ruleset.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";

/** Neighbours, nested ranges, and both ends of the address space are frequent. */
const ipv4Address = fc
  .tuple(fc.constantFrom(0, 10, 255), fc.constantFrom(0, 1, 255), fc.nat(3))
  .map(([high, middle, low]) => IpAddress.v4(high * 2 ** 24 + middle * 65_536 + (high === 255 ? 65_532 : 0) + low));
const ipv6Address = fc
  .tuple(fc.constantFrom(0, 0xfd000000, 0xffffffff), fc.nat(3))
  .map(([high, low]) =>
    high === 0xffffffff ? IpAddress.v6(high, high, high, high - low) : IpAddress.v6(high, 0, 0, low),
  );
export const address = fc.oneof(ipv4Address, ipv6Address);
const prefix = fc.oneof(
  fc.tuple(ipv4Address, fc.constantFrom(0, 1, 8, 15, 16, 30, 31, 32)).map(([a, length]) => Prefix.of(a, length)),
  fc.tuple(ipv6Address, fc.constantFrom(0, 1, 8, 126, 127, 128)).map(([a, length]) => Prefix.of(a, length)),
);
const port = fc.integer({ min: 1, max: 65_535 });

/** Any state of address translation. */
export const natState: fc.Arbitrary<NatState> = fc.record({
  pools: fc.array(fc.record({ cidr: prefix, natOutgoing: fc.boolean() }), { maxLength: 8 }),
  nodeAddresses: fc.array(address, { maxLength: 8 }),
  tunnelDevices: fc.subarray([
    { name: "tunl0", family: 4 as const, encapsulation: "ipip" as const },
    { name: "vxlan.calico", family: 4 as const, encapsulation: "vxlan" as const },
    { name: "udp.calibird", family: 4 as const, encapsulation: "udp" as const },
  ]),
  options: fc.record(
    {
      natOutgoingExclusions: fc.constantFrom("IPPoolsOnly" as const, "IPPoolsAndHostIPs" as const),
      natPortRange: fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
      natOutgoingAddress: address,
      outInterfaceFilter: fc.constantFrom("eth0", "eth+"),
      protectEncapsulation: fc.boolean(),
      vxlanPort: fc.constantFrom(4789, 8472, 65_535),
      udpPort: fc.constantFrom(1, 8285, 65_534),
    },
    { requiredKeys: ["natOutgoingExclusions", "protectEncapsulation", "vxlanPort", "udpPort"] },
  ),
});
