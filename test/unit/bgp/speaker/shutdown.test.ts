import { describe, expect, it } from "vitest";
import { shutdownCommunication } from "../../../../src/bgp/packet/notification.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";
import { freePort, makeSpeaker, peering } from "../../../support/speakers.ts";
import { until } from "../session/harness.ts";

const message = "maintenance of rack 3 ☕, back at 6";

describe("a peer that is administratively down", () => {
  it("is told why, shows the text to its operator, and both come back when it is up again", async () => {
    const port = await freePort();
    const [one, two] = [makeSpeaker(port), makeSpeaker(port)];
    const toTwo = peering(one, two, port, { gracefulRestart: { restartTimeSec: 120 } });
    const toOne = peering(two, one, port, { gracefulRestart: { restartTimeSec: 120 } });
    one.speaker.setPeers([toTwo]);
    two.speaker.setPeers([toOne]);
    await Promise.all([one.speaker.start(), two.speaker.start()]);
    one.speaker.updateOriginated([{ prefix: prefixOf("10.1.0.0/26"), attributes: attributesOf() }], []);
    await until(() => two.speaker.bestPaths(prefixOf("10.1.0.0/26")).length === 1, "the route");
    one.speaker.setPeers([{ ...toTwo, shutdown: { message } }]);
    await until(() => two.speaker.peers()[0]?.state !== "Established", "the end of the session");
    await until(() => two.speaker.peers()[0]?.lastReason !== undefined, "the reason");
    // Both have the N bit: without a hard reset the other side would keep the route (RFC 8538).
    expect(two.states.at(-1)).toMatch(/notification-received/);
    expect(two.speaker.bestPaths(prefixOf("10.1.0.0/26"))).toEqual([]);
    expect(one.speaker.peers()[0]).toMatchObject({
      state: "Idle",
      lastReason: { kind: "administrative", text: `administratively shut down "${message}"` },
    });
    one.speaker.setPeers([toTwo]);
    await until(() => two.speaker.bestPaths(prefixOf("10.1.0.0/26")).length === 1, "the route again");
    expect(one.speaker.peers()[0]?.state).toBe("Established");
  });

  const config = (others: Partial<PeerConfig> = {}) =>
    peerConfigOf({ name: "a", address: "10.0.0.1", port: 179 }, others);

  it("gets the text in a Cease 6/2, and within a hard reset if it knows RFC 8538", async () => {
    for (const notification of [false, true]) {
      const speaker = new ScriptedSpeaker();
      speaker.core.setPeers([config()]);
      await speaker.core.start();
      const session = speaker.session("a");
      session.up({
        gracefulRestart: { restarting: false, restartTimeSec: 120, families: new Map(), notification },
      });
      speaker.core.setPeers([config({ shutdown: { message } })]);
      expect(session.stopped).toBe(notification ? "6/9" : "6/2");
      expect(session.farewell && shutdownCommunication(session.farewell)).toBe(message);
    }
  });

  it("forgets at once what it had kept of a session that was lost before", async () => {
    const speaker = new ScriptedSpeaker();
    speaker.core.setPeers([config()]);
    await speaker.core.start();
    const families = new Map([["ipv4-unicast" as const, true]]);
    speaker.session("a").up({
      gracefulRestart: { restarting: false, restartTimeSec: 120, families, notification: false },
    });
    speaker.session("a").announce("10.1.0.0/26", attributesOf([], { localPref: 100 }));
    speaker.session("a").down();
    speaker.settle();
    expect(speaker.core.peers()[0]?.stale).toBe(1);
    speaker.core.setPeers([config({ shutdown: { message } })]);
    speaker.settle();
    expect([...speaker.core.locRib()]).toEqual([]);
    expect(speaker.clock.pendingTimers).toBe(0);
  });

  it("is not dialled from the start, and convergence does not wait for it", async () => {
    const speaker = new ScriptedSpeaker();
    speaker.core.setPeers([config({ shutdown: { message: "" } })]);
    await speaker.core.start();
    speaker.settle();
    expect(speaker.session("a").starts).toBe(0);
    expect(speaker.convergences).toBe(1);
    expect(speaker.core.peers()[0]?.lastReason?.text).toBe("administratively shut down");
    speaker.core.setPeers([config()]);
    expect(speaker.session("a").starts).toBe(1);
  });
});

describe("a speaker that shuts down", () => {
  it("tells all its peers the text", async () => {
    const port = await freePort();
    const [one, two] = [makeSpeaker(port), makeSpeaker(port)];
    one.speaker.setPeers([peering(one, two, port)]);
    two.speaker.setPeers([peering(two, one, port)]);
    await Promise.all([one.speaker.start(), two.speaker.start()]);
    await until(() => two.speaker.peers()[0]?.state === "Established", "Established");
    await one.speaker.stop("shutdown", message);
    await until(() => two.speaker.peers()[0]?.state !== "Established", "the end of the session");
    expect(two.speaker.peers()[0]?.lastReason?.text).toContain(`Administrative Shutdown "${message}"`);
  });
});
