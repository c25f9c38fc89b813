import { addressesOf, planAddress } from "../fib/device/addresses.ts";
import { TunnelError } from "../fib/device/errors.ts";
import { findDevice, planName } from "../fib/device/find.ts";
import type { DeviceKind, DeviceStep } from "../fib/device/types.ts";
import type { TunnelWish } from "../fib/device/wish.ts";
import type { DeviceControl } from "../netlink/device-control.ts";
import type { InterfaceAddress, Link, NetlinkAccess, NetlinkEvent, NetlinkRequest } from "../netlink/types.ts";

/** The part of a DeviceControl that IPIP needs. */
export type IpipControl = Pick<DeviceControl, "setPmtuDiscovery" | "reversePathFilter" | "setReversePathFilter">;

export interface SeenIpip {
  readonly link: Link | undefined;
  readonly addresses: readonly InterfaceAddress[];
  /** Looked up only if somebody asks for a value. */
  readonly reversePathFilter?: number;
}

/** What is particular to tunl0. */
export class IpipKind implements DeviceKind<TunnelWish, SeenIpip> {
  readonly #netlink: Pick<NetlinkAccess, "links" | "addresses">;
  readonly #control: IpipControl;
  readonly #name: string;
  /** Index of the device when it was last seen. */
  #index: number | undefined;

  constructor(options: { netlink: Pick<NetlinkAccess, "links" | "addresses">; control: IpipControl; name: string }) {
    this.#netlink = options.netlink;
    this.#control = options.control;
    this.#name = options.name;
  }

  async look(wish: TunnelWish | undefined): Promise<SeenIpip> {
    const isOurs = ({ kind }: Link): boolean => kind === "ipip";
    const link = findDevice(await this.#netlink.links(), this.#name, this.#index, isOurs);
    this.#index = link?.index;
    if (link === undefined) return { link, addresses: [] };
    const addresses = addressesOf(await this.#netlink.addresses(), link.index, 4);
    const filter = wish?.reversePathFilter !== undefined && this.#control.reversePathFilter(link.name);
    return { link, addresses, ...(filter !== false && { reversePathFilter: filter }) };
  }

  plan(wish: TunnelWish, { link, addresses, reversePathFilter }: SeenIpip): readonly DeviceStep[] {
    const name = this.#name;
    const { mtu, pmtuDiscovery } = wish;
    if (link === undefined) {
      const properties = { kind: "ipip", name, mtu, ...(pmtuDiscovery !== undefined && { pmtuDiscovery }) } as const;
      return [{ request: { op: "link-add", link: { ...properties, up: true } } }];
    }
    this.#refuseOthers(link);
    if (link.name !== name) return planName(link, name);
    const steps: DeviceStep[] = [];
    if (link.mtu !== mtu) steps.push({ request: { op: "link-set", link: link.index, change: { mtu } } });
    steps.push(...planAddress(link.index, wish.address, addresses));
    if (!link.up) steps.push({ request: { op: "link-set", link: link.index, change: { up: true } } });
    if (pmtuDiscovery !== undefined && link.ipip?.pmtuDiscovery !== pmtuDiscovery)
      steps.push({ what: "path MTU discovery", run: () => this.#control.setPmtuDiscovery(name, pmtuDiscovery) });
    const filter = wish.reversePathFilter;
    if (filter !== undefined && filter !== reversePathFilter)
      steps.push({ what: "rp_filter", run: () => this.#control.setReversePathFilter(name, filter) });
    return steps;
  }

  planRemoval(last: TunnelWish | undefined, { link, addresses }: SeenIpip): readonly DeviceStep[] {
    if (link?.kind !== "ipip") return [];
    return addresses
      .filter(({ address }) => last?.address.equals(address) === true)
      .map((address) => ({ request: { op: "address-delete", address } }));
  }

  usableMtu({ address: wanted }: TunnelWish, { link, addresses }: SeenIpip): number | undefined {
    if (link?.kind !== "ipip" || link.name !== this.#name || !link.up || link.ipip?.remote !== undefined)
      return undefined;
    return addresses.some(({ address }) => address.equals(wanted)) ? link.mtu : undefined;
  }

  concerns(event: NetlinkEvent): boolean {
    if (event.type === "link") return event.link.name === this.#name || event.link.index === this.#index;
    return event.type === "address" && event.address.interfaceIndex === this.#index;
  }

  explain(request: NetlinkRequest, errnoName: string): TunnelError | undefined {
    if (request.op !== "link-add" || errnoName !== "EOPNOTSUPP") return undefined;
    return new TunnelError(
      "KERNEL_LACKS_IPIP",
      `this kernel has no IPIP, so there is no ${this.#name}: load its module (modprobe ipip) on the host, ` +
        "or have the pools use vxlanMode, or ipipMode Never",
      { device: this.#name },
    );
  }

  #refuseOthers(link: Link): void {
    const { remote, local } = link.ipip ?? {};
    if (link.kind === "ipip" && remote === undefined) return;
    const what =
      link.kind === "ipip"
        ? `an IPIP tunnel from ${local ?? "any address"} to ${remote} alone`
        : `of kind ${link.kind ?? "physical"}`;
    throw new TunnelError(
      "DEVICE_CONFLICT",
      `device ${link.name} is ${what}, where an IPIP tunnel to any node is needed: rename or delete it`,
      { device: link.name, kind: link.kind },
    );
  }
}
