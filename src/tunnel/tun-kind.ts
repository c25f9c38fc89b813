import { addressesOf, planAddress } from "../fib/device/addresses.ts";
import { TunnelError } from "../fib/device/errors.ts";
import { findDevice, planName } from "../fib/device/find.ts";
import type { DeviceKind, DeviceStep } from "../fib/device/types.ts";
import type { TunnelWish } from "../fib/device/wish.ts";
import type { DeviceControl } from "../netlink/device-control.ts";
import type { InterfaceAddress, Link, NetlinkAccess, NetlinkEvent } from "../netlink/types.ts";
import type { TunnelUse } from "./messages.ts";

/** Our end of the device. */
export interface TunPort {
  /** Does what has to be done before `attach`. Throws TunnelError. */
  prepare(): Promise<void>;
  /** How we use the device; undefined: somebody has to `attach`. */
  readonly use: TunnelUse | undefined;
  /** Takes the device or makes it. Throws SyscallError. */
  attach(device: string, use: TunnelUse): void;
  setUse(use: TunnelUse): void;
}

export interface SeenTun {
  readonly link: Link | undefined;
  readonly addresses: readonly InterfaceAddress[];
  readonly use: TunnelUse | undefined;
  /** Looked up only if somebody asks for a value. */
  readonly reversePathFilter?: number;
}

interface TunKindOptions {
  readonly netlink: Pick<NetlinkAccess, "links" | "addresses">;
  readonly control: Pick<DeviceControl, "reversePathFilter" | "setReversePathFilter">;
  readonly name: string;
  readonly port: TunPort;
}

/** What is particular to a tunnel device whose packets this program carries. */
export class TunKind implements DeviceKind<TunnelWish, SeenTun> {
  readonly #options: TunKindOptions;
  /** Index of the device when it was last seen. */
  #index: number | undefined;

  constructor(options: TunKindOptions) {
    this.#options = options;
  }

  async look(wish: TunnelWish | undefined): Promise<SeenTun> {
    const { netlink, control, name, port } = this.#options;
    if (wish !== undefined) await port.prepare();
    const link = findDevice(await netlink.links(), name, this.#index, ({ kind }) => kind === "tun");
    this.#index = link?.index;
    if (link === undefined) return { link, addresses: [], use: port.use };
    const addresses = addressesOf(await netlink.addresses(), link.index, 4);
    const filter = wish?.reversePathFilter !== undefined && control.reversePathFilter(link.name);
    return { link, addresses, use: port.use, ...(filter !== false && { reversePathFilter: filter }) };
  }

  plan(wish: TunnelWish, { link, addresses, use, reversePathFilter }: SeenTun): readonly DeviceStep[] {
    const { name, port, control } = this.#options;
    const { mtu, pmtuDiscovery = false, reversePathFilter: filter } = wish;
    const wantedUse = { mtu, pmtuDiscovery };
    const attach = { what: "the other end", run: () => port.attach(name, wantedUse) };
    if (link === undefined) return [attach];
    if (link.kind !== "tun") throw conflict(link);
    if (link.name !== name) return planName(link, name);
    const steps: DeviceStep[] = [];
    if (use === undefined) steps.push(attach);
    else if (use.mtu !== mtu || use.pmtuDiscovery !== pmtuDiscovery)
      steps.push({ what: "the other end's MTU", run: () => port.setUse(wantedUse) });
    if (link.mtu !== mtu) steps.push({ request: { op: "link-set", link: link.index, change: { mtu } } });
    steps.push(...planAddress(link.index, wish.address, addresses));
    if (!link.up) steps.push({ request: { op: "link-set", link: link.index, change: { up: true } } });
    if (filter !== undefined && filter !== reversePathFilter)
      steps.push({ what: "rp_filter", run: () => control.setReversePathFilter(name, filter) });
    return steps;
  }

  planRemoval(last: TunnelWish | undefined, { link, addresses }: SeenTun): readonly DeviceStep[] {
    if (link?.kind !== "tun") return [];
    return addresses
      .filter(({ address }) => last?.address.equals(address) === true)
      .map((address) => ({ request: { op: "address-delete", address } }));
  }

  usableMtu({ address: wanted }: TunnelWish, { link, addresses, use }: SeenTun): number | undefined {
    if (link?.kind !== "tun" || link.name !== this.#options.name || !link.up || use === undefined) return undefined;
    return addresses.some(({ address }) => address.equals(wanted)) ? link.mtu : undefined;
  }

  concerns(event: NetlinkEvent): boolean {
    if (event.type === "link") return event.link.name === this.#options.name || event.link.index === this.#index;
    return event.type === "address" && event.address.interfaceIndex === this.#index;
  }

  explain(): undefined {
    return undefined;
  }
}

function conflict({ name, kind = "physical" }: Link): TunnelError {
  const cure =
    kind === "ipip"
      ? "the kernel has IPIP itself, so use --ipip-backend kernel (or auto); or, since a tunl0 that its module has made cannot be " +
        `deleted, rename it: ip link set ${name} down; ip link set ${name} name ${name}-kernel`
      : "rename or delete it";
  const text = `device ${name} is of kind ${kind}, where a TUN device is needed: ${cure}`;
  return new TunnelError("DEVICE_CONFLICT", text, { device: name, kind });
}
