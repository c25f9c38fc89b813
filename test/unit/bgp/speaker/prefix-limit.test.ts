import { describe, expect, it } from "vitest";
import type { PrefixLimitSettings } from "../../../../src/bgp/rib/prefix-limit.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";
import { freePort, makeSpeaker, originate, peering } from "../../../support/speakers.ts";
import { until } from "../session/harness.ts";

const hostOf = (number: number) => Prefix.of(IpAddress.v4(0x0a000000 + number), 32);
const block = (number: number) => `10.1.${number}.0/26`;

async function limited(settings: PrefixLimitSettings) {
  const speaker = new ScriptedSpeaker({ history: 100 });
  const config = peerConfigOf(
    { name: "peer", address: "10.0.0.1", port: 179 },
    { remoteAs: 65001, maxPrefix: { "ipv4-unicast": settings } },
  );
  speaker.core.setPeers([config]);
  await speaker.core.start();
  const session = speaker.session("peer");
  session.up();
  const announce = (...numbers: number[]) => {
    for (const number of numbers) session.announce(block(number), attributesOf([65001]));
    speaker.settle();
  };
  const status = () => {
    const [peer] = speaker.core.peers();
    if (peer === undefined) throw new Error("the peer is gone");
    return peer;
  };
  return { speaker, session, config, announce, status };
}

