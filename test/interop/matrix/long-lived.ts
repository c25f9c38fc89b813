import { expect } from "vitest";
import { WellKnownCommunity } from "../../../src/bgp/packet/well-known-communities.ts";
import { originated, ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const forgottenByUs = "192.0.3.0/24";
const forgottenByThem = "198.51.101.0/24";

const staleTimeSec = 120;
const noLongLived = "it has no long-lived graceful restart";
const lacking = { OpenBGPD: noLongLived, ExaBGP: noLongLived };

export const longLived = scenario({
  title: "long-lived graceful restart",
  prepare: async (bench) => {
    const pair = await Pair.up(bench, {
      ours: { gracefulRestart: { restartTimeSec: 1 }, longLivedGracefulRestart: { staleTimeSec } },
      theirs: { gracefulRestartSec: 1, longLivedSec: staleTimeSec },
      routes: [originated(ourRoute), originated(forgottenByUs)],
      networks: [{ prefix: theirRoute }, { prefix: forgottenByThem }],
    });
    await pair.daemonHas(ourRoute, forgottenByUs);
    await pair.weHave(theirRoute, forgottenByThem);
    return pair;
  },
  checks: [
    {
      feature: "long-lived graceful restart: killed for longer than its restart time, it finds us with its routes kept",
      capability: "long-lived-graceful-restart",
      lacking,
      run: async (pair) => {
        await pair.daemon.kill();
        await pair.wait(async () => {
          for (const { stale, attributes } of await pair.ourPaths(theirRoute, forgottenByThem)) {
            expect(stale).toBe(true);
            expect(attributes.communities).toContain(WellKnownCommunity.longLivedStale);
          }
        });
        await pair.daemon.restart(pair.daemonConfig([{ prefix: theirRoute }]));
        await pair.established();
        const [path] = await pair.weHave(theirRoute);
        expect(path?.stale).toBe(false);
        expect(path?.attributes.communities).toEqual([]);
      },
    },
    {
      feature: "long-lived graceful restart: killed for longer than our restart time, we find it with our routes kept",
      lacking,
      run: async (pair) => {
        await pair.speaker.kill();
        await pair.wait(async () => {
          for (const { communities } of await pair.daemonRoutes(ourRoute, forgottenByUs))
            expect(communities.join()).toMatch(/^(65535:6|llgr-?stale)$/i);
        });
        await pair.startSpeaker(
          { restarting: { forwardingPreserved: true, deferralSec: 30 } },
          { routes: [originated(ourRoute)] },
        );
        await pair.established();
        const [route] = await pair.daemonHas(ourRoute);
        expect(route).toMatchObject({ stale: false, communities: [] });
      },
    },
  ],
});
