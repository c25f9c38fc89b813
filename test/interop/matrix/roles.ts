import { ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const noRoles = "it has no roles";
const lacking = { GoBGP: noRoles, ExaBGP: noRoles };

export const counterparts = scenario({
  title: "roles",
  prepare: (bench) =>
    Pair.up(bench, { ours: { role: { local: "provider", strict: true } }, theirs: { role: "customer" } }),
  checks: [
    {
      feature: "roles: our provider and its customer agree",
      capability: "role",
      lacking,
      run: async (pair) => {
        await pair.daemonHas(ourRoute);
        await pair.weHave(theirRoute);
      },
    },
  ],
});

export const mismatch = scenario({
  title: "roles that do not go together",
  prepare: (bench) => Pair.begin(bench, { ours: { role: { local: "customer" } }, theirs: { role: "customer" } }),
  checks: [
    {
      feature: "roles: two customers are told that this cannot be",
      lacking,
      run: async (pair) => {
        await pair.endedBy({ notification: { code: 2, subcode: 11 } });
      },
    },
  ],
});
