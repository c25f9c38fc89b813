import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { Prefix, parseCidr } from "../../net/prefix.ts";
import type { InterfaceAddress, KernelRoute, Link } from "../../netlink/types.ts";
import { splitOnce } from "../config/address-settings.ts";
import { ConfigError } from "../config/config-error.ts";
import { type CandidateInput, type JudgedCandidate, judgeCandidates } from "./address-candidates.ts";

/** An address with the length of its subnet, as Node.spec.bgp.ipv4Address and ipv6Address hold it (`10.0.0.1/24`). */
export interface NodeAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
}

/** What the machine knows, for the detection. */
export interface DetectionInput {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** How the kernel would reach an address. */
  readonly routeTo: (address: IpAddress) => Promise<KernelRoute | undefined>;
  /** The address of a host by its name; only asked for can-reach. Throws if there is none. */
  readonly lookUp: (host: string, family: AddressFamily) => Promise<IpAddress>;
  /** The node's addresses as Kubernetes has them. */
  readonly hostIps: readonly IpAddress[];
}

/** Names of devices that never carry a node's address (Calico's list). */
const skippedInterfaces =
  /^(docker|cbr|dummy|podman|virbr|lxcbr|veth|lo$|br-|cali|tunl|flannel|kube-ipvs|cni|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|nodelocaldns)/;

/** Addresses for documentation (RFC 5737, RFC 3849): what leads there by a gateway is as good as always the default route. */
const farAway = { 4: IpAddress.parse("203.0.113.1"), 6: IpAddress.parse("2001:db8:ffff:ffff::1") } as const;

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
  const [best] = await detectAddress(family, method, input);
  if (best?.verdict === "taken") return { address: best.address, prefixLength: best.prefixLength };
  const flag = family === 4 ? "--ip" : "--ip6";
  throw new ConfigError(
    "INVALID_SETTING",
    `no IPv${family} address fits ${flag}-autodetection-method ${method}; give the node's address with ${flag} ADDRESS/LEN, ` +
      "or see what there is with calibird agent --explain-address",
    { method },
  );
}

/** Every address of the family, best first, with what the method thinks of it. Throws `INVALID_SETTING` if it cannot be asked. */
export async function detectAddress(
  family: AddressFamily,
  method: string,
  input: DetectionInput,
): Promise<readonly JudgedCandidate[]> {
  const byDefault = (await input.routeTo(farAway[family]))?.nextHops[0];
  return judgeCandidates(family, {
    links: input.links,
    addresses: input.addresses,
    defaultInterface: byDefault?.gateway === undefined ? undefined : byDefault.interfaceIndex,
    method: await opinionOf(family, method, input),
  });
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

async function opinionOf(
  family: AddressFamily,
  method: string,
  input: DetectionInput,
): Promise<CandidateInput["method"]> {
  const [name, argument = ""] = splitOnce(method, "=");
  const parts = argument.split(",");
  switch (name) {
    case "interface": {
      const patterns = parts.map((part) => new RegExp(part));
      return (link) => {
        const preference = patterns.findIndex((pattern) => pattern.test(link.name));
        return preference >= 0 ? { preference } : { refusal: "its interface is not one that was asked for" };
      };
    }
    case "skip-interface": {
      const patterns = parts.map((part) => new RegExp(part));
      return (link) =>
        patterns.some((pattern) => pattern.test(link.name))
          ? { refusal: "its interface is to be skipped" }
          : firstFound(link);
    }
    case "cidr": {
      const ranges = parts.map((part) => Prefix.parse(part));
      return (_link, { address }) => {
        const preference = ranges.findIndex((range) => range.containsAddress(address));
        return preference >= 0 ? { preference } : { refusal: `it is not in ${argument}` };
      };
    }
    case "can-reach": {
      const source = await sourceTowards(argument, family, input);
      return (_link, { address }) =>
        source !== undefined && address.equals(source)
          ? { preference: 0 }
          : {
              refusal: source === undefined ? `nothing leads to ${argument}` : `${argument} is reached from ${source}`,
            };
    }
    case "kubernetes-internal-ip": {
      const own = input.hostIps.filter((address) => address.family === family);
      if (own.length === 0)
        throw new ConfigError(
          "INVALID_SETTING",
          `kubernetes-internal-ip: Kubernetes has said of no IPv${family} address that it is this node's; set CALIBIRD_HOST_IPS from status.hostIPs of the agent's pod`,
          { method },
        );
      return (_link, { address }) => {
        const preference = own.findIndex((one) => one.equals(address));
        return preference >= 0 ? { preference } : { refusal: "it is not the node's address in Kubernetes" };
      };
    }
    default:
      return firstFound;
  }
}

function firstFound({ name }: Link): ReturnType<CandidateInput["method"]> {
  return skippedInterfaces.test(name) ? { refusal: "its interface is one of container software" } : { preference: 0 };
}

async function sourceTowards(
  host: string,
  family: AddressFamily,
  input: DetectionInput,
): Promise<IpAddress | undefined> {
  return (await input.routeTo(await addressOf(host, family, input)))?.preferredSource;
}

async function addressOf(host: string, family: AddressFamily, input: DetectionInput): Promise<IpAddress> {
  try {
    return IpAddress.parse(host);
  } catch {
    return input.lookUp(host, family);
  }
}
