import { PeerSession } from "../../src/bgp/session/peer-session.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { nativeSockets } from "../../src/sys/tcp/native-sockets.ts";
import { clientAddress, peering, speakerAddress } from "./peers.ts";

/*
 * A process of its own with one side of all sessions: argv is how many, the speaker's port, and seconds between keepalives.
 * They dial all at once when told to.
 */
const [sessions = 0, port = 0, keepaliveSec = 0] = process.argv.slice(2).map(Number);

const nothing = () => {};
const clients = Array.from({ length: sessions }, (_, index) => {
  const localAddress = clientAddress(index);
  return new PeerSession({
    config: peering(
      { name: `client ${index}`, address: speakerAddress, localAddress, port, passive: false },
      keepaliveSec,
    ),
    routerId: localAddress.w0,
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
    sockets: nativeSockets,
    gracefulRestartState: () => ({ restarting: false, preservedFamilies: [] }),
    timing: { connectDelayMs: 0 },
    listener: {
      onEstablished: nothing,
      onUpdate: nothing,
      onRouteRefresh: nothing,
      onDown: (reason) => process.send?.(`client ${index} lost its session: ${reason.text}`),
      onWritable: nothing,
    },
  });
});

process.on("message", () => {
  for (const client of clients) client.start();
});
// The clock's timers keep no process alive; the channel to the other side does.
process.on("disconnect", () => process.exit());
process.send?.("ready");
