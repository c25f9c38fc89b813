/** Who keeps rows of the prefix index: see `PrefixIndex`. */
export const holder = {
  /** The kernel has a route there. */
  kernel: 1,
  /** It is desired, kept from before a restart, or being removed. */
  entry: 2,
  /** It has changed, and the listener has not been told yet. */
  change: 4,
  /** The kernel's answer is awaited. */
  flight: 8,
  /** It has changed since a dump was asked for. */
  dump: 16,
} as const;
