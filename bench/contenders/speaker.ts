// speaker.js NEIGHBOURS.json: calibird's BGP speaker and nothing else, as the benchmark measures it.
import { readFileSync } from "node:fs";
import { createSpeaker } from "../../src/bgp/speaker.ts";
import type { PeerConfig } from "../../src/bgp/types.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { IpAddress } from "../../src/net/address.ts";
import { nativeSockets } from "../../src/sys/tcp/native-sockets.ts";
import { type Neighbour, testedAddress, testedAs } from "../neighbours.ts";

const port = 179;
const acceptAll = { name: "accept", rules: [], defaultAction: "accept" } as const;
const own = IpAddress.parse(testedAddress);

function peer({ address, as, role }: Neighbour): PeerConfig {
  return {
    name: address,
    description: role,
    address: IpAddress.parse(address),
    port,
    localAddress: own,
    localAs: testedAs,
    remoteAs: as,
    passive: true,
    holdTimeSec: 240,
    families: ["ipv4-unicast"],
    routeReflectorClient: role === "client",
    nextHopMode: "auto",
    allowLocalAs: 0,
    importPolicy: acceptAll,
    exportPolicy: acceptAll,
  };
}

const neighbours: Neighbour[] = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const speaker = createSpeaker({
  routerId: own.w0,
  listen: { addresses: [own], port },
  listener: { onPeerStateChange: () => {}, onInitialConvergence: () => {} },
  clock: systemClock,
  logger: silentLogger,
  random: Math.random,
  sockets: nativeSockets,
});
speaker.setPeers(neighbours.map(peer));
await speaker.start();
process.once("SIGTERM", () => process.exit(0));
