import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CalibirdError, errorMessage } from "../../core/errors.ts";
import { type ManifestEntry, parseManifest } from "../../resources/manifest.ts";
import { type CommandContext, UsageError } from "../output.ts";
import type { FileOptions } from "./options.ts";

type ManifestFileErrorCode = "UNREADABLE_MANIFEST" | "BAD_MANIFESTS";

/** A manifest that cannot be read, or whose content is wrong. */
class ManifestFileError extends CalibirdError<ManifestFileErrorCode> {}

/**
 * The resources of files, folders (their .yaml, .yml and .json files, by name) and standard input (`-`). Reads and checks
 * everything before it returns, and throws one error with all mistakes of all files, so that nothing of a bad set is used.
 */
export async function readManifests(
  context: CommandContext,
  options: FileOptions & { readonly namespace?: string },
): Promise<ManifestEntry[]> {
  const { filename = [], namespace: defaultNamespace = "default", skipEmpty } = options;
  if (filename.length === 0) throw new UsageError("-f FILE is missing; - reads standard input");
  const entries: ManifestEntry[] = [];
  const problems: string[] = [];
  for (const { name, content } of await readSources(context, filename, options))
    try {
      entries.push(...(await parseManifest(content, { file: name, defaultNamespace, mayBeEmpty: skipEmpty })));
    } catch (error) {
      if (!(error instanceof CalibirdError)) throw error;
      problems.push(error.message);
    }
  if (problems.length > 0)
    throw new ManifestFileError("BAD_MANIFESTS", `nothing was changed, because of:\n${problems.join("\n")}`);
  return entries;
}

/** Where an entry stands: what messages about it end with. */
export function locationOf({ file, document, line }: ManifestEntry): string {
  return `${file}: document ${document}, line ${line}`;
}

/** The texts of files, folders and standard input, each with the name that messages have for it. */
export async function readSources(
  context: CommandContext,
  paths: readonly string[],
  options: FileOptions,
): Promise<{ name: string; content: string }[]> {
  const sources: { name: string; content: string }[] = [];
  for (const path of paths) {
    if (path === "-") sources.push({ name: "standard input", content: await text(context.stdin) });
    else for (const file of manifestFiles(path, options)) sources.push({ name: file, content: read(file) });
  }
  return sources;
}

function manifestFiles(path: string, { recursive, skipEmpty }: FileOptions): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
  } catch (error) {
    throw unreadable(path, error);
  }
  const files = filesIn(path, recursive);
  if (files.length === 0 && !skipEmpty)
    throw new ManifestFileError("UNREADABLE_MANIFEST", `there is no .yaml, .yml or .json file in ${path}`, { path });
  return files;
}

/** By path; links to folders are not followed, so that no circle is. */
function filesIn(folder: string, recursive: boolean): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw unreadable(folder, error);
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return recursive ? filesIn(path, recursive) : [];
      return /\.(ya?ml|json)$/.test(entry.name) ? [path] : [];
    });
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
