import { join } from "node:path";
import { expect } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import { Capture } from "../support/capture.ts";
import { place } from "../support/place.ts";
import { ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const password = "correct-horse-battery-staple";
const md5 = { transport: { key: { kind: "md5" as const, password: new Secret(password) } } };

/** Routes go both ways, which a side without the password or the TTL would not let them. */
async function exchanges(pair: Pair): Promise<void> {
  await pair.daemonHas(ourRoute);
  await pair.weHave(theirRoute);
}

export const md5WeDial = scenario({
  title: "TCP MD5, we dial",
  prepare: (bench) => Pair.up(bench, { ours: md5, theirs: { password, passive: true } }),
  checks: [
    {
      feature: "TCP MD5, we dial",
      lacking: { OpenBGPD: "on Linux its listening socket has no key; the kernel counts TCPMD5Unexpected" },
      run: exchanges,
    },
  ],
});

export const md5TheyDial = scenario({
  title: "TCP MD5, they dial",
  prepare: (bench) => Pair.up(bench, { ours: { ...md5, passive: true }, theirs: { password } }),
  checks: [{ feature: "TCP MD5, they dial", run: exchanges }],
});

export const ttlSecurity = scenario({
  title: "TTL security",
  prepare: async (bench) => {
    const capture = await Capture.start(bench.us.name, join(bench.folder, "ttl.pcap"), "lan");
    const pair = await Pair.up(bench, {
      ours: { transport: { minimumTtl: 255 } },
      theirs: { ttlSecurity: true },
    });
    return { pair, capture };
  },
  checks: [
    {
      feature: "TTL security (GTSM)",
      run: async ({ pair, capture }) => {
        await exchanges(pair);
        expect(await capture.ttlsOf(place.us)).toEqual(new Set([255]));
      },
    },
  ],
});
