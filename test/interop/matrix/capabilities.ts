import { expect } from "vitest";
import { originated, ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const notOffered = "its OPEN does not offer them";

/** More than fit into a message of 4096 octets. */
const communities = Array.from({ length: 1_200 }, (_, index) => 0xfde80000 + index);

export const extendedMessages = scenario({
  title: "extended messages",
  prepare: (bench) =>
    Pair.up(bench, {
      ours: { extendedMessages: true },
      theirs: { extendedMessages: true },
      routes: [originated(ourRoute, { communities })],
    }),
  checks: [
    {
      feature: "extended messages: it takes one of more than 4096 octets",
      capability: "extended-message",
      lacking: { GoBGP: notOffered, OpenBGPD: notOffered },
      run: async (pair) => {
        const [heard] = await pair.daemonHas(ourRoute);
        // BIRD shows the first ones only; what counts is that the route is there.
        expect(heard?.communities[0]).toBe("65000:0");
        await pair.weHave(theirRoute);
      },
    },
  ],
});
