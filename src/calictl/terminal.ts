import type { CommandContext } from "./output.ts";

/** The context of a real process: its own streams and environment. */
export function terminalContext(): CommandContext {
  // A reader that goes away early (calictl routes | head) is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  const refused = process.argv.includes("--no-color") || (process.env.NO_COLOR ?? "") !== "";
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    environment: process.env,
    colour: process.stdout.isTTY === true && !refused,
    nowMs: () => Date.now(),
  };
}
