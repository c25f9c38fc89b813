import { describe, expect, test, vi } from "vitest";
import { BgpMonitor } from "../../../src/bgp/monitor.ts";
import { createSpeaker } from "../../../src/bgp/speaker.ts";
import type { BgpSpeaker } from "../../../src/bgp/types.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { addressOf, peerConfigOf } from "../../support/bgp.ts";
import { freePort, freshAddress, makeSpeaker } from "../../support/speakers.ts";

const patience = { timeout: 20_000, interval: 20 };

/** A speaker with a monitor whose observer writes down ups and downs, and a neighbour that it has a session with. */
async function watchedPair() {
  const port = await freePort();
  const own = freshAddress();
  const neighbour = makeSpeaker(port);
  const told: string[] = [];
  const monitor = new BgpMonitor((): BgpSpeaker => speaker);
  monitor.observe({
    sessionUp: ({ peer, sentOpen, receivedOpen }) =>
      told.push(`up ${peer.name} ${sentOpen[18]}${receivedOpen[18]} ${peer.holdTimeSec}`),
    sessionDown: ({ reason, notification }) =>
      told.push(`down ${reason?.text}, ${notification?.subarray(19, 21).join("/")}`),
    received: () => {},
    sent: () => {},
    locRib: () => {},
  });
  const speaker = createSpeaker({
    routerId: addressOf(own).w0,
    listen: { addresses: [addressOf(own)], port },
    listener: monitor.listening({
      onLocRibChanges: () => {},
      onPeerStateChange: () => {},
      onInitialConvergence: () => {},
    }),
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
    options: {
      tap: monitor,
      timing: { connectDelayMs: 10, connectRetryMs: 150, idleHoldMinMs: 50, idleHoldMaxMs: 100 },
    },
  });
  const config = peerConfigOf(
    { name: "neighbour", address: neighbour.address, port },
    { localAddress: addressOf(own) },
  );
  speaker.setPeers([config]);
  neighbour.speaker.setPeers([
    peerConfigOf(
      { name: "watched", address: own, port },
      { localAddress: addressOf(neighbour.address), passive: true },
    ),
  ]);
  await Promise.all([speaker.start(), neighbour.speaker.start()]);
  return { speaker, config, told, stop: () => speaker.stop("shutdown") };
}

describe("who watches a speaker", () => {
  test("hears the end of a session that is begun anew for another configuration, and of one whose peer is taken away", async () => {
    const { speaker, config, told, stop } = await watchedPair();
    await vi.waitFor(() => expect(told).toEqual(["up neighbour 11 90"]), patience);
    speaker.setPeers([{ ...config, holdTimeSec: 30 }]);
    await vi.waitFor(() => expect(told).toHaveLength(3), patience);
    expect(told.slice(1)).toEqual(["down the peer's configuration has changed, 6/6", "up neighbour 11 30"]);
    speaker.setPeers([]);
    expect(told.slice(3)).toEqual(["down the peer is not wanted any more, 6/3"]);
    await stop();
  });
});
