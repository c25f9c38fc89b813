import { networkInterfaces } from "node:os";
import { Secret } from "../../src/core/secret.ts";
import { nativeSockets } from "../../src/sys/tcp/native-sockets.ts";

/** This kernel has TCP MD5 signatures, which sandboxes may lack. */
export const kernelHasMd5 = nativeSockets.refusal({ key: { kind: "md5", password: new Secret("any") } }) === undefined;

/** There is an IPv6 loopback address. */
export const kernelHasIpv6 = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .some(({ address }) => address === "::1");
