import { TunnelError } from "../fib/device/errors.ts";
import { checkMtu } from "../fib/device/wish.ts";
import type { IpipWish } from "./ipip-kind.ts";

/** Throws TunnelError `INVALID_TUNNEL` for a wish that no IPIP device can fulfil. */
export function checkIpipWish({ address, mtu }: IpipWish): void {
  if (address.family !== 4)
    throw new TunnelError("INVALID_TUNNEL", `address: ${address} is not an IPv4 address, and IPIP has no other`, {
      field: "address",
      value: address.toString(),
    });
  checkMtu(mtu, 4);
}
