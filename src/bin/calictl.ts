#!/usr/bin/env node
import { runCalictl } from "../calictl/program.ts";
import { terminalContext } from "../calictl/terminal.ts";

// The clock's timers keep no process alive, and a command may wait for nothing else before it tries again.
const alive = setInterval(() => {}, 60_000);
try {
  process.exitCode = await runCalictl(process.argv.slice(2), terminalContext());
} finally {
  clearInterval(alive);
}
