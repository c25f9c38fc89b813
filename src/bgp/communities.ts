/** Communities with a meaning of their own: RFC 1997, RFC 8326, RFC 7999. */
export const WellKnownCommunity = {
  gracefulShutdown: 0xffff0000,
  blackhole: 0xffff029a,
  noExport: 0xffffff01,
  noAdvertise: 0xffffff02,
  /** RFC 5065; without confederations it means the same as NO_EXPORT. */
  noExportSubconfed: 0xffffff03,
} as const;
