/** IANA "BGP Well-known Communities" that somebody here treats or shows (RFC 1997, 3765, 5065, 7611, 7999, 8326, 9494). */
export const WellKnownCommunity = {
  gracefulShutdown: 0xffff0000,
  acceptOwn: 0xffff0001,
  longLivedStale: 0xffff0006,
  noLongLivedStale: 0xffff0007,
  blackhole: 0xffff029a,
  noExport: 0xffffff01,
  noAdvertise: 0xffffff02,
  /** Without confederations it means the same as NO_EXPORT. */
  noExportSubconfed: 0xffffff03,
  noPeer: 0xffffff04,
} as const;
