// Loaded into the agent before its own code: on SIGUSR2 it writes what the process holds to the file of CALIBIRD_PROBE_FILE.
// Our clock's timers keep no process alive, so node's own list of active resources does not have them.
import { createHook } from "node:async_hooks";
import { renameSync, writeFileSync } from "node:fs";

const timers = new Set();
createHook({
  init: (id, type) => {
    if (type === "Timeout") timers.add(id);
  },
  destroy: (id) => timers.delete(id),
}).enable();

const file = process.env.CALIBIRD_PROBE_FILE;
process.on("SIGUSR2", () => {
  globalThis.gc();
  // Timers that were cancelled are forgotten only after this turn of the event loop.
  setImmediate(() => {
    const { heapUsed, rss } = process.memoryUsage();
    writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, rss, timers: timers.size }));
    renameSync(`${file}.new`, file);
  });
});
