import { expect } from "vitest";
import { ourRoute, Pair } from "./pair.ts";
import { scenario } from "./scenario.ts";

export const refresh = scenario({
  title: "route refresh",
  prepare: async (bench) => {
    const pair = await Pair.up(bench);
    await pair.daemonHas(ourRoute);
    return pair;
  },
  checks: [
    {
      feature: "route refresh: it asks, we say everything again",
      lacking: { GoBGP: "it keeps what it received and reads that again" },
      run: async (pair) => {
        const before = (await pair.peer()).counters;
        await pair.daemon.requestRefresh(pair.us);
        await pair.wait(async () =>
          expect((await pair.peer()).counters.updatesSent).toBeGreaterThan(before.updatesSent),
        );
        await pair.daemonHas(ourRoute);
        expect((await pair.peer()).counters.established).toBe(before.established);
      },
    },
  ],
});
