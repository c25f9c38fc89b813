import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { DeviceKeeper } from "../fib/device/device-keeper.ts";
import type { DeviceState } from "../fib/device/types.ts";
import { checkTunnelWish, type TunnelWish } from "../fib/device/wish.ts";
import type { Netlink } from "../netlink/types.ts";
import { type IpipControl, IpipKind, type SeenIpip } from "./ipip-kind.ts";

/** What Linux calls the tunnel that its module makes by itself, and so everybody else. */
export const ipipDeviceName = "tunl0";

interface IpipDeviceOptions {
  readonly netlink: Netlink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: tunl0. */
  readonly name?: string;
  /** For what rtnetlink does not reach; the `DeviceControl` of the same namespace. */
  readonly control: IpipControl;
  /** How long the address stays when nobody wishes for the tunnel any more, in milliseconds. Default: a minute. */
  readonly graceMs?: number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  /** Called when `state` gives another answer than before. */
  readonly onChange?: () => void;
}

/**
 * Keeps the kernel's IPIP device: makes tunl0 or takes over the one that the module made or a Calico left, gives it MTU and
 * address, has it up, and puts right what others change.
 */
export class IpipDevice {
  readonly #keeper: DeviceKeeper<TunnelWish, SeenIpip>;

  constructor(options: IpipDeviceOptions) {
    const { netlink, clock, logger, name = ipipDeviceName, control, graceMs = 60_000 } = options;
    this.#keeper = new DeviceKeeper({
      netlink,
      clock,
      logger: logger.child({ part: "ipip" }),
      name,
      kind: new IpipKind({ netlink, control, name }),
      groups: ["link", "address"],
      graceMs,
      random: options.random ?? Math.random,
      onChange: options.onChange ?? (() => {}),
    });
  }

  /**
   * States what the device shall be; undefined: nobody needs it. Then its address goes after the grace time and it stays,
   * up, because others may still send through it; if nothing was wished before, nothing is touched. Throws TunnelError
   * `INVALID_TUNNEL`.
   */
  set(wish: TunnelWish | undefined): void {
    if (wish !== undefined) checkTunnelWish(wish);
    this.#keeper.set(wish);
  }

  state(): DeviceState {
    return this.#keeper.state();
  }

  /** Ends the care; the device stays as it is. */
  stop(): void {
    this.#keeper.stop();
  }
}
