import type { ResourceClient } from "../datastore/resource-client.ts";
import { ResourceError } from "../resources/errors.ts";
import type { IpamConfigurationSpec } from "../resources/ipam-configuration.ts";
import type { Resource } from "../resources/resource.ts";

/**
 * Changes some of IPAM's settings and leaves the others; returns all of them. Throws `INVALID_RESOURCE` for settings that
 * exclude each other, and `UPDATE_CONFLICT`.
 */
export async function configureIpam(
  client: ResourceClient,
  change: Partial<IpamConfigurationSpec>,
): Promise<IpamConfigurationSpec> {
  const stored = await storedConfiguration(client);
  const spec = { strictAffinity: false, ...stored?.spec, ...change };
  const { resource } = await client.apply<Resource<"IPAMConfiguration">>({
    kind: "IPAMConfiguration",
    apiVersion: "projectcalico.org/v3",
    metadata: { ...stored?.metadata, name: "default" },
    spec,
  });
  return resource.spec;
}

async function storedConfiguration(client: ResourceClient): Promise<Resource<"IPAMConfiguration"> | undefined> {
  try {
    return await client.get("IPAMConfiguration", "default");
  } catch (error) {
    if (error instanceof ResourceError && error.code === "RESOURCE_NOT_FOUND") return undefined;
    throw error;
  }
}
