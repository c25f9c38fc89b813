import { readdirSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/core/logger.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import type { NetlinkError } from "../../src/netlink/errors.ts";
import { openDirectNetlink, openNetlink } from "../../src/netlink/open.ts";
import type { KernelRoute, NetlinkEvent, NetlinkRequest } from "../../src/netlink/types.ts";
import { codes, ip, ipBatch, ipJson, NetlinkFixture, type OpenedNetlink, succeed, until } from "./netlink-fixture.ts";

const fixture = new NetlinkFixture();
afterEach(() => fixture.dispose());

const good = IpAddress.parse("10.0.0.6");
const bad = IpAddress.parse("10.9.9.9");

/** The `number`-th /26 of 32.0.0.0/3. */
function numbered(number: number, gateway = good): KernelRoute {
  return {
    destination: Prefix.of(IpAddress.v4(0x20000000 + number * 64), 26),
    type: "unicast",
    table: 254,
    protocol: 202,
    scope: "universe",
    metric: 0,
    tos: 0,
    nextHops: [{ gateway, onlink: false, weight: 1 }],
  };
}

/** A namespace with 10.0.0.1/24 on a veth that is up. */
async function openWithVeth(options: Parameters<NetlinkFixture["open"]>[1] = {}) {
  const { name, path } = fixture.namespace();
  const netlink = await fixture.open(path, options);
  await giveVeth(netlink);
  return { name, path, netlink };
}

async function giveVeth(netlink: OpenedNetlink): Promise<void> {
  await succeed(
    netlink,
    { op: "link-add", link: { kind: "veth", name: "a", up: true, peer: { name: "b" } } },
    { op: "link-set", link: "b", change: { up: true } },
  );
  const index = (await netlink.links()).find(({ name }) => name === "a")?.index ?? 0;
  const address = IpAddress.parse("10.0.0.1");
  await succeed(netlink, {
    op: "address-replace",
    address: { interfaceIndex: index, address, prefixLength: 24, scope: "universe" },
  });
}

describe("execute", () => {
  test("gives every request of a mixed batch its own result, and the good ones happen", async () => {
    const { name, netlink } = await openWithVeth();
    const batch: NetlinkRequest[] = [
      { op: "route-add", route: numbered(1) },
      { op: "route-add", route: numbered(2, bad) },
      { op: "route-add", route: numbered(1) },
      { op: "route-add", route: { ...numbered(3), protocol: 999 } },
      { op: "route-replace", route: numbered(1) },
      { op: "route-delete", key: numbered(7) },
      { op: "link-delete", link: "nosuch" },
      { op: "route-add", route: numbered(4) },
      { op: "route-add", route: numbered(5, bad) },
    ];
    const results = await netlink.execute(batch);
    expect(codes(results)).toEqual([
      "ok",
      "ENETUNREACH",
      "EEXIST",
      "EINVAL",
      "ok",
      "ESRCH",
      "ENODEV",
      "ok",
      "ENETUNREACH",
    ]);
    expect(results[1]).toMatchObject({ errno: 101, message: "Nexthop has invalid gateway" });
    expect(results[2]).toMatchObject({ errno: 17, message: "file already exists" });
    expect(results[3]).toMatchObject({ message: expect.stringContaining("protocol") });
    expect(ipJson(name, "route", "show", "proto", "202")).toHaveLength(2);
    expect(await netlink.execute([])).toEqual([]);
  });

  test("adds, replaces, dumps and deletes 100,000 routes with every result right", async () => {
    const { netlink } = await openWithVeth();
    const total = 100_000;
    const isBad = (number: number): boolean => number % 4_001 === 17;
    const numbers = Array.from({ length: total }, (_, number) => number);
    const expected = numbers.map((number) => (isBad(number) ? "ENETUNREACH" : "ok"));
    const write = (op: "route-add" | "route-replace", gateway: IpAddress) =>
      netlink.execute(
        numbers.map((number) => ({ op, route: numbered(number, isBad(number) ? bad : gateway) }) as const),
      );
    const present = numbers.filter((number) => !isBad(number));
    const other = IpAddress.parse("10.0.0.7");

    expect(codes(await write("route-add", good))).toEqual(expected);
    expect(codes(await write("route-add", good))).toEqual(expected.map((code) => (code === "ok" ? "EEXIST" : code)));
    expect(codes(await write("route-replace", other))).toEqual(expected);

    const dumped = await netlink.routes({ family: 4, protocol: 202 });
    expect(dumped.map(({ destination }) => destination.address.w0)).toEqual(
      present.map((number) => numbered(number).destination.address.w0),
    );
    expect(dumped.every(({ nextHops }) => nextHops[0]?.gateway?.equals(other))).toBe(true);

    const deleted = await netlink.execute(
      numbers.map((number) => ({ op: "route-delete", key: numbered(number), protocol: 202 }) as const),
    );
    expect(codes(deleted)).toEqual(expected.map((code) => (code === "ok" ? "ok" : "ESRCH")));
    expect(await netlink.routes({ protocol: 202 })).toEqual([]);
  });

  test("leaves the event loop to others between slices", async () => {
    const { netlink } = await openWithVeth();
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await netlink.execute(
      Array.from({ length: 51_200 }, (_, number) => ({ op: "route-add", route: numbered(number) })),
    );
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(99);
  });

  test("calls results unknown when the kernel's answers did not fit, and nothing else ok by mistake", async () => {
    const { netlink } = await openWithVeth({ receiveBufferBytes: 4_096 });
    const requests = Array.from(
      { length: 512 },
      (_, number) => ({ op: "route-add", route: numbered(number, number < 256 ? bad : good) }) as const,
    );
    const results = codes(await netlink.execute(requests));
    expect(results.slice(0, 256).every((code) => code === "ENETUNREACH" || code === "UNKNOWN")).toBe(true);
    expect(results[0]).toBe("ENETUNREACH");
    expect(results.slice(256).every((code) => code === "UNKNOWN")).toBe(true);
    // The next exchange is not confused by what was lost.
    expect(await netlink.routes({ protocol: 202 })).toHaveLength(256);
    expect(codes(await netlink.execute([{ op: "route-add", route: numbered(256) }]))).toEqual(["EEXIST"]);
  });

  test("keeps concurrent calls apart", async () => {
    const { netlink } = await openWithVeth();
    const ranges = [0, 10_000, 20_000].map((start) =>
      Array.from({ length: 2_000 }, (_, number) => ({ op: "route-add", route: numbered(start + number) }) as const),
    );
    const dump = netlink.routes({ protocol: 202 });
    for (const results of await Promise.all(ranges.map((range) => netlink.execute(range))))
      expect(results.every(({ ok }) => ok)).toBe(true);
    expect((await dump).length).toBeLessThanOrEqual(6_000);
    expect(await netlink.routes({ protocol: 202 })).toHaveLength(6_000);
  });
});

describe("subscribe", () => {
  test("tells of links, addresses, routes and neighbours in the kernel's order", async () => {
    const { name, path } = fixture.namespace();
    const netlink = await fixture.open(path);
    const events: NetlinkEvent[] = [];
    await netlink.subscribe(["link", "address", "route", "neighbour"], (batch) => events.push(...batch));
    await giveVeth(netlink);
    ip(name, "neigh", "add", "10.0.0.6", "lladdr", "02:00:00:00:00:06", "dev", "a");
    await succeed(
      netlink,
      { op: "route-add", route: numbered(1) },
      { op: "route-replace", route: numbered(1, IpAddress.parse("10.0.0.7")) },
    );
    ip(name, "route", "del", `${numbered(1).destination}`);
    ip(name, "link", "del", "dev", "a");
    await until(() =>
      events.some((event) => event.type === "link" && event.action === "delete" && event.link.name === "a"),
    );

    const ourRoute = events.flatMap((event) =>
      event.type === "route" && event.route.protocol === 202
        ? [`${event.action}${event.replaced === true ? "!" : ""}`]
        : [],
    );
    expect(ourRoute).toEqual(["new", "new!", "delete"]);
    const firstOf = (type: NetlinkEvent["type"]) => events.findIndex((event) => event.type === type);
    expect(firstOf("link")).toBe(0);
    expect(firstOf("address")).toBeGreaterThan(0);
    expect(events).toContainEqual({
      type: "neighbour",
      action: "new",
      neighbour: expect.objectContaining({ macAddress: "02:00:00:00:00:06", state: "permanent" }),
    });
    expect(events.every(({ type }) => type !== "overrun")).toBe(true);
  });

  test("brings only what was asked for, and nothing any more after its end", async () => {
    const { name, netlink } = await openWithVeth();
    const routes: NetlinkEvent[] = [];
    const links: NetlinkEvent[] = [];
    const end = await netlink.subscribe(["route"], (batch) => routes.push(...batch));
    await netlink.subscribe(["link"], (batch) => links.push(...batch));
    await succeed(netlink, { op: "route-add", route: numbered(1) });
    // The kernel's own IPv6 routes of the new link may come at any time.
    const ours = () => routes.filter((event) => event.type === "route" && event.route.protocol === 202);
    await until(() => ours().length === 1);
    end();
    await succeed(netlink, { op: "route-add", route: numbered(2) });
    ip(name, "link", "set", "dev", "b", "mtu", "1400");
    await until(() => links.some((event) => event.type === "link" && event.link.mtu === 1_400));
    expect(ours()).toHaveLength(1);
    expect(routes.every(({ type }) => type === "route")).toBe(true);
    expect(links.every(({ type }) => type === "link")).toBe(true);
  });

  test("echoes 100,000 own routes without a loss", async () => {
    const { netlink } = await openWithVeth();
    const seen = new Set<number>();
    const other = new Set<string>();
    await netlink.subscribe(["route"], (batch) => {
      for (const event of batch)
        if (event.type === "overrun") other.add(event.type);
        else if (event.type === "route" && event.route.protocol === 202) seen.add(event.route.destination.address.w0);
    });
    const requests = Array.from(
      { length: 100_000 },
      (_, number) => ({ op: "route-add", route: numbered(number) }) as const,
    );
    await netlink.execute(requests);
    await until(() => seen.size >= 100_000 || other.size > 0);
    expect([...other]).toEqual([]);
    expect(seen.size).toBe(100_000);
  });

  test("leaves out own route changes where they are not wanted, and nothing else", async () => {
    const { name, netlink } = await openWithVeth({ hidesOwnRouteChanges: true });
    const events: NetlinkEvent[] = [];
    await netlink.subscribe(["link", "address", "route"], (batch) => events.push(...batch));
    const routesSeen = (action: "new" | "delete") =>
      events
        .flatMap(
          (event) => (event.type === "route" && event.action === action ? [String(event.route.destination)] : []),
          // The kernel gives new links IPv6 routes when it gets round to it.
        )
        .filter((destination) => !destination.includes(":"));
    await succeed(netlink, { op: "route-add", route: numbered(1) }, { op: "route-replace", route: numbered(1) });
    await succeed(netlink, { op: "route-delete", key: numbered(1), protocol: 202 });
    await succeed(netlink, { op: "route-add", route: numbered(2) });
    ip(name, "route", "add", "10.7.0.0/24", "via", "10.0.0.6", "proto", "202");
    ip(name, "route", "del", numbered(2).destination.toString());
    await succeed(netlink, { op: "link-set", link: "b", change: { mtu: 1_400 } });
    await until(() => events.some((event) => event.type === "link" && event.link.mtu === 1_400));
    expect(routesSeen("new")).toEqual(["10.7.0.0/24"]);
    expect(routesSeen("delete")).toEqual([numbered(2).destination.toString()]);
    // What the kernel does by itself because of a request is no route change that was asked for.
    const index = (await netlink.links()).find((link) => link.name === "a")?.index ?? 0;
    const address = IpAddress.parse("10.8.0.1");
    await succeed(netlink, {
      op: "address-replace",
      address: { interfaceIndex: index, address, prefixLength: 24, scope: "universe" },
    });
    await until(() => routesSeen("new").includes("10.8.0.0/24"));
  });

  test("tells of an overrun when events were lost, and goes on afterwards", async () => {
    const { netlink } = await openWithVeth({ receiveBufferBytes: 4_096 });
    const events: NetlinkEvent[] = [];
    await netlink.subscribe(["route"], (batch) => events.push(...batch));
    await netlink.execute(Array.from({ length: 512 }, (_, number) => ({ op: "route-add", route: numbered(number) })));
    await until(() => events.some(({ type }) => type === "overrun"));
    expect(events.length).toBeLessThan(512);
    await succeed(netlink, { op: "route-add", route: numbered(1_000) });
    const last = numbered(1_000).destination;
    await until(() => events.some((event) => event.type === "route" && event.route.destination.equals(last)));
  });

  test("overruns rather than hoards while the main thread is busy, and recovers", async () => {
    const { name, netlink } = await openWithVeth({ receiveBufferBytes: 65_536 });
    const events: NetlinkEvent[] = [];
    await netlink.subscribe(["route"], (batch) => events.push(...batch));
    // iproute2 fills the table while this thread cannot take anything.
    ipBatch(
      name,
      Array.from({ length: 60_000 }, (_, number) => `route add ${numbered(number).destination} via 10.0.0.6`),
    );
    await until(() => events.some(({ type }) => type === "overrun"));
    const last = numbered(1_000_000).destination;
    await succeed(netlink, { op: "route-add", route: numbered(1_000_000) });
    await until(() => events.some((event) => event.type === "route" && event.route.destination.equals(last)));
    expect(events.length).toBeLessThan(60_000);
  });
});

describe("a netlink without a worker", () => {
  test("does the same in a namespace of its own, and leaves this thread where it is", async () => {
    const { name, path } = fixture.namespace();
    const netlink = openDirectNetlink({ namespace: { path } });
    const results = await netlink.execute([
      { op: "link-set", link: "lo", change: { up: true } },
      { op: "link-add", link: { kind: "bridge", name: "br0" } },
      { op: "link-delete", link: "nosuch" },
    ]);
    expect(codes(results)).toEqual(["ok", "ok", "ENODEV"]);
    expect((await netlink.links()).map((link) => link.name)).toEqual(["lo", "br0"]);
    expect(ipJson(name, "link", "show", "br0")).toHaveLength(1);
    expect(await netlink.routeTo(IpAddress.parse("127.0.0.1"))).toMatchObject({ type: "local" });
    await netlink.close();
    await netlink.close();
    await expect(netlink.links()).rejects.toMatchObject({ code: "CLOSED" });
    expect(() => openDirectNetlink({ namespace: { path: "/run/netns/calibird-no-such" } })).toThrow(
      "/run/netns/calibird-no-such",
    );
  });
});

describe("the worker", () => {
  test("that ends by itself fails what is pending, what comes later, and says so once", async () => {
    const { path } = fixture.namespace();
    const failures: NetlinkError[] = [];
    const logged: string[] = [];
    const netlink = await fixture.open(path, {
      onFailure: (error) => failures.push(error),
      logger: { ...silentLogger, error: (_fields, message) => logged.push(message) },
    });
    // No kernel has such a group, and no TypeScript caller can ask for it: the worker meets what it cannot deal with.
    const doomed = netlink.subscribe(["nonsense" as "link"], () => {});
    const pending = await Promise.allSettled([
      doomed,
      netlink.links(),
      netlink.execute([{ op: "link-delete", link: "x" }]),
    ]);
    for (const outcome of pending)
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "WORKER_FAILED" } });
    await expect(netlink.addresses()).rejects.toMatchObject({ code: "WORKER_FAILED" });
    expect(failures.map(({ code }) => code)).toEqual(["WORKER_FAILED"]);
    expect(logged).toEqual([expect.stringContaining("setsockopt")]);
  });

  test("finishes what it was given when it is closed, and refuses what comes later", async () => {
    const { netlink } = await openWithVeth();
    const pending = netlink.execute([{ op: "route-add", route: numbered(1) }]);
    await Promise.all([netlink.close(), netlink.close()]);
    expect(codes(await pending)).toEqual(["ok"]);
    await expect(netlink.links()).rejects.toMatchObject({ code: "CLOSED" });
    await expect(netlink.execute([{ op: "link-delete", link: "x" }])).rejects.toMatchObject({ code: "CLOSED" });
    await expect(netlink.subscribe(["link"], () => {})).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("leaves no descriptor open", async () => {
    const { path } = fixture.namespace();
    // What node itself opens for its first worker stays.
    await (await fixture.open(path)).close();
    const before = readdirSync("/proc/self/fd").length;
    for (let round = 0; round < 3; round++) await (await fixture.open(path)).close();
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  test("is not started for a namespace that does not exist", async () => {
    await expect(openNetlink({ namespace: { path: "/run/netns/calibird-no-such" } })).rejects.toMatchObject({
      code: "NAMESPACE_NOT_FOUND",
      message: expect.stringContaining("/run/netns/calibird-no-such"),
    });
    await expect(openNetlink({ namespace: { path: "/proc/version" } })).rejects.toMatchObject({
      code: "NAMESPACE_FAILED",
    });
  });
});
