import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";
import type { RouteNextHop, RouteShape } from "../netlink/types.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { LinkTable } from "./link-table.ts";
import type { DesiredForwarding, DesiredNextHop } from "./types.ts";

/** The legs that a forwarding comes down to, or why there is no way. */
export type Resolution =
  /** `missing` says why some of several next hops were left out. */
  | { readonly ok: true; readonly legs: readonly RouteNextHop[]; readonly missing?: string }
  | { readonly ok: false; readonly reason: string };

/** A device or gateway that wishes lead to, with its present resolution and those that use it. */
interface Target<User> {
  readonly gateway?: DesiredNextHop;
  readonly device?: string;
  readonly users: Set<User>;
  resolution: Resolution;
}

/**
 * Resolves next hops on our own model of links and foreign routes rather than by asking the kernel for each: the model
 * tells which routes to write again when a link or route changes, it allows gateways behind a router (resolved through
 * the route that leads there, as BIRD does), and it costs one look-up per gateway instead of one per route. The kernel
 * has the last word when the route is written.
 *
 * Only foreign routes count (connected, static, DHCP …), so that no route of ours can come to depend on another one.
 */
export class NextHops<User> {
  readonly #table: KernelTable;
  readonly #links: LinkTable;
  readonly #isForeign: (route: RouteShape) => boolean;
  readonly #gateways = new PrefixMap<Target<User>[]>();
  readonly #devices = new Map<string, Target<User>>();

  constructor(table: KernelTable, links: LinkTable, isForeign: (route: RouteShape) => boolean) {
    this.#table = table;
    this.#links = links;
    this.#isForeign = isForeign;
  }

