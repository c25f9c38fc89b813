import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** All TypeScript files below the folders, as paths relative to the repository root. */
export function listSources(...folders) {
  return folders.flatMap((folder) =>
    readdirSync(join(repositoryRoot, folder), { recursive: true })
      .map(String)
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
}

/**
 * The import and re-export statements of a file, dynamic imports and `new URL("./x", import.meta.url)` included.
 * Read as text: our formatter guarantees the shape.
 * @returns {{specifier: string, target: string | undefined, names: string[], everything: boolean}[]}
 *   `target` is the imported file relative to the root, or undefined for a package.
 */
export function readImports(file) {
  const text = readFileSync(join(repositoryRoot, file), "utf8");
  const found = [];
  const add = (specifier, clause) => {
    const target = specifier.startsWith(".")
      ? relative(repositoryRoot, resolve(repositoryRoot, dirname(file), specifier))
      : undefined;
    const braces = /\{([^}]*)\}/s.exec(clause ?? "");
    const names = (braces?.[1] ?? "")
      .split(",")
      .map(
        (part) =>
          part
            .replace(/\btype\s+/, "")
            .trim()
            .split(/\s+as\s+/)[0],
      )
      .filter((name) => name !== undefined && name !== "");
    found.push({ specifier, target, names, everything: clause === undefined || clause.includes("*") });
  };
  for (const match of text.matchAll(/^(?:import|export)\s+([^"';]*?)\s*from\s+"([^"]+)";/gms)) add(match[2], match[1]);
  for (const match of text.matchAll(/^import\s+"([^"]+)";/gm)) add(match[1], "");
  for (const match of text.matchAll(/(?:const|let)\s+(\{[^}]*\})\s*=\s*await import\("([^"]+)"\)/gs))
    add(match[2], match[1]);
  for (const match of text.matchAll(/\bimport\("([^"]+)"\)/g)) add(match[1], undefined);
  return found;
}
