import { expect } from "vitest";
import { attributesOf, peerConfigOf } from "../../support/bgp.ts";
import { place } from "../support/place.ts";
import { originated, ourAs, Pair, theirAs, theirRoute } from "./pair.ts";
import { announcing } from "./raw-messages.ts";
import { scenario } from "./scenario.ts";

const edgeAs = 65010;
const passedOn = "203.0.113.0/24";

const full = attributesOf([edgeAs], {
  med: 77,
  communities: [((65000 << 16) | 1) >>> 0],
  largeCommunities: [{ global: 4_200_000_000, local1: 1, local2: 2 }],
  extendedCommunities: [0x0002fc0000000007n],
  unknown: [{ flags: 0xc0, code: 0xee, value: Uint8Array.of(0xde, 0xad, 0xbe, 0xef) }],
});

const [edge] = place.edge;

/** Edge → our speaker → the daemon, and the daemon → our speaker → a BIRD in the edge. */
export const attributes = scenario({
  title: "attributes on their way through us",
  prepare: async (bench) => {
    const [, observerAddress] = place.edge;
    const observer = await bench.startObserver({
      as: 65020,
      routerId: observerAddress,
      neighbors: [
        { address: place.us, localAddress: observerAddress, remoteAs: ourAs, families: ["ipv4-unicast"] },
        { address: place.them, localAddress: observerAddress, remoteAs: theirAs, families: ["ipv4-unicast"] },
      ],
      networks: [],
    });
    const pair = await Pair.up(bench, {
      routes: [],
      networks: [{ prefix: theirRoute, community: "65000:7", largeCommunity: "65000:7:8", routeTarget: "64513:9" }],
      otherPeers: [
        peerConfigOf({ name: "edge", address: edge, port: 179 }, { localAs: ourAs, remoteAs: edgeAs, passive: true }),
        peerConfigOf({ name: "observer", address: observerAddress, port: 179 }, { localAs: ourAs, remoteAs: 65020 }),
      ],
      otherNeighbors: [
        { address: observerAddress, localAddress: place.them, remoteAs: 65020, families: ["ipv4-unicast"] },
      ],
    });
    const route = { prefix: originated(passedOn).prefix, attributes: full };
    bench.startRawPeer(edge, place.us, announcing(edge, edgeAs, [route], "ebgp"));
    return { pair, observer };
  },
  checks: [
    {
      feature: "communities, large and extended, reach it through us unchanged",
      run: async ({ pair }) => {
        const [heard] = await pair.daemonHas(passedOn);
        expect(heard).toMatchObject({
          asPath: `${ourAs} ${edgeAs}`,
          communities: ["65000:1"],
          largeCommunities: ["4200000000:1:2"],
          routeTargets: ["64512:7"],
        });
      },
    },
    {
      feature: "its communities, large and extended, go through us unchanged",
      run: async ({ pair, observer }) => {
        const [heard] = await pair.observed(observer, place.us, theirRoute);
        expect(heard).toMatchObject({
          asPath: `${ourAs} ${theirAs}`,
          communities: ["65000:7"],
          largeCommunities: ["65000:7:8"],
          routeTargets: ["64513:9"],
        });
      },
    },
    {
      feature: "an unknown transitive attribute reaches it through us unchanged",
      run: async ({ pair, observer }) => {
        const [heard] = await pair.daemonHas(passedOn);
        if (pair.daemon.name !== "FRR") return expect(heard?.unknown).toEqual(["ee:deadbeef"]);
        // FRR keeps it and does not show it.
        const [onward] = await pair.observed(observer, place.them, passedOn);
        expect(onward?.unknown).toEqual(["ee:deadbeef"]);
      },
    },
  ],
});