  /** Registers that somebody's routes lead there. */
  attach(user: User, forwarding: DesiredForwarding): void {
    for (const target of this.#targetsOf(forwarding)) target.users.add(user);
  }

  /** Undoes `attach`. */
  detach(user: User, forwarding: DesiredForwarding): void {
    for (const target of this.#targetsOf(forwarding)) {
      target.users.delete(user);
      if (target.users.size === 0) this.#forget(target);
    }
  }

  /** The legs of an attached forwarding. Of several gateways those that cannot be reached are left out. */
  resolve(forwarding: DesiredForwarding): Resolution {
    const legs: RouteNextHop[] = [];
    const missing: string[] = [];
    for (const [target, weight] of this.#weightedTargetsOf(forwarding)) {
      if (!target.resolution.ok) missing.push(target.resolution.reason);
      else if (weight === undefined) legs.push(...target.resolution.legs);
      else for (const leg of target.resolution.legs) legs.push({ ...leg, weight: leg.weight * weight });
    }
    if (missing.length === 0) return { ok: true, legs };
    const reason = missing.join("; ");
    return legs.length === 0 ? { ok: false, reason } : { ok: true, legs, missing: reason };
  }

  /** The interface by which a gateway is reached, whether a route leads there or not; undefined if it is not. */
  interfaceTo(gateway: IpAddress): string | undefined {
    const resolution = this.#resolveGateway({ gateway });
    const index = resolution.ok ? resolution.legs[0]?.interfaceIndex : undefined;
    return index === undefined ? undefined : this.#links.byIndex(index)?.name;
  }

  /** A link of this name came, went or changed: returns the users of targets that now resolve differently. */
  linkChanged(name: string): Set<User> {
    const target = this.#devices.get(name);
    const affected = this.#gatewayTargets((other) => other.gateway?.device === name);
    if (target !== undefined) affected.push(target);
    return this.#evaluate(affected);
  }

  /** Foreign routes of these prefixes changed: as `linkChanged`. */
  routesChanged(prefixes: readonly Prefix[]): Set<User> {
    return this.#evaluate(
      this.#gatewayTargets(
        ({ gateway }) =>
          // Beyond some number it is cheaper to resolve every gateway again than to see which ones are meant.
          prefixes.length > 256 ||
          prefixes.some((prefix) => gateway !== undefined && prefix.containsAddress(gateway.gateway)),
      ),
    );
  }

  #gatewayTargets(accept: (target: Target<User>) => boolean): Target<User>[] {
    const found: Target<User>[] = [];
    for (const targets of this.#gateways.values()) found.push(...targets.filter(accept));
    return found;
  }

  *#targetsOf(forwarding: DesiredForwarding): IterableIterator<Target<User>> {
    for (const [target] of this.#weightedTargetsOf(forwarding)) yield target;
  }

  /** Finds or makes the targets of a forwarding. */
  *#weightedTargetsOf(forwarding: DesiredForwarding): IterableIterator<[Target<User>, number | undefined]> {
    if (forwarding.mode === "device") yield [this.#deviceTarget(forwarding.device), undefined];
    if ("nextHops" in forwarding) for (const hop of forwarding.nextHops) yield [this.#gatewayTarget(hop), hop.weight];
  }

  #deviceTarget(device: string): Target<User> {
    let target = this.#devices.get(device);
    if (target === undefined) {
      target = { device, users: new Set(), resolution: this.#resolveDevice(device) };
      this.#devices.set(device, target);
    }
    return target;
  }

  #gatewayTarget(hop: DesiredNextHop): Target<User> {
    const key = Prefix.host(hop.gateway);
    const targets = this.#gateways.get(key) ?? [];
    const existing = targets.find(
      ({ gateway }) => gateway?.device === hop.device && (gateway?.onlink ?? false) === (hop.onlink ?? false),
    );
    if (existing !== undefined) return existing;
    const target: Target<User> = { gateway: hop, users: new Set(), resolution: this.#resolveGateway(hop) };
    this.#gateways.set(key, [...targets, target]);
    return target;
  }

  #forget(target: Target<User>): void {
    if (target.device !== undefined) this.#devices.delete(target.device);
    if (target.gateway === undefined) return;
    const key = Prefix.host(target.gateway.gateway);
    const rest = (this.#gateways.get(key) ?? []).filter((other) => other !== target);
    if (rest.length === 0) this.#gateways.delete(key);
    else this.#gateways.set(key, rest);
  }

  #evaluate(targets: readonly Target<User>[]): Set<User> {
    const changed = targets.filter((target) => {
      const before = target.resolution;
      if (target.gateway !== undefined) target.resolution = this.#resolveGateway(target.gateway);
      else if (target.device !== undefined) target.resolution = this.#resolveDevice(target.device);
      return !sameResolution(before, target.resolution);
    });
    return new Set(changed.flatMap(({ users }) => [...users]));
  }

  #resolveDevice(name: string): Resolution {
    const link = this.#links.byName(name);
    if (link === undefined) return failed(`device ${name} does not exist`);
    if (!link.up) return failed(`device ${name} is down`);
    return { ok: true, legs: [{ interfaceIndex: link.index, onlink: false, weight: 1 }] };
  }

  #resolveGateway(hop: DesiredNextHop): Resolution {
    const { gateway, device, onlink = false } = hop;
    if (device !== undefined) return this.#resolveOnDevice(gateway, device, onlink);
    if (onlink) return failed(`next hop ${gateway} is given as on-link but without a device`);
    if (isLinkLocal(gateway)) return failed(`next hop ${gateway} is link-local and needs a device`);
    const [route] = this.#table.longestMatch(gateway, this.#isForeign);
    if (route === undefined) return failed(`no route to next hop ${gateway}`);
    if (route.type !== "unicast") return failed(`next hop ${gateway} is behind ${route.type} ${route.destination}`);
    return { ok: true, legs: route.nextHops.map((leg) => (leg.gateway === undefined ? { ...leg, gateway } : leg)) };
  }

  #resolveOnDevice(gateway: IpAddress, device: string, onlink: boolean): Resolution {
    const resolution = this.#resolveDevice(device);
    const [leg] = resolution.ok ? resolution.legs : [];
    if (leg === undefined) return resolution;
    const connected = (route: RouteShape): boolean =>
      this.#isForeign(route) &&
      route.type === "unicast" &&
      route.nextHops.some((hop) => hop.interfaceIndex === leg.interfaceIndex && hop.gateway === undefined);
    if (!onlink && !isLinkLocal(gateway) && this.#table.longestMatch(gateway, connected).length === 0)
      return failed(`next hop ${gateway} is not on the link of ${device}`);
    return { ok: true, legs: [{ ...leg, gateway, onlink }] };
  }
}

function failed(reason: string): Resolution {
  return { ok: false, reason };
}

/** fe80::/10 (RFC 4291 §2.5.6). */
function isLinkLocal(address: IpAddress): boolean {
  return address.family === 6 && address.w0 >>> 22 === 0xfe80 >>> 6;
}

function sameResolution(left: Resolution, right: Resolution): boolean {
  if (!left.ok || !right.ok) return left.ok === right.ok && !left.ok && !right.ok && left.reason === right.reason;
  return (
    left.legs.length === right.legs.length &&
    left.legs.every((leg, index) => {
      const other = right.legs[index];
      return (
        other !== undefined &&
        leg.interfaceIndex === other.interfaceIndex &&
        leg.onlink === other.onlink &&
        leg.weight === other.weight &&
        (leg.gateway === undefined || other.gateway === undefined
          ? leg.gateway === other.gateway
          : leg.gateway.equals(other.gateway))
      );
    })
  );
}
