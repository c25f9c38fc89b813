import { execFileSync } from "node:child_process";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { Fib, type FibOptions } from "../../src/fib/fib.ts";
import type { DesiredForwarding, DesiredRoute } from "../../src/fib/types.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { type NetlinkOptions, openNetlink } from "../../src/netlink/open.ts";
import type { RouteWriter } from "../../src/netlink/route-batch.ts";
import type { Netlink } from "../../src/netlink/types.ts";
import { Monitor, TestNamespace } from "../support/network-namespace.ts";
import { demanded } from "../unit/fib/samples.ts";

/** What is promised for repairs. */
const withinOneSecond = { timeout: 1000, interval: 10 };
const soon = { timeout: 10_000, interval: 20 };

let node: TestNamespace;
let cleanup: (() => void | Promise<void>)[];

beforeEach(async () => {
  node = new TestNamespace("node");
  cleanup = [() => node.remove()];
  await node.ipBatch([
    "link set lo up",
    "link add eth0 type veth peer name far0",
    "link set far0 up",
    "link set eth0 up",
    "addr add 10.1.0.1/24 dev eth0",
    "addr add fd00:1::1/64 dev eth0 nodad",
  ]);
});

afterEach(async () => {
  for (const undo of cleanup.reverse()) await undo();
});

async function netlinkOf(options: Partial<NetlinkOptions> = {}): Promise<Netlink & RouteWriter> {
  const netlink = await openNetlink({ namespace: { path: node.path }, hidesOwnRouteChanges: true, ...options });
  cleanup.push(() => netlink.close());
  return netlink;
}

async function startFib(options: Partial<FibOptions> = {}): Promise<Fib> {
  const netlink = options.netlink ?? (await netlinkOf());
  const fib = new Fib({ clock: systemClock, logger: silentLogger, ...options, netlink });
  cleanup.push(() => fib.stop());
  await fib.start();
  return fib;
}

async function monitor(...objects: readonly string[]): Promise<Monitor> {
  const started = await Monitor.start(node, ...objects);
  cleanup.push(() => started.stop());
  return started;
}

const address = (text: string): IpAddress => IpAddress.parse(text);
const prefix = (text: string): Prefix => Prefix.parse(text);
const blackhole: DesiredForwarding = { mode: "blackhole" };
const device = (name: string): DesiredForwarding => ({ mode: "device", device: name });
const via = (...gateways: readonly string[]): DesiredForwarding => ({
  mode: "direct",
  nextHops: gateways.map((gateway) => ({ gateway: address(gateway) })),
});
const onlink = (gateway: string, name: string): DesiredForwarding => ({
  mode: "direct",
  nextHops: [{ gateway: address(gateway), device: name, onlink: true }],
});

function route(to: string, forwarding: DesiredForwarding, fields: Partial<DesiredRoute> = {}): DesiredRoute {
  return { prefix: prefix(to), kind: "remote-block", forwarding, metric: 0, reason: "test", ...fields };
}

async function set(fib: Fib, ...routes: readonly DesiredRoute[]): Promise<void> {
  fib.update({ set: demanded(...routes), remove: [] });
  await fib.flush();
}

/** One line per route, as `ip route` prints it; IPv4 first. */
async function routes(): Promise<string[]> {
  return [...(await routes4("proto 202")), ...lines(await node.ip("-6 route show proto 202"))];
}

async function routes4(selector: string): Promise<string[]> {
  return lines(await node.ip(`-4 route show ${selector}`));
}

