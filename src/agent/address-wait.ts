import type { Clock } from "../core/clock.ts";
import type { IpAddress } from "../net/address.ts";
import type { Netlink } from "../netlink/types.ts";

/**
 * Waits until an interface of this node has the address, so that BGP can use it as its source; at a boot, and in a lab, the
 * agent may be up before the network is. Resolves false after `timeoutMs`.
 */
export async function waitForAddress(
  netlink: Netlink,
  clock: Clock,
  address: IpAddress,
  timeoutMs: number,
): Promise<boolean> {
  let found: (() => void) | undefined;
  const appeared = new Promise<boolean>((resolve) => {
    found = () => resolve(true);
    clock.setTimer(timeoutMs, () => resolve(false));
  });
  const unsubscribe = await netlink.subscribe(["address"], (events) => {
    for (const event of events)
      if (event.type === "address" && event.action === "new" && event.address.address.equals(address)) found?.();
  });
  try {
    const present = (await netlink.addresses()).some((candidate) => candidate.address.equals(address));
    return present || (await appeared);
  } finally {
    unsubscribe();
  }
}
