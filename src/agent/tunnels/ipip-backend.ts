import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { DeviceState } from "../../fib/device/types.ts";
import type { TunnelWish } from "../../fib/device/wish.ts";
import { type IpipDevice, ipipDeviceName } from "../../ipip/tunnel-device.ts";
import type { NetlinkAccess } from "../../netlink/types.ts";
import type { UserspaceTunnel } from "../../tunnel/userspace-tunnel.ts";
import type { IpipView } from "../api/views.ts";

/** Who carries IPIP packets: the kernel's own tunnel, a thread of the agent, or the kernel if it can. */
export type IpipBackendChoice = "auto" | "kernel" | "userspace";

interface IpipBackendOptions {
  readonly choice: IpipBackendChoice;
  readonly kernel: Pick<IpipDevice, "set" | "state" | "stop">;
  readonly userspace: Pick<UserspaceTunnel, "set" | "state" | "stop" | "counters">;
  readonly netlink: Pick<NetlinkAccess, "links">;
  readonly logger: Logger;
  /** The user-space tunnel is used from now on, and has to know its routes. */
  readonly onUserspace: () => void;
  /** `state` gives another answer than before. */
  readonly onChange: () => void;
}

type Used = { readonly backend: "kernel" } | { readonly backend: "userspace"; readonly reason: string };

/** tunl0 by one of two means. Which one is found out when a tunnel is wanted for the first time. */
export class IpipBackend {
  readonly #options: IpipBackendOptions;
  #used: Used | undefined;
  #isChoosing = false;
  #wish: TunnelWish | undefined;
  #stopped = false;

  constructor(options: IpipBackendOptions) {
    this.#options = options;
  }

  /** As `set` of the devices. */
  set(wish: TunnelWish | undefined): void {
    this.#wish = wish;
    if (this.#used !== undefined) this.#device(this.#used).set(wish);
    else if (wish !== undefined) void this.#choose();
  }

  state(): DeviceState {
    if (this.#used !== undefined) return this.#device(this.#used).state();
    return this.#wish === undefined
      ? { ready: false, code: "TUNNEL_NOT_WANTED", reason: "nothing needs tunl0" }
      : { ready: false, code: "TUNNEL_PENDING", reason: "tunl0 is being set up" };
  }

  /** For the status; null if no tunnel was wanted so far. */
  view(): IpipView | null {
    const { userspace } = this.#options;
    if (this.#used === undefined) return null;
    if (this.#used.backend === "kernel") return { backend: "kernel", reason: null, packets: null };
    return { backend: "userspace", reason: this.#used.reason, packets: userspace.counters() ?? null };
  }

  /** The kernel's device has another state. */
  kernelChanged(): void {
    const { choice, kernel } = this.#options;
    const state = kernel.state();
    if (choice === "auto" && this.#used?.backend === "kernel" && !state.ready && state.code === "KERNEL_LACKS_IPIP") {
      kernel.stop();
      this.#use({ backend: "userspace", reason: "kernel has no ipip" });
    } else this.#options.onChange();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.kernel.stop();
    await this.#options.userspace.stop();
  }

  async #choose(): Promise<void> {
    if (this.#isChoosing) return;
    this.#isChoosing = true;
    const used = await this.#firstChoice();
    this.#isChoosing = false;
    if (!this.#stopped) this.#use(used);
  }

  /** A kernel cannot be asked whether it has IPIP but by trying. */
  async #firstChoice(): Promise<Used> {
    const { choice, netlink, logger } = this.#options;
    if (choice === "userspace") return { backend: "userspace", reason: "as configured" };
    if (choice === "kernel") return { backend: "kernel" };
    try {
      const existing = (await netlink.links()).find(({ name }) => name === ipipDeviceName);
      if (existing?.kind === "tun")
        return {
          backend: "userspace",
          reason: "tunl0 is a TUN device from before; delete it to have the kernel tried",
        };
    } catch (error) {
      logger.warn({ error: errorMessage(error) }, "devices cannot be listed");
    }
    return { backend: "kernel" };
  }

  #use(used: Used): void {
    const { logger, onUserspace, onChange } = this.#options;
    this.#used = used;
    if (used.backend === "userspace") {
      logger.warn({ reason: used.reason }, "IPIP packets are carried by this process, which is slower than the kernel");
      onUserspace();
    }
    this.#device(used).set(this.#wish);
    onChange();
  }

  #device({ backend }: Used): IpipBackendOptions["kernel" | "userspace"] {
    return backend === "kernel" ? this.#options.kernel : this.#options.userspace;
  }
}
