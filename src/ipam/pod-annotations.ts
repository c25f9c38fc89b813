import { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { IpamError } from "./errors.ts";
import type { IpamPool } from "./pool-selection.ts";

const prefix = "cni.projectcalico.org/";

/** Which addresses a pod asks for. Empty lists: any. */
export interface AddressWishes {
  /** Ranges of pools, in order of preference. */
  readonly pools: readonly Prefix[];
  /** These, and no others; at most one of a family. */
  readonly addresses: readonly IpAddress[];
}

/**
 * Reads a pod's annotations as Calico's CNI plugin does: `ipv4pools` and `ipv6pools` (JSON lists of pools' names or ranges) and
 * `ipAddrs` (a JSON list of addresses, which IPAM must have). Throws `INVALID_ANNOTATION`, also for `ipAddrsNoIpam`, which no
 * pod of ours can have: an address that IPAM does not know could be given to another.
 */
export function readAddressWishes(
  annotations: Readonly<Record<string, string>>,
  pools: readonly IpamPool[],
): AddressWishes {
  const unsupported = annotations[`${prefix}ipAddrsNoIpam`];
  if (unsupported !== undefined)
    throw invalid("ipAddrsNoIpam", unsupported, "is not supported; use ipAddrs, with an address of an IPPool");
  const addresses = readList("ipAddrs", annotations).map((text) => parseAddress(text));
  for (const family of [4, 6] as const)
    if (addresses.filter((address) => address.family === family).length > 1)
      throw invalid("ipAddrs", annotations[`${prefix}ipAddrs`], `must have at most one IPv${family} address`);
  const found = ([4, 6] as const).flatMap((family) => {
    const name = `ipv${family}pools`;
    return readList(name, annotations).map((text) => findRange(name, text, family, pools));
  });
  return { pools: found, addresses };
}

function readList(name: string, annotations: Readonly<Record<string, string>>): readonly string[] {
  const text = annotations[`${prefix}${name}`];
  if (text === undefined) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!Array.isArray(value) || value.some((each) => typeof each !== "string"))
    throw invalid(name, text, 'must be a JSON list of texts such as ["10.244.0.0/16"]');
  return value as string[];
}

function parseAddress(text: string): IpAddress {
  const address = IpAddress.tryParse(text);
  if (address === undefined) throw invalid("ipAddrs", text, "must be an IP address without a prefix length");
  return address;
}

/** A range that is no pool's is refused later, as any that is not enabled. */
function findRange(annotation: string, text: string, family: 4 | 6, pools: readonly IpamPool[]): Prefix {
  const range = pools.find(({ name }) => name === text)?.cidr ?? Prefix.tryParse(text);
  const names = pools.filter(({ cidr }) => cidr.family === family).map(({ name, cidr }) => `${name} (${cidr})`);
  if (range?.family !== family)
    throw invalid(annotation, text, `must be the name or range of an IPv${family} pool: ${names.join(", ") || "none"}`);
  return range;
}

function invalid(annotation: string, value: unknown, right: string): IpamError {
  const name = `${prefix}${annotation}`;
  return new IpamError("INVALID_ANNOTATION", `annotation ${name} ${JSON.stringify(value)} ${right}`, {
    annotation: name,
    value,
  });
}
