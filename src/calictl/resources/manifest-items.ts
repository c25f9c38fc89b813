import type { ManifestEntry } from "../../resources/manifest.ts";
import type { CommandContext } from "../output.ts";
import type { ChangeItem } from "./change-set.ts";
import { readManifests } from "./manifest-files.ts";
import type { FileOptions } from "./options.ts";
import { referenceTo } from "./reference.ts";

/** An object of a manifest, to be changed. */
export type ManifestItem = ChangeItem & { readonly entry: ManifestEntry };

/** The objects of manifests, as `readManifests` reads them. */
export async function readManifestItems(
  context: CommandContext,
  options: FileOptions & { readonly namespace?: string },
): Promise<ManifestItem[]> {
  const entries = await readManifests(context, options);
  return entries.map((entry) => {
    const { kind, metadata } = entry.resource;
    return { ...referenceTo(kind, metadata.name, metadata.namespace), entry };
  });
}
