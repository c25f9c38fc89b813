import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/**
 * Compiles source files (and what they import) to plain JavaScript for child processes of a test, since node 20 runs no
 * TypeScript. `directory` mirrors src/; `dispose` removes it.
 */
export function compileSources(...files: readonly string[]): { directory: string; dispose: () => void } {
  const directory = mkdtempSync(join(tmpdir(), "calibird-compiled-"));
  symlinkSync(resolve("node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "package.json"), '{"type":"module"}');
  const config = {
    extends: resolve("tsconfig.build.json"),
    compilerOptions: { rootDir: resolve("src"), outDir: directory, sourceMap: false, declaration: false },
    include: [],
    files: files.map((file) => resolve(file)),
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  const dispose = () => rmSync(directory, { recursive: true, force: true });
  try {
    execFileSync(process.execPath, [resolve("node_modules/typescript/bin/tsc"), "-p", directory], { stdio: "pipe" });
  } catch (error) {
    dispose();
    throw error;
  }
  return { directory, dispose };
}
