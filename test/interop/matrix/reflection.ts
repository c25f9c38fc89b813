import { expect } from "vitest";
import { IpAddress } from "../../../src/net/address.ts";
import { peerConfigOf } from "../../support/bgp.ts";
import { place } from "../support/place.ts";
import { originated, ourAs, ourRoute, Pair, theirRoute } from "./pair.ts";
import { scenario } from "./scenario.ts";

const [edge] = place.edge;
const edgeRoute = "203.0.113.0/24";
const clusterId = "244.0.0.1";

/** A BIRD in the edge that is internal to the AS of both. */
const third = (neighbor: string) => ({
  as: ourAs,
  routerId: edge,
  neighbors: [{ address: neighbor, localAddress: edge, remoteAs: ourAs, families: ["ipv4-unicast"] as const }],
  networks: [{ prefix: edgeRoute }],
});

export const weReflect = scenario({
  title: "we reflect",
  prepare: async (bench) => {
    const observer = await bench.startObserver(third(place.us));
    const reflected = { routeReflectorClient: true, clusterId: IpAddress.parse(clusterId).w0 };
    const pair = await Pair.up(bench, {
      isInternal: true,
      ours: reflected,
      otherPeers: [
        peerConfigOf({ name: "edge", address: edge, port: 179 }, { localAs: ourAs, remoteAs: ourAs, ...reflected }),
      ],
    });
    return { pair, observer };
  },
  checks: [
    {
      feature: "route reflection: we are its reflector",
      run: async ({ pair, observer }) => {
        const [, heard] = await pair.daemonHas(ourRoute, edgeRoute);
        expect(heard).toMatchObject({ nextHop: edge, originatorId: edge, clusterList: [clusterId] });
        const [onward] = await pair.observed(observer, place.us, theirRoute);
        expect(onward).toMatchObject({ originatorId: place.them, clusterList: [clusterId], nextHop: place.them });
      },
    },
  ],
});

export const theyReflect = scenario({
  title: "they reflect",
  prepare: async (bench) => {
    const pair = await Pair.up(bench, {
      isInternal: true,
      theirs: { routeReflectorClient: true },
      otherNeighbors: [
        {
          address: edge,
          localAddress: place.them,
          remoteAs: ourAs,
          families: ["ipv4-unicast"],
          routeReflectorClient: true,
        },
      ],
    });
    // OpenBGPD passes on bare, for good, what a client tells it before all of its configuration has arrived.
    const observer = await bench.startObserver(third(place.them));
    return { pair, observer };
  },
  checks: [
    {
      feature: "route reflection: we are its client",
      lacking: { ExaBGP: "it passes no routes on" },
      run: async ({ pair, observer }) => {
        const [, path] = await pair.weHave(theirRoute, edgeRoute);
        expect(path?.attributes).toMatchObject({ originatorId: IpAddress.parse(edge).w0 });
        expect(path?.attributes.clusterList).toHaveLength(1);
        expect(path?.nextHop?.address.toString()).toBe(edge);
        const [onward] = await pair.observed(observer, place.them, ourRoute);
        expect(onward).toMatchObject({ originatorId: place.us, nextHop: place.us });
      },
    },
  ],
});

const longAs = 4_200_000_001;

export const twoOctetAs = scenario({
  title: "2-octet AS numbers",
  prepare: (bench) =>
    Pair.up(bench, {
      theirs: { twoOctetAs: true },
      routes: [originated(ourRoute, { asPath: [{ type: "sequence", asNumbers: [longAs] }] })],
    }),
  checks: [
    {
      feature: "4-octet AS numbers reach it although it speaks 2-octet ones",
      lacking: { GoBGP: "it always speaks 4-octet AS numbers" },
      run: async (pair) => {
        const [heard] = await pair.daemonHas(ourRoute);
        // Some show the AS_PATH as it came, others what AS4_PATH makes of it.
        expect(heard?.asPath).toMatch(/^64512 (23456|4200000001)$/);
        await pair.weHave(theirRoute);
      },
    },
  ],
});
