import { expect } from "vitest";
import { peerConfigOf } from "../../support/bgp.ts";
import { place } from "../support/place.ts";
import { originated, ourAs, Pair, theirAs } from "./pair.ts";
import { announcing } from "./raw-messages.ts";
import { scenario } from "./scenario.ts";

/** Told to us, and to the daemon, by two neighbours each. */
const viaUs = "203.0.113.0/24";
const viaThem = "198.51.102.0/24";
const edgeAs = [65010, 65011] as const;

export const addPath = scenario({
  title: "several paths",
  prepare: async (bench) => {
    const announcesItself = bench.daemon.name === "ExaBGP";
    const pair = await Pair.up(bench, {
      ours: { addPath: { "ipv4-unicast": { receive: true, send: "all" } } },
      theirs: { addPath: true },
      routes: [],
      networks: announcesItself ? place.edge.map((nextHop) => ({ prefix: viaThem, nextHop })) : [],
      otherPeers: place.edge.map((address, index) =>
        peerConfigOf(
          { name: address, address, port: 179 },
          { localAs: ourAs, remoteAs: edgeAs[index] ?? 0, passive: true },
        ),
      ),
      otherNeighbors: announcesItself
        ? []
        : place.edge.map((address, index) => ({
            address,
            localAddress: place.them,
            remoteAs: edgeAs[index] ?? 0,
            families: ["ipv4-unicast"] as const,
            passive: true,
          })),
    });
    place.edge.forEach((address, index) => {
      const as = edgeAs[index] ?? 0;
      const attributes = { asPath: [{ type: "sequence" as const, asNumbers: [as] }] };
      bench.startRawPeer(address, place.us, announcing(address, as, [originated(viaUs, attributes)], "ebgp"));
      if (!announcesItself)
        bench.startRawPeer(address, place.them, announcing(address, as, [originated(viaThem, attributes)], "ebgp"));
    });
    return pair;
  },
  checks: [
    {
      feature: "add-path: it has two paths from us",
      capability: "add-path",
      run: async (pair) => {
        const heard = await pair.daemonHas(viaUs, viaUs);
        expect(new Set(heard.map(({ prefix }) => prefix))).toEqual(new Set([viaUs]));
        await pair.wait(async () => {
          const asPaths = (await pair.daemon.routes(pair.us)).map(({ asPath }) => asPath).sort();
          expect(asPaths).toEqual(edgeAs.map((as) => `${ourAs} ${as}`));
        });
      },
    },
    {
      feature: "add-path: we have two paths from it",
      run: async (pair) => {
        await pair.weHave(viaThem, viaThem);
        await pair.wait(async () => {
          const paths = (await pair.speaker.received("them")).map(({ path }) => path);
          const ofPrefix = paths.filter(({ prefix }) => prefix.toString() === viaThem);
          expect(new Set(ofPrefix.map(({ pathId }) => pathId)).size).toBe(2);
          expect(ofPrefix.every(({ attributes }) => attributes.asPath[0]?.asNumbers[0] === theirAs)).toBe(true);
        });
      },
    },
  ],
});
