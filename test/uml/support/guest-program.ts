import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { installationRoot } from "../../../src/lab/runtime/paths.ts";

const root = installationRoot();
const main = join(root, "test/uml/guest/main.ts");

/** A scenario as plain JavaScript, which is what the guest's node can run. */
export interface GuestProgram {
  /** The words that run it in the guest and have the report written to a file. */
  command(reportFile: string): string[];
  dispose(): void;
}

/**
 * Compiles the module of a scenario with all that it imports. The result lies inside the repository, because from there it
 * finds our packages, and the agents in dist/. Types are not looked at: `npm run check` does that.
 */
export function compileScenario(module: string): GuestProgram {
  const cache = join(root, ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "uml-guest-"));
  const dispose = () => rmSync(folder, { recursive: true, force: true });
  const compiled = (file: string) => join(folder, relative(root, file)).replace(/\.ts$/, ".js");
  const config = {
    extends: join(root, "tsconfig.build.json"),
    compilerOptions: { rootDir: root, outDir: folder, sourceMap: false, declaration: false, noCheck: true },
    include: [],
    // The worker is started by its file name, so no import leads to it.
    files: [main, module, join(root, "src/netlink/worker.ts")],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], { stdio: "pipe" });
  } catch (error) {
    dispose();
    throw error;
  }
  return { command: (reportFile) => [process.execPath, compiled(main), compiled(module), reportFile], dispose };
}
