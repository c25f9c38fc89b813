import { expect, vi } from "vitest";
import type { Bench } from "../support/bench.ts";
import { patient } from "../support/patience.ts";
import { place } from "../support/place.ts";
import { originated, ourAs, ourRoute, ourRouteV6, Pair, theirAs, theirRoute, theirRouteV6 } from "./pair.ts";
import { scenario } from "./scenario.ts";

const bothFamilies = { families: ["ipv4-unicast", "ipv6-unicast"] } as const;
const routesOfBoth = [originated(ourRoute), originated(ourRouteV6)];
const networksOfBoth = [{ prefix: theirRoute }, { prefix: theirRouteV6, nextHop: place.themV6 }];

export const ebgp = scenario({
  title: "eBGP over IPv4",
  prepare: (bench) =>
    Pair.up(bench, { ours: bothFamilies, theirs: bothFamilies, routes: routesOfBoth, networks: networksOfBoth }),
  checks: [
    {
      feature: "eBGP: IPv4 routes over IPv4",
      run: async (pair) => {
        const [heard] = await pair.daemonHas(ourRoute, ourRouteV6);
        expect(heard).toMatchObject({ nextHop: place.us, asPath: `${ourAs}` });
        const [path] = await pair.weHave(theirRoute, theirRouteV6);
        expect(path?.nextHop?.address.toString()).toBe(place.them);
        expect(path?.attributes.asPath).toEqual([{ type: "sequence", asNumbers: [theirAs] }]);
      },
    },
    {
      feature: "eBGP: IPv6 routes over IPv4",
      run: async (pair) => {
        const [, heard] = await pair.daemonHas(ourRoute, ourRouteV6);
        expect(heard).toMatchObject({ nextHop: place.usV6, asPath: `${ourAs}` });
        const [, path] = await pair.weHave(theirRoute, theirRouteV6);
        expect(path?.nextHop?.address.toString()).toBe(place.themV6);
      },
    },
    {
      feature: "a route that goes is withdrawn",
      run: async (pair) => {
        await pair.speaker.originate([], [originated(ourRouteV6).prefix]);
        await pair.daemonHas(ourRoute);
      },
    },
  ],
});

export const ebgpOverV6 = scenario({
  title: "eBGP over IPv6",
  prepare: (bench) =>
    Pair.up(bench, {
      overV6: true,
      ours: { families: ["ipv6-unicast"] },
      theirs: { families: ["ipv6-unicast"] },
      routes: [originated(ourRouteV6)],
      networks: [{ prefix: theirRouteV6 }],
    }),
  checks: [
    {
      feature: "eBGP: IPv6 routes over IPv6",
      run: async (pair) => {
        const [heard] = await pair.daemonHas(ourRouteV6);
        expect(heard).toMatchObject({ nextHop: place.usV6, asPath: `${ourAs}` });
        const [path] = await pair.weHave(theirRouteV6);
        expect(path?.nextHop?.address.toString()).toBe(place.themV6);
      },
    },
  ],
});

export const ibgp = scenario({
  title: "iBGP",
  prepare: (bench) =>
    Pair.up(bench, {
      isInternal: true,
      ours: bothFamilies,
      theirs: bothFamilies,
      routes: [originated(ourRoute, { localPref: 333 }), originated(ourRouteV6)],
      networks: networksOfBoth,
    }),
  checks: [
    {
      feature: "iBGP: routes of both families, LOCAL_PREF kept",
      run: async (pair) => {
        const [heard] = await pair.daemonHas(ourRoute, ourRouteV6);
        expect(heard).toMatchObject({ nextHop: place.us, asPath: "", localPref: 333 });
        const [path] = await pair.weHave(theirRoute, theirRouteV6);
        expect(path?.attributes).toMatchObject({ asPath: [], localPref: 100 });
      },
    },
  ],
});

/** Routes go both ways, which every session is for. */
async function exchanges(pair: Pair): Promise<void> {
  await pair.daemonHas(ourRoute);
  await pair.weHave(theirRoute);
}

export const weDial = scenario({
  title: "only we dial",
  prepare: (bench) => Pair.up(bench, { theirs: { passive: true } }),
  checks: [{ feature: "only we dial", run: exchanges }],
});

export const theyDial = scenario({
  title: "only they dial",
  prepare: (bench) => Pair.up(bench, { ours: { passive: true } }),
  checks: [
    {
      feature: "only they dial",
      run: async (pair) => {
        await exchanges(pair);
        expect((await pair.peer()).counters.connectAttempts).toBe(0);
      },
    },
  ],
});

/** The TCP connections of a side with the other one's BGP port or its own, in a state of ss. */
async function connections(bench: Bench, side: "us" | "them", state: string): Promise<string[]> {
  const filter = "( sport = :179 or dport = :179 )";
  const answer = await bench[side].exec("ss", "-Htn", "state", state, filter);
  return answer.split("\n").filter((line) => line !== "");
}

export const collision = scenario({
  title: "both dial at once",
  prepare: async (bench) => {
    const pair = new Pair(bench);
    await pair.startSpeaker({}, { isAlone: true });
    // Neither side knows the other's hardware address, so both first packets wait for the segment to open and then go.
    await bench.setForwarding(false);
    return pair;
  },
  checks: [
    {
      feature: "both dial at once: one session is left",
      run: async (pair, bench) => {
        await pair.startDaemon();
        await vi.waitFor(async () => expect(await connections(bench, "them", "syn-sent")).toHaveLength(1), patient);
        await pair.connect();
        await vi.waitFor(async () => {
          for (const side of ["us", "them"] as const)
            expect(await connections(bench, side, "syn-sent")).toHaveLength(1);
        }, patient);
        await bench.setForwarding(true);
        await pair.established();
        await exchanges(pair);
        // GoBGP may forget a connection of its own without closing it.
        if (pair.daemon.name !== "GoBGP")
          for (const side of ["us", "them"] as const)
            await pair.wait(async () => expect(await connections(bench, side, "established")).toHaveLength(1));
        expect(await pair.isEstablished()).toBe(true);
      },
    },
  ],
});
