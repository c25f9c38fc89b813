import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { Prefix, parseCidr } from "../../net/prefix.ts";
import type { InterfaceAddress, KernelRoute, Link } from "../../netlink/types.ts";
import { splitOnce } from "./address-settings.ts";
import { ConfigError } from "./config-error.ts";

/** An address with the length of its subnet, as Node.spec.bgp.ipv4Address and ipv6Address hold it (`10.0.0.1/24`). */
export interface NodeAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
}

/** What the kernel knows, for the detection. */
export interface DetectionInput {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** How the kernel would reach an address; only asked for can-reach. */
  readonly routeTo: (address: IpAddress) => Promise<KernelRoute | undefined>;
}

/** Names of devices that never carry a node's address (Calico's list). */
const skippedInterfaces =
  /^(docker|cbr|dummy|podman|virbr|lxcbr|veth|lo$|br-|cali|tunl|flannel|kube-ipvs|cni|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|nodelocaldns)/;

/**
 * The address of a family that others reach this node at. `wanted` is the `ip` or `ip6` setting: an explicit address takes
 * the prefix length of the interface that has it, else /32 or /128. Throws `INVALID_SETTING` if there is none that fits.
 */
export async function resolveNodeAddress(
  family: AddressFamily,
  wanted: string,
  method: string,
  input: DetectionInput,
): Promise<NodeAddress | undefined> {
  if (wanted === "none") return undefined;
  if (wanted !== "autodetect") return explicitAddress(wanted, input);
  const [name, argument = ""] = splitOnce(method, "=");
  const found = await detect(family, name, argument, input);
  if (found !== undefined) return found;
  const flag = family === 4 ? "--ip" : "--ip6";
  throw new ConfigError(
    "INVALID_SETTING",
    `no IPv${family} address fits ${flag}-autodetection-method ${method}; give the node's address with ${flag} ADDRESS/LEN`,
    { method },
  );
}

function explicitAddress(text: string, input: DetectionInput): NodeAddress {
  if (text.includes("/")) {
    const { address, length } = parseCidr(text);
    return { address, prefixLength: length };
  }
  const address = IpAddress.parse(text);
  const configured = input.addresses.find((candidate) => candidate.address.equals(address));
  return { address, prefixLength: configured?.prefixLength ?? address.bits };
}

async function detect(
  family: AddressFamily,
  method: string,
  argument: string,
  input: DetectionInput,
): Promise<NodeAddress | undefined> {
  const candidates = usableAddresses(family, input);
  const firstOf = (accept: (link: Link, address: InterfaceAddress) => boolean) => {
    const found = candidates.find(({ link, address }) => accept(link, address));
    return found && { address: found.address.address, prefixLength: found.address.prefixLength };
  };
  switch (method) {
    case "interface": {
      const patterns = argument.split(",").map((part) => new RegExp(part));
      return firstOf((link) => patterns.some((pattern) => pattern.test(link.name)));
    }
    case "skip-interface": {
      const patterns = argument.split(",").map((part) => new RegExp(part));
      return firstOf((link) => notSkipped(link) && !patterns.some((pattern) => pattern.test(link.name)));
    }
    case "cidr": {
      const ranges = argument.split(",").map((part) => Prefix.parse(part));
      return firstOf((_link, address) => ranges.some((range) => range.containsAddress(address.address)));
    }
    case "can-reach": {
      const route = await input.routeTo(IpAddress.parse(argument));
      const source = route?.preferredSource;
      return source && firstOf((_link, address) => address.address.equals(source));
    }
    default:
      return firstOf(notSkipped);
  }
}

function notSkipped(link: Link): boolean {
  return !skippedInterfaces.test(link.name);
}

/**
 * Global addresses, last interface first, as Calico's first-found looks at them. An address that the kernel made up for
 * privacy (RFC 8981) is gone tomorrow and is nobody's to be reached at.
 */
function usableAddresses(family: AddressFamily, input: DetectionInput): { link: Link; address: InterfaceAddress }[] {
  const byIndex = new Map(input.links.map((link) => [link.index, link]));
  return input.addresses
    .filter(({ address, scope, temporary }) => address.family === family && scope === "universe" && temporary !== true)
    .flatMap((address) => {
      const link = byIndex.get(address.interfaceIndex);
      return link === undefined || link.loopback ? [] : [{ link, address }];
    })
    .sort((left, right) => right.link.index - left.link.index);
}
