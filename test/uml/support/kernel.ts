import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A user-mode-linux kernel: an ordinary program that is a Linux kernel. */
export interface UmlKernel {
  readonly path: string;
  /** What this kernel wants on its command line. */
  readonly arguments: readonly string[];
  /** It can let time jump to the next timer when nobody has anything to do: `time-travel` on its command line. */
  readonly hasVirtualTime: boolean;
}

/** Where `npm run uml:build` puts its kernel; scripts/uml-build.sh and scripts/test.mjs name the same place. */
const builtKernel = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "calibird", "linux-uml");
const debianKernel = "/usr/bin/linux.uml";

/**
 * The kernel of CALIBIRD_UML_KERNEL, or the one that `npm run uml:build` has made, or Debian's. Throws if there is none, or
 * if the one that was asked for cannot be run.
 */
export function findKernel(): UmlKernel {
  const asked = process.env.CALIBIRD_UML_KERNEL;
  const path = asked === undefined ? [builtKernel, debianKernel].find(isExecutable) : asked;
  if (path === undefined) throw new Error("no user-mode-linux kernel: apt-get install user-mode-linux");
  if (!isExecutable(path)) throw new Error(`CALIBIRD_UML_KERNEL=${path} is no program`);
  const help = execFileSync(path, ["--help"], { encoding: "utf8" });
  // Newer kernels can trap system calls by seccomp, which is several times faster than by ptrace.
  return {
    path,
    arguments: /^seccomp=/m.test(help) ? ["seccomp=on"] : [],
    hasVirtualTime: /^time-travel/m.test(help),
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
