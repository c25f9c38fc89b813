import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installationRoot, labPaths } from "./paths.ts";
import { quote } from "./setup-script.ts";

/** Writes the `calibird` and `calictl` of this installation into the lab's bin directory, as an image would have them. */
export function writeWrappers(lab: string): void {
  const { bin } = labPaths(lab);
  const root = installationRoot();
  mkdirSync(bin, { recursive: true });
  for (const name of ["calibird", "calictl"]) {
    const script = join(root, "dist", "bin", `${name}.js`);
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${quote(process.execPath)} ${quote(script)} "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
}
