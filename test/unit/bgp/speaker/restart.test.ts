import { describe, expect, it, vi } from "vitest";
import { prefixOf } from "../../../support/bgp.ts";
import { bestOf, freePort, makeSpeaker, originate, peering, tableOf } from "../../../support/speakers.ts";

const patience = { timeout: 10_000, interval: 5 };
const graceful = { gracefulRestart: { restartTimeSec: 60 } };

describe("a speaker that restarts gracefully", () => {
  it("keeps its routes with its peers, stale and then fresh, and nobody sees a withdrawal", async () => {
    const port = await freePort();
    const [reflector, client] = [makeSpeaker(port), makeSpeaker(port)];
    const first = makeSpeaker(port);
    const toFirst = peering(reflector, first, port, { ...graceful, routeReflectorClient: true });
    const toClient = peering(reflector, client, port, { ...graceful, routeReflectorClient: true });
    reflector.speaker.setPeers([toFirst, toClient]);
    client.speaker.setPeers([peering(client, reflector, port, graceful)]);
    first.speaker.setPeers([peering(first, reflector, port, graceful)]);
    await Promise.all([reflector, client, first].map(({ speaker }) => speaker.start()));
    originate(first, "10.1.0.0/26", "10.1.0.64/26");
    originate(client, "10.2.0.0/26");
    const learned = { "10.1.0.0/26": first.nextHop, "10.1.0.64/26": first.nextHop };
    await vi.waitFor(() => expect(tableOf(client)).toEqual({ ...learned, "10.2.0.0/26": "local" }), patience);

    await first.speaker.stop("restart");
    await vi.waitFor(() => expect(reflector.speaker.peers()[0]).toMatchObject({ received: 2, stale: 2 }), patience);
    expect(bestOf(reflector, "10.1.0.0/26")?.stale).toBe(true);
    expect(tableOf(client)).toEqual({ ...learned, "10.2.0.0/26": "local" });

    const restarting = { forwardingPreserved: true, deferralSec: 60 };
    const second = makeSpeaker(port, { restarting }, first.address);
    second.speaker.setPeers([peering(second, reflector, port, graceful)]);
    originate(second, "10.1.0.0/26", "10.1.0.64/26");
    await second.speaker.start();
    await vi.waitFor(() => {
      expect(reflector.speaker.peers()[0]).toMatchObject({ received: 2, stale: 0, endOfRibReceived: ["ipv4-unicast"] });
      expect(second.convergences).toBe(1);
    }, patience);
    expect(reflector.speaker.peers()[0]?.negotiated?.gracefulRestart).toMatchObject({ restarting: true });
    expect(tableOf(second)).toMatchObject({ "10.2.0.0/26": client.nextHop });
    for (const witness of [reflector, client]) {
      expect(witness.changes.filter(({ paths }) => paths.length === 0)).toEqual([]);
      expect(tableOf(witness)).toMatchObject(learned);
    }
  });

  it("loses the routes that its new run no longer has, and no others", async () => {
    const port = await freePort();
    const [peer, first] = [makeSpeaker(port), makeSpeaker(port)];
    peer.speaker.setPeers([peering(peer, first, port, graceful)]);
    first.speaker.setPeers([peering(first, peer, port, graceful)]);
    await Promise.all([peer, first].map(({ speaker }) => speaker.start()));
    originate(first, "10.1.0.0/26", "10.1.0.64/26");
    await vi.waitFor(() => expect(Object.keys(tableOf(peer))).toHaveLength(2), patience);
    await first.speaker.stop("restart");
    const second = makeSpeaker(port, { restarting: { forwardingPreserved: true, deferralSec: 60 } }, first.address);
    second.speaker.setPeers([peering(second, peer, port, graceful)]);
    originate(second, "10.1.0.64/26");
    await second.speaker.start();
    await vi.waitFor(() => expect(tableOf(peer)).toEqual({ "10.1.0.64/26": first.nextHop }), patience);
    const gone = peer.changes.filter(({ paths }) => paths.length === 0).map(({ prefix }) => prefix);
    expect(gone).toEqual([prefixOf("10.1.0.0/26")]);
  });

  it("loses its routes at once when it shuts down for good", async () => {
    const port = await freePort();
    const [peer, first] = [makeSpeaker(port), makeSpeaker(port)];
    peer.speaker.setPeers([peering(peer, first, port, graceful)]);
    first.speaker.setPeers([peering(first, peer, port, graceful)]);
    await Promise.all([peer, first].map(({ speaker }) => speaker.start()));
    originate(first, "10.1.0.0/26");
    await vi.waitFor(() => expect(Object.keys(tableOf(peer))).toHaveLength(1), patience);
    await first.speaker.stop("shutdown");
    await vi.waitFor(() => expect(tableOf(peer)).toEqual({}), patience);
    expect(peer.states.at(-1)).toMatch("notification-received");
  });
});
