import { setMaxListeners } from "node:events";

/**
 * Fires at the first Ctrl-C, SIGTERM or hang-up. Further ones change nothing: whoever started something by then is removing
 * it, and must not be ended half-way.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  // Every program that runs at the same time listens; dozens of pings are no leak.
  setMaxListeners(0, controller.signal);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => controller.abort(name));
  return controller.signal;
}
