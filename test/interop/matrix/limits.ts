import { originated, ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

export const theirLimit = scenario({
  title: "their limit of prefixes",
  prepare: (bench) => Pair.up(bench, { theirs: { maxPrefixes: 2 } }),
  checks: [
    {
      feature: "prefix limit: we tell it too many, and hear why it ends the session",
      lacking: { ExaBGP: "it counts no prefixes" },
      run: async (pair) => {
        await pair.daemonHas(ourRoute);
        // FRR looks at its limit when the next UPDATE comes.
        for (const prefix of ["192.0.3.0/24", "192.0.4.0/24", "192.0.5.0/24"])
          await pair.speaker.originate([originated(prefix)]);
        await pair.endedBy({ kind: "notification-received", notification: { code: 6, subcode: 1 } });
      },
    },
  ],
});

const tooMany = ["198.51.101.0/24", "198.51.102.0/24"];

export const ourLimit = scenario({
  title: "our limit of prefixes",
  prepare: (bench) =>
    Pair.begin(bench, {
      ours: { maxPrefix: { "ipv4-unicast": { limit: 2, action: "shutdown" } } },
      theirs: { passive: true },
      networks: [theirRoute, ...tooMany].map((prefix) => ({ prefix })),
    }),
  checks: [
    {
      feature: "prefix limit: it tells us too many, and hears why we end the session",
      run: async (pair) => {
        await pair.endedBy({ kind: "notification-sent", notification: { code: 6, subcode: 1 } });
        await pair.daemonSays(/max(imum|-prefix)|"code": 6, "subcode": 1/i);
      },
    },
  ],
});
