/**
 * Whether a kernel of this release (`uname -r`) gets the checksums of tunnelled packets wrong when their source has been
 * translated and the network card is to compute them: connections then stall for a minute. Mended after 5.7.
 */
export function hasBrokenChecksumOffload(release: string): boolean {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release);
  if (match === null) return false;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map((part) => Number(part ?? 0));
  if (major !== 5) return major < 5;
  return minor < 7 || (minor === 7 && patch === 0);
}
