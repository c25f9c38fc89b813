/**
 * Fires at the first Ctrl-C, SIGTERM or hang-up. A second one is left to the default action, for whoever cannot wait for
 * the clean-up.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => controller.abort(name));
  }
  return controller.signal;
}
