import type { IpAddress } from "../../../../src/net/address.ts";
import type {
  InterfaceAddress,
  KernelRoute,
  Link,
  Netlink,
  NetlinkEvent,
  NetlinkRequest,
  NetlinkResult,
} from "../../../../src/netlink/types.ts";

const succeeded: NetlinkResult = { ok: true };

/**
 * Links and addresses as the kernel keeps them, as far as tunl0 and the MTU need it. What the real one does is shown in the
 * lab and uml lanes.
 */
export class DeviceKernel implements Netlink {
  linksHeld: Link[] = [];
  addressesHeld: InterfaceAddress[] = [];
  readonly requests: NetlinkRequest[] = [];
  /** Answers to requests of this kind instead of the model's own. */
  readonly refusals = new Map<NetlinkRequest["op"], NetlinkResult>();
  /** Called once when requests have been applied and before they are answered. */
  beforeAnswer: (() => void) | undefined;
  /** Every call fails with it. */
  failure: Error | undefined;
  /** By text of the destination. */
  readonly routesTo = new Map<string, KernelRoute>();
  #nextIndex = 10;
  readonly #listeners = new Set<(events: readonly NetlinkEvent[]) => void>();

  async execute(requests: readonly NetlinkRequest[]): Promise<readonly NetlinkResult[]> {
    await this.#turn();
    const answers = requests.map((request) => {
      this.requests.push(request);
      return this.refusals.get(request.op) ?? this.#apply(request);
    });
    const between = this.beforeAnswer;
    this.beforeAnswer = undefined;
    between?.();
    return answers;
  }

  #apply(request: NetlinkRequest): NetlinkResult {
    switch (request.op) {
      case "link-add": {
        const { name, kind, mtu = 1500, up = false } = request.link;
        const ipip = { ttl: 0, pmtuDiscovery: true };
        this.setLink({ index: this.#nextIndex++, name, kind, mtu, up, running: up, loopback: false, ipip });
        return succeeded;
      }
      case "link-set": {
        const link = this.linksHeld.find(({ index }) => index === request.link);
        if (link === undefined) return { ok: false, errno: 19, code: "ENODEV", message: "no such device" };
        const { mtu = link.mtu, up = link.up, name = link.name } = request.change;
        this.setLink({ ...link, mtu, up, name });
        return succeeded;
      }
      case "address-replace":
        this.addressesHeld.push(request.address);
        this.tell({ type: "address", action: "new", address: request.address });
        return succeeded;
      case "address-delete":
        this.deleteAddress(request.address);
        return succeeded;
      default:
        throw new TypeError(`the model does not know ${request.op}`);
    }
  }

  setLink(link: Link): void {
    this.linksHeld = [...this.linksHeld.filter(({ index }) => index !== link.index), link];
    this.tell({ type: "link", action: "new", link });
  }

  deleteLink(link: Link): void {
    this.linksHeld = this.linksHeld.filter(({ index }) => index !== link.index);
    this.addressesHeld = this.addressesHeld.filter(({ interfaceIndex }) => interfaceIndex !== link.index);
    this.tell({ type: "link", action: "delete", link });
  }

  deleteAddress(address: InterfaceAddress): void {
    this.addressesHeld = this.addressesHeld.filter((held) => !held.address.equals(address.address));
    this.tell({ type: "address", action: "delete", address });
  }

  link(name: string): Link {
    const link = this.linksHeld.find((candidate) => candidate.name === name);
    if (link === undefined) throw new TypeError(`no device ${name}`);
    return link;
  }

  tell(...events: NetlinkEvent[]): void {
    for (const listener of this.#listeners) listener(events);
  }

  async links(): Promise<readonly Link[]> {
    await this.#turn();
    return [...this.linksHeld];
  }

  async addresses(): Promise<readonly InterfaceAddress[]> {
    await this.#turn();
    return [...this.addressesHeld];
  }

  async routeTo(address: IpAddress): Promise<KernelRoute | undefined> {
    await this.#turn();
    return this.routesTo.get(address.toString());
  }

  async routes(): Promise<readonly KernelRoute[]> {
    return [];
  }

  async neighbours(): Promise<readonly []> {
    return [];
  }

  async subscribe(_groups: readonly string[], listener: (events: readonly NetlinkEvent[]) => void) {
    await this.#turn();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  async #turn(): Promise<void> {
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
  }
}
