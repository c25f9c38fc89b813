import { expect } from "vitest";
import { Pair } from "./pair.ts";
import { scenario } from "./scenario.ts";

const noBfd = "it has no BFD";

export const bfd = scenario({
  title: "BFD",
  prepare: (bench) =>
    Pair.up(bench, { ours: { bfd: { intervalMs: 100, multiplier: 3, hops: "single" } }, theirs: { bfd: true } }),
  checks: [
    {
      feature: "BFD: both are up, and a silent partition ends the session before any hold timer",
      lacking: { GoBGP: noBfd, OpenBGPD: noBfd, ExaBGP: noBfd },
      run: async (pair, bench) => {
        await pair.wait(async () => expect(await pair.speaker.bfdState("them")).toBe("Up"));
        await bench.setForwarding(false);
        await pair.endedBy({ kind: "bfd-down" });
        await pair.wait(async () => expect(await pair.daemon.isEstablished(pair.us)).toBe(false));
        await bench.setForwarding(true);
        await pair.established();
      },
    },
  ],
});