function lines(text: string): string[] {
  return text
    .replaceAll(/\s*\n\t/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

const stateOf = (fib: Fib, to: string) => fib.status(prefix(to))?.state;
const reasonOf = (fib: Fib, to: string) => fib.status(prefix(to))?.reason;

const everyForm: readonly DesiredRoute[] = [
  route("10.65.0.0/26", blackhole),
  route("10.65.0.2/32", device("eth0"), { metric: 1024 }),
  route("10.65.1.0/26", via("10.1.0.6"), { metric: 1024, preferredSource: address("10.1.0.1") }),
  route("10.65.2.0/26", onlink("172.18.0.7", "eth0"), { mtu: 1480 }),
  route("10.65.3.0/26", via("10.1.0.8", "10.1.0.7")),
  route("fd00:65::/122", blackhole),
  route("fd00:65::42/128", device("eth0"), { metric: 7 }),
  route("fd00:65:1::/122", via("fd00:1::6")),
  route("fd00:65:2::/122", onlink("fd00:2::7", "eth0"), { mtu: 1400 }),
  route("fd00:65:3::/122", via("fd00:1::8", "fd00:1::7")),
];

describe("what is written", () => {
  test("is what `ip route` shows, in every form", async () => {
    const fib = await startFib();
    await set(fib, ...everyForm);
    expect([...fib.statuses()].filter(({ state }) => state !== "installed")).toEqual([]);
    expect(await routes()).toEqual([
      "blackhole 10.65.0.0/26",
      "10.65.0.2 dev eth0 scope link metric 1024",
      "10.65.1.0/26 via 10.1.0.6 dev eth0 src 10.1.0.1 metric 1024",
      "10.65.2.0/26 via 172.18.0.7 dev eth0 onlink mtu 1480",
      "10.65.3.0/26 nexthop via 10.1.0.7 dev eth0 weight 1 nexthop via 10.1.0.8 dev eth0 weight 1",
      "blackhole fd00:65::/122 dev lo metric 1024 pref medium",
      "fd00:65::42 dev eth0 metric 7 pref medium",
      "fd00:65:1::/122 via fd00:1::6 dev eth0 metric 1024 pref medium",
      "fd00:65:2::/122 via fd00:2::7 dev eth0 metric 1024 onlink mtu 1400 pref medium",
      "fd00:65:3::/122 metric 1024 pref medium nexthop via fd00:1::7 dev eth0 weight 1 nexthop via fd00:1::8 dev eth0 weight 1",
    ]);
  });

  test("is recognised by the next process, which writes nothing and sweeps only what nobody wants", async () => {
    const first = await startFib();
    await set(first, ...everyForm, route("10.77.0.0/26", blackhole));
    first.stop();
    const watch = await monitor("route");
    const second = await startFib();
    await second.flush();
    expect([...second.statuses()].map(({ state }) => state)).toEqual(new Array(11).fill("stale"));
    await set(second, ...everyForm);
    await watch.mark(node);
    expect(watch.lines).toEqual([]);
    second.sweepStale();
    await second.flush();
    await watch.mark(node);
    expect(watch.lines.map((line) => line.trim())).toEqual(["Deleted blackhole 10.77.0.0/26 proto 202"]);
    expect([...second.statuses()].filter(({ state }) => state !== "installed")).toEqual([]);
  });

  test("changes in place: not one deletion while next hops and modes change", async () => {
    const fib = await startFib();
    const targets = ["10.65.1.0/26", "fd00:65:1::/122"];
    const ways = (to: string): DesiredForwarding[] =>
      to.includes(":")
        ? [via("fd00:1::6"), onlink("fd00:2::7", "eth0"), blackhole, via("fd00:1::8", "fd00:1::7"), via("fd00:1::9")]
        : [via("10.1.0.6"), onlink("172.18.0.7", "eth0"), blackhole, via("10.1.0.8", "10.1.0.7"), via("10.1.0.9")];
    await set(fib, ...targets.map((to) => route(to, blackhole)));
    const watch = await monitor("route");
    for (let round = 0; round < 4; round++)
      for (let step = 0; step < 5; step++)
        await set(fib, ...targets.map((to) => route(to, ways(to)[step] ?? blackhole)));
    await watch.mark(node);
    expect(watch.lines.length).toBeGreaterThanOrEqual(40);
    expect(watch.lines.filter((line) => line.includes("Deleted"))).toEqual([]);
  });

  test("a new metric is there before the old one goes", async () => {
    const fib = await startFib();
    await set(fib, route("10.65.1.0/26", via("10.1.0.6"), { metric: 100 }));
    const watch = await monitor("route");
    await set(fib, route("10.65.1.0/26", via("10.1.0.6"), { metric: 50 }));
    await watch.mark(node);
    expect(watch.lines.map((line) => line.trim())).toEqual([
      "10.65.1.0/26 via 10.1.0.6 dev eth0 proto 202 metric 50",
      "Deleted 10.65.1.0/26 via 10.1.0.6 dev eth0 proto 202 metric 100",
    ]);
  });

  test("is deleted when it is no longer desired, and stays when the process stops", async () => {
    const fib = await startFib();
    await set(fib, ...everyForm);
    fib.update({ set: [], remove: everyForm.slice(2).map((held) => held.prefix) });
    await fib.flush();
    fib.stop();
    expect(await routes()).toEqual(["blackhole 10.65.0.0/26", "10.65.0.2 dev eth0 scope link metric 1024"]);
  });
});

describe("what others do to our routes", () => {
  test("deleting them is undone within a second", async () => {
    const fib = await startFib();
    await set(fib, ...everyForm);
    const before = await routes();
    await node.ip("route flush proto 202");
    await node.ip("-6 route flush proto 202");
    await expect.poll(() => routes(), withinOneSecond).toEqual(before);
  });

  test("changing them is undone within a second", async () => {
    const fib = await startFib();
    await set(fib, route("10.65.1.0/26", via("10.1.0.6")), route("fd00:65:1::/122", via("fd00:1::6")));
    const before = await routes();
    await node.ip("route replace blackhole 10.65.1.0/26 proto 202");
    await node.ip("-6 route replace fd00:65:1::/122 via fd00:1::99 proto 202");
    await expect.poll(() => routes(), withinOneSecond).toEqual(before);
  });

  test("adding some with our protocol number is undone within a second", async () => {
    const fib = await startFib();
    fib.sweepStale();
    await node.ip("route add blackhole 10.77.0.0/26 proto 202");
    await expect.poll(() => routes(), withinOneSecond).toEqual([]);
  });
});

describe("routes of others", () => {
  test("with our key are left alone, reported, and followed by ours when they go", async () => {
    await node.ip("route add blackhole 10.65.1.0/26 proto static");
    await node.ip("-6 route add blackhole fd00:65:1::/122 proto 77");
    const fib = await startFib();
    await set(fib, route("10.65.1.0/26", via("10.1.0.6")), route("fd00:65:1::/122", via("fd00:1::6")));
    expect([stateOf(fib, "10.65.1.0/26"), stateOf(fib, "fd00:65:1::/122")]).toEqual(["conflict", "conflict"]);
    expect(reasonOf(fib, "10.65.1.0/26")).toMatch(/^route of protocol static \(4\) has this key/);
    expect(reasonOf(fib, "fd00:65:1::/122")).toMatch(/^route of protocol 77 has this key/);
    expect(await routes4("proto static")).toEqual(["blackhole 10.65.1.0/26"]);
    await node.ip("route del blackhole 10.65.1.0/26");
    await node.ip("-6 route del blackhole fd00:65:1::/122");
    await expect
      .poll(() => routes(), withinOneSecond)
      .toEqual([
        "10.65.1.0/26 via 10.1.0.6 dev eth0",
        "fd00:65:1::/122 via fd00:1::6 dev eth0 metric 1024 pref medium",
      ]);
  });

  test("that take the place of ours are left there", async () => {
    const fib = await startFib();
    await set(fib, route("10.65.1.0/26", via("10.1.0.6")));
    await node.ip("route replace blackhole 10.65.1.0/26 proto static");
    await expect.poll(() => stateOf(fib, "10.65.1.0/26"), withinOneSecond).toBe("conflict");
    expect(await routes4("10.65.1.0/26")).toEqual(["blackhole 10.65.1.0/26 proto static"]);
  });

  test("are not overwritten when both write at the same time", async () => {
    const fib = await startFib();
    const contested = Array.from(
      { length: 3000 },
      (_, index) => `10.${70 + (index >> 10)}.${(index >> 2) & 255}.${(index & 3) << 6}/26`,
    );
    const others = node.ipBatch(
      contested.map((to) => `route add blackhole ${to} proto static`),
      true,
    );
    // From the other end, so that the two meet.
    for (let end = contested.length; end > 0; end -= 20) {
      fib.update({ set: demanded(...contested.slice(end - 20, end).map((to) => route(to, blackhole))), remove: [] });
      await setImmediate();
    }
    const refusals = (await others).split("\n").filter((line) => line.includes("File exists")).length;
    await fib.flush();
    const count = async (selector: string): Promise<number> => (await routes4(selector)).length;
    await expect.poll(() => count("proto static"), soon).toBe(contested.length - refusals);
    await expect.poll(() => count("proto 202"), soon).toBe(refusals);
    await expect
      .poll(() => [...fib.statuses()].filter(({ state }) => state === "conflict").length, soon)
      .toBe(contested.length - refusals);
  });

  test("of protocols to take over are replaced in place", async () => {
    await node.ip("route add blackhole 10.65.0.0/26 proto bird");
    const watch = await monitor("route");
    const fib = await startFib({ takeover: [12, 80] });
    await set(fib, route("10.65.0.0/26", blackhole));
    await watch.mark(node);
    expect(watch.lines.map((line) => line.trim())).toEqual(["blackhole 10.65.0.0/26 proto 202"]);
  });

  test("of protocols to take over go once ours are there, whatever their metric", async () => {
    await node.ip("route add blackhole 10.65.0.0/26 proto bird");
    await node.ip("route add blackhole 10.65.0.0/26 proto static metric 7");
    const watch = await monitor("route");
    const fib = await startFib({ takeover: [12, 80] });
    await set(fib, route("10.65.0.0/26", blackhole, { metric: 1024 }));
    await watch.mark(node);
    expect(watch.lines.map((line) => line.trim())).toEqual([
      "blackhole 10.65.0.0/26 proto 202 metric 1024",
      "Deleted blackhole 10.65.0.0/26 proto bird",
    ]);
    expect(await routes4("proto static")).toHaveLength(1);
  });

  test("and ours in other tables are never touched", async () => {
    await node.ip("route add blackhole 10.65.0.0/26 table 100 proto 202");
    await node.ip("route add blackhole 10.66.0.0/26 proto 80");
    const fib = await startFib();
    await set(fib, route("10.65.0.0/26", blackhole));
    fib.update({ set: [], remove: [prefix("10.65.0.0/26"), prefix("10.66.0.0/26")] });
    fib.sweepStale();
    await fib.flush();
    expect(await routes4("table 100")).toEqual(["blackhole 10.65.0.0/26 proto 202"]);
    expect(await routes4("proto 80")).toEqual(["blackhole 10.66.0.0/26"]);
  });
});

describe("links and addresses", () => {
  const routed = [
    route("10.65.0.2/32", device("eth0")),
    route("10.65.1.0/26", via("10.1.0.6")),
    route("10.65.2.0/26", onlink("172.18.0.7", "eth0")),
    route("fd00:65:1::/122", via("fd00:1::6")),
  ];

  test("a link that goes down and up again has its routes back within a second", async () => {
    const fib = await startFib();
    await set(fib, ...routed);
    const before = await routes();
    await node.ip("link set eth0 down");
    await expect.poll(() => stateOf(fib, "10.65.1.0/26"), withinOneSecond).toBe("unresolved");
    expect(reasonOf(fib, "10.65.0.2/32")).toBe("device eth0 is down");
    expect(await routes()).toEqual([]);
    await node.ipBatch(["link set eth0 up", "addr add fd00:1::1/64 dev eth0 nodad"]);
    await expect.poll(() => routes(), withinOneSecond).toEqual(before);
  });

  test("an address that is deleted and added again has its routes back within a second", async () => {
    const fib = await startFib();
    await set(fib, ...routed);
    const before = await routes();
    await node.ip("addr del 10.1.0.1/24 dev eth0");
    // Routes by device need no address; those by a gateway have lost their way.
    await expect
      .poll(() => routes(), withinOneSecond)
      .toEqual([
        "10.65.0.2 dev eth0 scope link",
        "10.65.2.0/26 via 172.18.0.7 dev eth0 onlink",
        "fd00:65:1::/122 via fd00:1::6 dev eth0 metric 1024 pref medium",
      ]);
    await node.ip("addr add 10.1.0.1/24 dev eth0");
    await expect.poll(() => routes(), withinOneSecond).toEqual(before);
  });

  test("a device that is deleted and made anew has its route back within a second", async () => {
    const fib = await startFib();
    await set(fib, route("10.65.0.2/32", device("cali1")));
    expect(reasonOf(fib, "10.65.0.2/32")).toBe("device cali1 does not exist");
    for (let round = 0; round < 3; round++) {
      await node.ipBatch(["link add cali1 type veth peer name pod1", "link set cali1 up"]);
      await expect.poll(() => routes(), withinOneSecond).toEqual(["10.65.0.2 dev cali1 scope link linkdown"]);
      await node.ip("link del cali1");
      await expect.poll(() => stateOf(fib, "10.65.0.2/32"), withinOneSecond).toBe("unresolved");
    }
  });

  test("a next hop behind a router follows the route to it", async () => {
    const fib = await startFib();
    await set(fib, route("10.65.1.0/26", via("172.18.0.7")));
    expect(reasonOf(fib, "10.65.1.0/26")).toBe("no route to next hop 172.18.0.7");
    await node.ip("route add default via 10.1.0.254");
    await expect.poll(() => routes(), withinOneSecond).toEqual(["10.65.1.0/26 via 10.1.0.254 dev eth0"]);
    await node.ip("route replace default via 10.1.0.253");
    await expect.poll(() => routes(), withinOneSecond).toEqual(["10.65.1.0/26 via 10.1.0.253 dev eth0"]);
  });

  test("multipath over two devices survives the loss of one and is whole again when it is back", async () => {
    await node.ipBatch([
      "link add eth1 type veth peer name far1",
      "link set far1 up",
      "link set eth1 up",
      "addr add 10.2.0.1/24 dev eth1",
    ]);
    const fib = await startFib();
    await set(fib, route("10.65.3.0/26", via("10.1.0.7", "10.2.0.7")));
    const both = "10.65.3.0/26 nexthop via 10.1.0.7 dev eth0 weight 1 nexthop via 10.2.0.7 dev eth1 weight 1";
    expect(await routes()).toEqual([both]);
    await node.ip("link set eth1 down");
    await expect.poll(() => routes(), withinOneSecond).toEqual(["10.65.3.0/26 via 10.1.0.7 dev eth0"]);
    await node.ip("link set eth1 up");
    await expect.poll(() => routes(), withinOneSecond).toEqual([both]);
  });
});

describe("many routes", () => {
  const many = Array.from(
    { length: 20_000 },
    (_, index) => `10.${100 + (index >> 10)}.${(index >> 2) & 255}.${(index & 3) << 6}/26`,
  );

  test("are all there although the kernel's messages about their loss overran", async () => {
    const fib = await startFib({ netlink: await netlinkOf({ receiveBufferBytes: 4096 }) });
    await set(fib, ...many.map((to) => route(to, blackhole)));
    const count = async (): Promise<number> => (await routes()).length;
    expect(await count()).toBe(many.length);
    // Synchronously, so that nobody reads messages meanwhile.
    execFileSync("ip", ["-n", node.name, "-batch", "-"], {
      input: many.map((to) => `route del blackhole ${to}\n`).join(""),
    });
    await expect.poll(count, soon).toBe(many.length);
    await fib.flush();
    expect([...fib.statuses()].every(({ state }) => state === "installed")).toBe(true);
  });
});
