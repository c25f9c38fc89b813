import type { Logger } from "../../core/logger.ts";
import { podInterfaceName } from "../../endpoint/names.ts";
import type { PodAddress } from "../../ipam/block.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import { isPodHandle } from "./pod-record.ts";

interface OrphanOptions {
  readonly ipam: Pick<Ipam, "releaseByHandle">;
  readonly hostInterfaces: () => Promise<ReadonlySet<string>>;
  readonly interfacePrefix: string;
  readonly logger: Logger;
}

/**
 * Frees those of a node's pod addresses that were taken for a pod that never came to be, because the agent ended in between.
 * `inUse`: the handles of pods that have a record or are being made.
 */
export async function freeOrphans(
  addresses: readonly PodAddress[],
  inUse: ReadonlySet<string>,
  { ipam, hostInterfaces, interfacePrefix, logger }: OrphanOptions,
): Promise<void> {
  const orphans = addresses.filter(({ handleId }) => isPodHandle(handleId) && !inUse.has(handleId));
  if (orphans.length === 0) return;
  const present = await hostInterfaces();
  for (const { address, handleId, namespace, pod } of orphans) {
    const facts = { address: address.toString(), handleId, pod: `${namespace}/${pod}` };
    // Somebody may use an address whose interface is there.
    if (present.has(podInterfaceName(namespace, pod, interfacePrefix)))
      logger.warn(facts, "an address has an interface but no WorkloadEndpoint; it is kept until that is deleted");
    else {
      await ipam.releaseByHandle(handleId);
      logger.warn(facts, "an address of a pod that was never finished is freed");
    }
  }
}
