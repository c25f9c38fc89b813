import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CalibirdError, errorMessage } from "../core/errors.ts";
import { type ManifestEntry, parseManifest } from "../resources/manifest.ts";
import type { CommandContext } from "./output.ts";

type ManifestFileErrorCode = "UNREADABLE_MANIFEST" | "BAD_MANIFESTS";

/** A manifest that cannot be read, or whose content is wrong. */
class ManifestFileError extends CalibirdError<ManifestFileErrorCode> {}

/**
 * The resources of files, folders (their .yaml, .yml and .json files, by name) and standard input (`-`). Reads and checks
 * everything before it returns, and throws one error with all mistakes of all files, so that nothing of a bad set is applied.
 */
export async function readManifests(context: CommandContext, paths: readonly string[]): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = [];
  const problems: string[] = [];
  for (const { name, content } of await readSources(context, paths))
    try {
      entries.push(...(await parseManifest(content, { file: name, defaultNamespace: "default" })));
    } catch (error) {
      if (!(error instanceof CalibirdError)) throw error;
      problems.push(error.message);
    }
  if (problems.length > 0)
    throw new ManifestFileError("BAD_MANIFESTS", `nothing was changed, because of:\n${problems.join("\n")}`);
  return entries;
}

async function readSources(
  context: CommandContext,
  paths: readonly string[],
): Promise<{ name: string; content: string }[]> {
  const sources: { name: string; content: string }[] = [];
  for (const path of paths) {
    if (path === "-") sources.push({ name: "standard input", content: await text(context.stdin) });
    else for (const file of manifestFiles(path)) sources.push({ name: file, content: read(file) });
  }
  return sources;
}

function manifestFiles(path: string): string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!isFolder) return [path];
  const files = readdirSync(path)
    .filter((name) => /\.(ya?ml|json)$/.test(name))
    .sort()
    .map((name) => join(path, name));
  if (files.length === 0)
    throw new ManifestFileError("UNREADABLE_MANIFEST", `there is no .yaml, .yml or .json file in ${path}`, { path });
  return files;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): ManifestFileError {
  return new ManifestFileError("UNREADABLE_MANIFEST", `cannot read ${path}: ${errorMessage(error)}`, { path });
}
