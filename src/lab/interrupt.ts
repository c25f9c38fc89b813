import { setMaxListeners } from "node:events";

/**
 * Fires at the first Ctrl-C, SIGTERM or hang-up. Further ones change nothing: whoever started something by then is removing
 * it, and must not be ended half-way. Nor may a reader of the output that goes away (`| head`) end the process at once: that
 * fires the signal, too, or with `ignoresReader` does nothing.
 */
export function interruptSignal(options: { readonly ignoresReader: boolean }): AbortSignal {
  const controller = new AbortController();
  // Every program that runs at the same time listens; dozens of pings are no leak.
  setMaxListeners(0, controller.signal);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => controller.abort(name));
  process.stdout.removeAllListeners("error");
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (!options.ignoresReader) controller.abort("EPIPE");
  });
  return controller.signal;
}
