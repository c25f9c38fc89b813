import { spawn } from "node:child_process";

/**
 * Reads until this process says that all is well, or is gone without a word. Not `kill -- -ID`: the kill of Debian's sh takes
 * the dashes for an id.
 */
const script = `read -r word || { kill -KILL "-$1"; rm -rf -- "$2"; }`;

/** Whoever watches over a process group and its folder. */
export interface Guard {
  /** The group has ended, and the folder is somebody else's to remove. */
  release(): void;
  /** As if this process were gone. */
  abandon(): void;
}

/** Ends a process group and removes its folder if this process is gone before `release`, however that happens. */
export function guardGroup(leader: number | undefined, folder: string): Guard {
  const guard = spawn("sh", ["-c", script, "sh", String(leader), folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  return { release: () => guard.stdin.end("done\n"), abandon: () => guard.stdin.end() };
}
