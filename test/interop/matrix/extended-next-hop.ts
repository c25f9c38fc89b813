import { expect } from "vitest";
import { place } from "../support/place.ts";
import { ourAs, ourRoute, Pair, theirAs, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const families = ["ipv4-unicast", "ipv6-unicast"] as const;

export const extendedNextHop = scenario({
  title: "IPv4 over IPv6",
  prepare: (bench) =>
    Pair.up(bench, {
      overV6: true,
      // ExaBGP offers it only where it speaks IPv6, too.
      ours: { ipv4OverIpv6: true, families },
      theirs: { extendedNextHop: true, families },
      networks: [{ prefix: theirRoute, ...(bench.daemon.name === "ExaBGP" ? { nextHop: place.themV6 } : {}) }],
    }),
  checks: [
    {
      feature: "IPv4 routes with IPv6 next hops (RFC 8950)",
      capability: "extended-next-hop",
      lacking: { OpenBGPD: "its OPEN does not offer them" },
      run: async (pair) => {
        const [heard] = await pair.daemonHas(ourRoute);
        expect(heard).toMatchObject({ nextHop: place.usV6, asPath: `${ourAs}` });
        const [path] = await pair.weHave(theirRoute);
        expect(path?.nextHop?.address.toString()).toBe(place.themV6);
        expect(path?.attributes.asPath).toEqual([{ type: "sequence", asNumbers: [theirAs] }]);
      },
    },
  ],
});
