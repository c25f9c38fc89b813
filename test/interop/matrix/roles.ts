import { ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const noRoles = "it has no roles";
const lacking = { GoBGP: noRoles, ExaBGP: noRoles };

export const roles = scenario({
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
    {
      feature: "roles: two customers are told that this cannot be",
      lacking,
      run: async (pair) => {
        await pair.connect({ role: { local: "customer" } });
        await pair.endedBy({ notification: { code: 2, subcode: 11 } });
      },
    },
  ],
});