describe("a peer with more routes than it may have", () => {
  it("keeps them all if it shall only be warned of", async () => {
    const { announce, status, session } = await limited({ limit: 2, action: "warn" });
    announce(1, 2, 3);
    expect(status()).toMatchObject({ received: 3, discarded: 0 });
    expect(session.stopped).toBeUndefined();
  });

  it("has further ones discarded, may change those it has, and is asked again when there is room", async () => {
    const { announce, status, session, speaker } = await limited({ limit: 4, action: "discard" });
    announce(1, 2, 3, 4, 5, 6);
    expect(status()).toMatchObject({ received: 4, discarded: 2 });
    expect(speaker.core.history().filter(({ kind }) => kind === "refused")).toMatchObject(
      [5, 6].map((number) => ({
        prefix: prefixOf(block(number)),
        peer: "peer",
        reason: "the peer has its 4 routes (max-prefix)",
      })),
    );
    session.announce(block(1), attributesOf([65001, 65002]));
    expect(status()).toMatchObject({ received: 4, discarded: 2 });
    for (const number of [1, 2]) session.withdraw(block(number));
    speaker.settle();
    expect(session.asked).toEqual(["ipv4-unicast"]);
    announce(5, 6);
    expect(status()).toMatchObject({ received: 4, discarded: 0 });
  });

  it("has just as many as it may have, however many come at once, far from the limit and near it", async () => {
    const { session, speaker, status } = await limited({ limit: 2000, action: "discard" });
    const nlri = Array.from({ length: 3000 }, (_, number) => ({ prefix: hostOf(number), pathId: 0 }));
    const routes = [{ family: "ipv4-unicast", nlri }] as const;
    const attributes = attributesOf([65001]);
    const nextHop = { address: session.config.address };
    const announcements = routes.map((route) => ({ ...route, nextHop }));
    // The same twice: routes that are there count once.
    for (let time = 0; time < 2; time++) {
      session.hear(Buffer.concat(session.encode({ withdrawals: [], announcements, attributes })));
      speaker.settle();
      expect(status().received).toBe(2000);
    }
    expect(status().discarded).toBe(2000);
    session.hear(Buffer.concat(session.encode({ withdrawals: routes, announcements: [] })));
    expect(status()).toMatchObject({ received: 0, discarded: 0 });
    expect(session.asked).toEqual(["ipv4-unicast"]);
  });

  it("is hung up on with the limit in the NOTIFICATION, rests, and is tried again", async () => {
    const { announce, status, session, speaker } = await limited({ limit: 2, action: "restart", idleSec: 30 });
    announce(1, 2, 3, 4);
    expect(session.stopped).toBe("6/1");
    expect(Buffer.from(session.farewell?.data ?? []).toString("hex")).toBe("00010100000002");
    expect(status().lastReason?.text).toBe("more than 2 ipv4-unicast routes; tried again after 30 s");
    session.down("administrative");
    speaker.settle();
    expect(status().received).toBe(0);
    speaker.clock.advance(29_000);
    expect(session.starts).toBe(1);
    speaker.clock.advance(1_000);
    expect(session.starts).toBe(2);
    expect(status().lastReason).toBeUndefined();
    session.up();
    announce(1, 2);
    expect(status().received).toBe(2);
  });

  it("is hung up on when its limit becomes lower than what it has, and not when it becomes what it has", async () => {
    const { announce, session, speaker, config } = await limited({ limit: 9, action: "shutdown" });
    const setLimit = (limit: number) =>
      speaker.core.setPeers([{ ...config, maxPrefix: { "ipv4-unicast": { limit, action: "shutdown" } } }]);
    announce(1, 2, 3);
    setLimit(3);
    expect(session.stopped).toBeUndefined();
    setLimit(2);
    expect(session.stopped).toBe("6/1");
  });

  it("stays down until its limit changes if that is wanted", async () => {
    const { announce, session, speaker, config, status } = await limited({ limit: 2, action: "shutdown" });
    announce(1, 2, 3);
    session.down("administrative");
    speaker.clock.advance(3600_000);
    expect(session.starts).toBe(1);
    expect(status().lastReason?.text).toBe("more than 2 ipv4-unicast routes; down until its configuration changes");
    speaker.core.setPeers([{ ...config, maxPrefix: { "ipv4-unicast": { limit: 9, action: "shutdown" } } }]);
    expect(session.starts).toBe(2);
    expect(speaker.session("peer")).toBe(session);
  });

  it("stays down when its rest is over if it has been shut down meanwhile", async () => {
    const { announce, session, speaker, config, status } = await limited({ limit: 2, action: "restart", idleSec: 30 });
    announce(1, 2, 3);
    session.down("administrative");
    speaker.core.setPeers([{ ...config, shutdown: { message: "drained" } }]);
    speaker.clock.advance(60_000);
    expect(session.starts).toBe(1);
    speaker.core.setPeers([config]);
    expect(session.starts).toBe(2);
    expect(status().lastReason).toBeUndefined();
  });

  it("is asked again for what was discarded when stale routes of its restart have made room", async () => {
    const { announce, status, session, speaker } = await limited({ limit: 4, action: "discard" });
    const families = new Map([["ipv4-unicast" as const, true]]);
    const gracefulRestart = { restarting: false, restartTimeSec: 120, families, notification: false };
    session.down();
    session.up({ gracefulRestart });
    announce(1, 2, 3, 4);
    session.down();
    session.up({ gracefulRestart });
    announce(5, 6);
    expect(status()).toMatchObject({ received: 4, discarded: 2 });
    session.endOfRib();
    speaker.settle();
    expect(session.asked).toEqual(["ipv4-unicast"]);
    announce(5, 6);
    expect(status()).toMatchObject({ received: 2, discarded: 0 });
  });

  it("is asked again for what was discarded when a refresh has shown that others are gone", async () => {
    const { announce, session, speaker } = await limited({ limit: 3, action: "discard" });
    session.down();
    session.up({ enhancedRouteRefresh: true });
    announce(1, 2, 3, 4);
    session.routeRefresh(1);
    announce(4);
    session.routeRefresh(2);
    speaker.settle();
    expect(session.asked).toEqual(["ipv4-unicast"]);
  });

  it("is asked again for what was discarded when it may have more", async () => {
    const { announce, session, speaker, config } = await limited({ limit: 2, action: "discard" });
    announce(1, 2, 3);
    speaker.core.setPeers([{ ...config, maxPrefix: { "ipv4-unicast": { limit: 9, action: "discard" } } }]);
    expect(session.asked).toEqual(["ipv4-unicast"]);
  });

  it("leaves nothing behind on either side, also where a NOTIFICATION alone would not end it all (RFC 8538)", async () => {
    const port = await freePort();
    const [one, two] = [makeSpeaker(port), makeSpeaker(port)];
    const restart = { gracefulRestart: { restartTimeSec: 120 } };
    one.speaker.setPeers([
      peering(one, two, port, { ...restart, maxPrefix: { "ipv4-unicast": { limit: 2, action: "shutdown" } } }),
    ]);
    two.speaker.setPeers([peering(two, one, port, restart)]);
    originate(one, "10.2.0.0/26");
    originate(two, block(1), block(2));
    await Promise.all([one.speaker.start(), two.speaker.start()]);
    await until(() => one.speaker.peers()[0]?.received === 2, "the routes within the limit");
    await until(() => two.speaker.peers()[0]?.received === 1, "our route");
    originate(two, block(3));
    await until(() => two.speaker.peers()[0]?.lastDown !== undefined, "the end of the session");
    expect(two.speaker.peers()[0]?.lastDown?.text).toContain("Maximum Number of Prefixes Reached");
    for (const { speaker } of [one, two]) expect(speaker.peers()[0]).toMatchObject({ received: 0, stale: 0 });
  });

  it("may have as many of the other family as it likes", async () => {
    const { speaker, session, status } = await limited({ limit: 1, action: "discard" });
    const attributes = attributesOf([65001]);
    const nextHop = { address: session.config.address };
    for (const number of [1, 2, 3]) session.announce(`fd00:${number}::/64`, attributes, nextHop, 0, "ipv6-unicast");
    speaker.settle();
    expect(status()).toMatchObject({ received: 3, discarded: 0 });
  });
});
