// One BGP speaker of ours (from dist/) as a process of its own, so that it can live in a namespace and be killed.
// Answers the calls of speaker-node.ts over the channel that it was started with.
import { pino } from "pino";
import { BfdPeering } from "../../../dist/agent/peering/bfd-peering.js";
import { BfdService } from "../../../dist/bgp/bfd/service.js";
import { createSpeaker } from "../../../dist/bgp/speaker.js";
import { systemClock } from "../../../dist/core/clock.js";
import { Secret } from "../../../dist/core/secret.js";
import { IpAddress } from "../../../dist/net/address.js";
import { Prefix } from "../../../dist/net/prefix.js";
import { nativeSockets } from "../../../dist/sys/tcp/native-sockets.js";
import { packer, speakerClasses } from "./pack.mjs";

const { pack, unpack } = packer(speakerClasses(IpAddress, Prefix, Secret));
const logger = pino({ level: "debug" });
const endings = [];
let speaker;
let bfd;

const calls = {
  start: async ({ routerId, listen, options, peers }) => {
    speaker = createSpeaker({
      routerId,
      listen,
      options,
      sockets: nativeSockets,
      clock: systemClock,
      logger,
      random: Math.random,
      listener: {
        onLocRibChanges: () => {},
        onPeerStateChange: (peer, state, reason) => {
          if (reason !== undefined) endings.push({ peer, state, reason });
          if (state === "Established") bfd.established(peer);
        },
        onInitialConvergence: () => {},
      },
    });
    bfd = new BfdPeering({
      speaker,
      logger,
      startService: (events) => BfdService.start({ logger, ...events }),
      isOnLink: async () => true,
      interfaceIndex: async () => undefined,
      onChange: () => {},
    });
    calls.setPeers(peers);
    await speaker.start();
  },
  setPeers: (peers) => {
    speaker.setPeers(peers);
    bfd.peersChanged();
  },
  bfdState: (peer) => bfd.status(peer)?.state,
  endings: () => endings,
  locRib: () => [...speaker.locRib()],
};

process.on("message", async ({ id, method, parameters }) => {
  try {
    const values = unpack(parameters);
    const result = await (method in calls ? calls[method](...values) : speaker[method](...values));
    process.send({ id, result: pack(result) });
  } catch (error) {
    process.send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
process.once("disconnect", () => process.exit());
