import { expect } from "vitest";
import { originated, ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const forgottenByUs = "192.0.3.0/24";
const forgottenByThem = "198.51.101.0/24";

const restartTimeSec = 60;
const noStaleRoutes = "it withdraws what it had from a neighbour that is gone";

export const gracefulRestart = scenario({
  title: "graceful restart",
  prepare: async (bench) => {
    const pair = await Pair.up(bench, {
      ours: { gracefulRestart: { restartTimeSec } },
      theirs: { gracefulRestartSec: restartTimeSec },
      routes: [originated(ourRoute), originated(forgottenByUs)],
      networks: [{ prefix: theirRoute }, { prefix: forgottenByThem }],
    });
    await pair.daemonHas(ourRoute, forgottenByUs);
    await pair.weHave(theirRoute, forgottenByThem);
    return pair;
  },
  checks: [
    {
      feature: "graceful restart: killed, it finds us with its routes kept",
      lacking: { OpenBGPD: "it offers graceful restart for End-of-RIB only, without a family that it keeps" },
      run: async (pair) => {
        await pair.daemon.kill();
        await pair.notEstablished();
        await pair.wait(async () => {
          for (const path of await pair.ourPaths(theirRoute, forgottenByThem)) expect(path.stale).toBe(true);
        });
        await pair.daemon.restart(pair.daemonConfig([{ prefix: theirRoute }]));
        await pair.established();
        const [path] = await pair.weHave(theirRoute);
        expect(path?.stale).toBe(false);
        await pair.daemonHas(ourRoute, forgottenByUs);
      },
    },
    {
      feature: "graceful restart: killed, we find it with our routes kept",
      lacking: { ExaBGP: noStaleRoutes },
      run: async (pair) => {
        await pair.speaker.kill();
        await pair.wait(async () => {
          for (const route of await pair.daemonRoutes(ourRoute, forgottenByUs)) expect(route.stale).toBe(true);
        });
        await pair.startSpeaker(
          { restarting: { forwardingPreserved: true, deferralSec: 30 } },
          { routes: [originated(ourRoute)] },
        );
        await pair.established();
        const [route] = await pair.daemonHas(ourRoute);
        expect(route?.stale).toBe(false);
      },
    },
  ],
});
