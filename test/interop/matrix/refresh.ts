import { join } from "node:path";
import { expect } from "vitest";
import { Capture } from "../support/capture.ts";
import { place } from "../support/place.ts";
import { ourRoute, Pair } from "./pair.ts";
import { scenario } from "./scenario.ts";

const lacking = { GoBGP: "it keeps what it received and reads that again" };

export const refresh = scenario({
  title: "route refresh",
  prepare: async (bench) => {
    const capture = await Capture.start(bench.us.name, join(bench.folder, "refresh.pcap"), "lan");
    const pair = await Pair.up(bench);
    await pair.daemonHas(ourRoute);
    return { pair, capture };
  },
  checks: [
    {
      feature: "route refresh: it asks, we say everything again",
      lacking,
      run: async ({ pair }) => {
        const before = (await pair.peer()).counters;
        await pair.daemon.requestRefresh(pair.us);
        await pair.wait(async () =>
          expect((await pair.peer()).counters.updatesSent).toBeGreaterThan(before.updatesSent),
        );
        await pair.daemonHas(ourRoute);
        expect((await pair.peer()).counters.established).toBe(before.established);
      },
    },
    {
      feature: "enhanced route refresh: our answer has its beginning and end marked",
      lacking,
      run: async ({ pair, capture }) => {
        expect((await pair.peer()).negotiated?.enhancedRouteRefresh).toBe(true);
        const { kinds, complaints } = await capture.sentBy(place.us);
        expect(kinds.get("ROUTE-REFRESH")).toBe(2);
        expect(complaints).toEqual([]);
      },
    },
  ],
});
