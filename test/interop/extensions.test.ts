import { afterEach, describe, expect, it } from "vitest";
import { WellKnownCommunity } from "../../src/bgp/packet/index.ts";
import { originated, ourRoute, Pair, type PairOptions, theirRoute } from "./matrix/pair.ts";
import { Bench } from "./support/bench.ts";
import { place } from "./support/place.ts";

/** What the OPENs agree on besides families and AS numbers, with those of the other daemons that have it, too. */
let bench: Bench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

async function pairWith(daemon: "BIRD" | "FRR", options: PairOptions): Promise<Pair> {
  bench = await Bench.create(daemon);
  return Pair.up(bench, options);
}

describe.each(["BIRD", "FRR"] as const)("%s", (daemon) => {
  it("exchanges IPv4 routes with IPv6 next hops (RFC 8950)", async () => {
    const pair = await pairWith(daemon, {
      overV6: true,
      ours: { families: ["ipv4-unicast"] },
      theirs: { families: ["ipv4-unicast"], extendedNextHop: true },
    });
    expect((await pair.peer()).negotiated?.ipv4OverIpv6).toBe(true);
    const [heard] = await pair.daemonHas(ourRoute);
    expect(heard?.nextHop).toContain(place.usV6);
    const [path] = await pair.weHave(theirRoute);
    expect(path?.nextHop?.address.toString()).toBe(place.themV6);
  });

  it("has a session with us where the roles fit, and routes that are marked (RFC 9234)", async () => {
    const pair = await pairWith(daemon, {
      ours: { role: { local: "customer", strict: true } },
      theirs: { role: "provider" },
    });
    const [path] = await pair.weHave(theirRoute);
    expect(path?.attributes.onlyToCustomer).toBe(path?.source.kind === "peer" ? path.source.remoteAs : 0);
    await pair.daemonHas(ourRoute);
  });

  it("has none where they do not fit, and we name the error", async () => {
    bench = await Bench.create(daemon);
    const pair = new Pair(bench, { ours: { role: { local: "provider" } }, theirs: { role: "provider" } });
    await Promise.all([pair.startSpeaker(), pair.startDaemon()]);
    await pair.connect();
    await pair.wait(async () => {
      const { lastReason } = await pair.peer();
      expect(lastReason?.text).toContain("Role Mismatch");
    });
  });

  it("leaves us its routes as routes of last resort when it does not come back in time (RFC 9494)", async () => {
    const pair = await pairWith(daemon, {
      ours: { gracefulRestart: { restartTimeSec: 30 } },
      theirs: { gracefulRestartSec: 2, longLivedSec: 600 },
    });
    await pair.weHave(theirRoute);
    await pair.daemonHas(ourRoute);
    await pair.daemon.kill();
    await pair.wait(async () => {
      const [path] = await pair.weHave(theirRoute);
      expect(path).toMatchObject({ stale: true });
      expect(path?.attributes.communities).toContain(WellKnownCommunity.longLivedStale);
    });
    await pair.daemon.restart(pair.daemonConfig());
    await pair.established();
    await pair.wait(async () => {
      const [path] = await pair.weHave(theirRoute);
      expect(path).toMatchObject({ stale: false, attributes: { communities: [] } });
    });
  });

  it("asks for all routes again and keeps what we say between beginning and end (RFC 7313)", async () => {
    const pair = await pairWith(daemon, { routes: [originated(ourRoute), originated("192.0.3.0/24")] });
    await pair.daemonHas(ourRoute, "192.0.3.0/24");
    const before = (await pair.peer()).counters;
    expect((await pair.peer()).negotiated?.enhancedRouteRefresh).toBe(true);
    await pair.daemon.requestRefresh(pair.us);
    await pair.wait(async () => expect((await pair.peer()).counters.updatesSent).toBeGreaterThan(before.updatesSent));
    await pair.daemonHas(ourRoute, "192.0.3.0/24");
    expect((await pair.peer()).counters.established).toBe(before.established);
  });

  it("tells us the text with which its operator takes the session down (RFC 9003)", async () => {
    const pair = await pairWith(daemon, { ours: { gracefulRestart: { restartTimeSec: 30 } } });
    await pair.daemon.shutDown(pair.us, "new cables until 6");
    await pair.wait(async () => {
      const { lastDown } = await pair.peer();
      expect(lastDown?.text).toContain('Administrative Shutdown "new cables until 6"');
    });
  });
});

it("BIRD tells its operator the text with which we take the session down (RFC 9003)", async () => {
  const pair = await pairWith("BIRD", {});
  await pair.connect({ shutdown: { message: "moving to rack 9" } });
  await pair.daemonSays(/moving to rack 9/);
  expect((await pair.peer()).state).toBe("Idle");
});

it("BIRD takes an UPDATE of more than 4096 octets, and passes it on (RFC 8654)", async () => {
  const communities = Array.from({ length: 1500 }, (_, index) => (0xfc00_0000 + index) >>> 0);
  const pair = await pairWith("BIRD", {
    theirs: { extendedMessages: true },
    routes: [originated(ourRoute, { communities })],
  });
  expect((await pair.peer()).negotiated?.maxMessageLength).toBe(65535);
  const [heard] = await pair.daemonHas(ourRoute);
  // It prints only the first ones.
  expect(heard?.communities.length).toBeGreaterThan(20);
});

it("BIRD without extended messages is not told a route that needs them, and the session goes on", async () => {
  const communities = Array.from({ length: 1500 }, (_, index) => (0xfc00_0000 + index) >>> 0);
  const pair = await pairWith("BIRD", { routes: [originated(ourRoute, { communities }), originated("192.0.3.0/24")] });
  expect((await pair.peer()).negotiated?.maxMessageLength).toBe(4096);
  await pair.daemonHas("192.0.3.0/24");
});
