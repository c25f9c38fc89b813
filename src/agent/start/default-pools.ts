import type { AddressFamily } from "../../net/address.ts";
import { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { IpPoolSpec } from "../../resources/ip-pool.ts";
import type { Resource } from "../../resources/resource.ts";
import type { PoolConfig } from "../config/pool-settings.ts";

/** What the default pools depend on besides the settings. */
export interface PoolSurroundings {
  /** Families of which the node has an address. */
  readonly families: readonly AddressFamily[];
  /** The subnets that this machine is in. */
  readonly ownSubnets: readonly Prefix[];
  /** That many random octets. */
  readonly randomBytes: (count: number) => Uint8Array;
}

/** Calico's first, then what other private networks use least. */
const ranges = ["192.168.0.0/16", "10.244.0.0/16", "172.20.0.0/16", "100.64.0.0/16"].map((text) => Prefix.parse(text));

/** The pools to create where there is none of their family. Their names are Calico's. */
export function defaultPools(config: PoolConfig, surroundings: PoolSurroundings): Resource<"IPPool">[] {
  if (config.skipDefaultPools) return [];
  const { families } = surroundings;
  const pools: Resource<"IPPool">[] = [];
  if (families.includes(4) || config.ipv4PoolCidr !== undefined)
    pools.push(
      poolOf("default-ipv4-ippool", {
        cidr: (config.ipv4PoolCidr ?? freeRange(surroundings)).toString(),
        ipipMode: config.ipv4PoolIpip,
        vxlanMode: config.ipv4PoolVxlan,
        natOutgoing: config.ipv4PoolNatOutgoing,
        blockSize: config.ipv4PoolBlockSize,
        nodeSelector: config.ipv4PoolNodeSelector,
        disableBGPExport: config.ipv4PoolDisableBgpExport,
      }),
    );
  if (families.includes(6) || config.ipv6PoolCidr !== undefined)
    pools.push(
      poolOf("default-ipv6-ippool", {
        cidr: (config.ipv6PoolCidr ?? uniqueLocalRange(surroundings.randomBytes(5))).toString(),
        ipipMode: "Never",
        vxlanMode: config.ipv6PoolVxlan,
        natOutgoing: config.ipv6PoolNatOutgoing,
        blockSize: config.ipv6PoolBlockSize,
        nodeSelector: config.ipv6PoolNodeSelector,
        disableBGPExport: config.ipv6PoolDisableBgpExport,
      }),
    );
  return pools;
}

/** A pool that contains the machines' own network would take their packets. */
function freeRange({ ownSubnets }: PoolSurroundings): Prefix {
  const [first] = ranges;
  const free = ranges.find((range) => !ownSubnets.some((subnet) => subnet.overlaps(range)));
  return free ?? first ?? Prefix.parse("192.168.0.0/16");
}

/** fdXX:XXXX:XXXX::/48 (RFC 4193 §3.2). */
function uniqueLocalRange(globalId: Uint8Array): Prefix {
  const octets = new Uint8Array(16);
  octets[0] = 0xfd;
  octets.set(globalId, 1);
  return Prefix.of(IpAddress.fromBytes(octets), 48);
}

function poolOf(name: string, { disableBGPExport, ...spec }: IpPoolSpec): Resource<"IPPool"> {
  return {
    kind: "IPPool",
    apiVersion: "projectcalico.org/v3",
    metadata: { name },
    spec: { ...spec, ...(disableBGPExport === true && { disableBGPExport }) },
  };
}
