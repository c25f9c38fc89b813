import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { DeviceKeeper } from "../fib/device/device-keeper.ts";
import { TunnelError } from "../fib/device/errors.ts";
import type { DeviceState } from "../fib/device/types.ts";
import { checkTunnelWish, type TunnelWish } from "../fib/device/wish.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";
import type { DeviceControl } from "../netlink/device-control.ts";
import type { Netlink } from "../netlink/types.ts";
import { SyscallError } from "../sys/libc.ts";
import { Forwarder } from "./forwarder.ts";
import type { Carrier, TunnelCounters, TunnelUse } from "./messages.ts";
import { type SeenTun, TunKind, type TunPort } from "./tun-kind.ts";

interface UserspaceTunnelOptions {
  readonly netlink: Netlink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the device. */
  readonly name: string;
  readonly carrier: Carrier;
  /** The `DeviceControl` of the same namespace. */
  readonly control: Pick<DeviceControl, "reversePathFilter" | "setReversePathFilter">;
  /** Default: the namespace that the calling thread is in. */
  readonly namespace?: { readonly path: string };
  /** How long the address stays when nobody wishes for the tunnel any more, in milliseconds. Default: a minute. */
  readonly graceMs?: number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  /** Called when `state` gives another answer than before. */
  readonly onChange?: () => void;
}

/** Changes of what leads through the tunnel: of each prefix in `set` the nodes that its packets go to. */
export interface TunnelRoutes {
  readonly set: readonly { readonly prefix: Prefix; readonly nodes: readonly IpAddress[] }[];
  readonly remove: readonly Prefix[];
}

/**
 * A tunnel without the kernel's help: a TUN device whose packets a thread of ours carries in IP protocol 4, the same on the
 * wire as the kernel's IPIP, or in UDP. The device and its routes outlive us; only packets wait for somebody to carry them
 * again.
 */
export class UserspaceTunnel implements TunPort {
  readonly #options: UserspaceTunnelOptions;
  readonly #logger: Logger;
  readonly #keeper: DeviceKeeper<TunnelWish, SeenTun>;
  /** For a thread that has to be started again. */
  readonly #routes = new PrefixMap<readonly IpAddress[]>();
  #peers: readonly IpAddress[] = [];
  #forwarder: Forwarder | undefined;
  #stopped = false;

  constructor(options: UserspaceTunnelOptions) {
    const { netlink, clock, name, carrier, control, graceMs = 60_000 } = options;
    this.#options = options;
    this.#logger = options.logger.child({ part: carrier.kind });
    this.#keeper = new DeviceKeeper({
      netlink,
      clock,
      logger: this.#logger,
      name,
      kind: new TunKind({ netlink, control, name, port: this }),
      groups: ["link", "address"],
      graceMs,
      random: options.random ?? Math.random,
      onChange: options.onChange ?? (() => {}),
    });
  }

  /** As `set` of IpipDevice. Throws TunnelError `INVALID_TUNNEL`. */
  set(wish: TunnelWish | undefined): void {
    if (wish !== undefined) checkTunnelWish(wish);
    this.#keeper.set(wish);
  }

  state(): DeviceState {
    return this.#keeper.state();
  }

  /** Tells where packets for some prefixes go; must come before the kernel's route and go after it. */
  setRoutes({ set, remove }: TunnelRoutes): void {
    for (const { prefix, nodes } of set) this.#routes.set(prefix, nodes);
    const gone = remove.filter((prefix) => this.#routes.delete(prefix));
    const all = [...set, ...gone.map((prefix) => ({ prefix, nodes: [] }))];
    if (all.length > 0) this.#forwarder?.setRoutes(encodeRoutes(all));
  }

  /** Addresses of all nodes: packets in UDP are accepted from those, and from where routes lead to. */
  setPeers(addresses: readonly IpAddress[]): void {
    if (isDeepStrictEqual(addresses, this.#peers)) return;
    this.#peers = addresses;
    this.#forwarder?.setPeers(encodeAddresses(addresses));
  }

  /** Packets since the thread was started; undefined if none runs. */
  counters(): TunnelCounters | undefined {
    return this.#forwarder?.counters();
  }

  /** Ends the care and the carrying of packets; the device stays as it is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#keeper.stop();
    await this.#forwarder?.close();
  }

  async prepare(): Promise<void> {
    if (this.#forwarder !== undefined || this.#stopped) return;
    let forwarder: Forwarder;
    try {
      forwarder = await Forwarder.start({
        carrier: this.#options.carrier,
        ...(this.#options.namespace !== undefined && { namespace: this.#options.namespace }),
        onLoss: (error) => this.#lost(error),
      });
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      const text = `packets cannot be carried in user space: ${errorMessage(error)}`;
      throw new TunnelError("KERNEL_REFUSED", text, { step: error.syscall, errno: error.errno }, error);
    }
    if (this.#stopped) {
      await forwarder.close();
      return;
    }
    forwarder.setRoutes(encodeRoutes([...this.#routes].map(([prefix, nodes]) => ({ prefix, nodes }))));
    forwarder.setPeers(encodeAddresses(this.#peers));
    this.#forwarder = forwarder;
  }

  get use(): TunnelUse | undefined {
    return this.#forwarder?.use;
  }

  attach(device: string, use: TunnelUse): void {
    this.#forwarder?.attach(device, use);
  }

  setUse(use: TunnelUse): void {
    this.#forwarder?.setUse(use);
  }

  #lost(error: TunnelError | undefined): void {
    if (error !== undefined) {
      this.#logger.error({ code: error.code }, error.message);
      this.#forwarder = undefined;
    }
    if (this.#keeper.wish !== undefined) this.#keeper.demandChanged();
  }
}

function encodeAddresses(addresses: readonly IpAddress[]): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(addresses.filter(({ family }) => family === 4).map(({ w0 }) => w0));
}

function encodeRoutes(routes: TunnelRoutes["set"]): Uint32Array<ArrayBuffer> {
  const usable = routes.filter(({ prefix }) => prefix.family === 4);
  const words = new Uint32Array(usable.reduce((sum, { nodes }) => sum + 3 + nodes.length, 0));
  let at = 0;
  for (const { prefix, nodes } of usable) {
    words.set([prefix.address.w0, prefix.length, nodes.length, ...nodes.map(({ w0 }) => w0)], at);
    at += 3 + nodes.length;
  }
  return words;
}
