import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { openNamespace } from "../../src/netlink/namespace.ts";
import type { KernelRoute, RouteNextHop } from "../../src/netlink/types.ts";
import { ip, ipJson, NetlinkFixture, type OpenedNetlink, succeed } from "./netlink-fixture.ts";

const address = (text: string): IpAddress => IpAddress.parse(text);

const fixture = new NetlinkFixture();
let name = "";
let path = "";
let netlink: OpenedNetlink;

beforeEach(async () => {
  ({ name, path } = fixture.namespace());
  netlink = await fixture.open(path);
});
afterEach(() => fixture.dispose());

const linkNamed = async (device: string) => {
  const link = (await netlink.links()).find((candidate) => candidate.name === device);
  if (link === undefined) throw new TypeError(`no link ${device}`);
  return link;
};
const isThere = async (device: string): Promise<boolean> =>
  (await netlink.links()).some((candidate) => candidate.name === device);

describe("links", () => {
  test("lo comes up, and a bridge is made, enslaves, and lets go", async () => {
    await succeed(
      netlink,
      { op: "link-set", link: "lo", change: { up: true } },
      { op: "link-add", link: { kind: "bridge", name: "br0", mtu: 1400, up: true } },
      { op: "link-add", link: { kind: "veth", name: "a", peer: { name: "b" } } },
    );
    const bridge = await linkNamed("br0");
    expect(bridge).toMatchObject({ kind: "bridge", mtu: 1400, up: true });
    expect(await linkNamed("lo")).toMatchObject({ index: 1, loopback: true, up: true });
    await succeed(netlink, { op: "link-set", link: "a", change: { masterIndex: bridge.index } });
    expect(ipJson(name, "link", "show", "a")).toMatchObject([{ master: "br0" }]);
    expect(await linkNamed("a")).toMatchObject({ masterIndex: bridge.index });
    await succeed(netlink, { op: "link-set", link: "a", change: { masterIndex: 0 } });
    expect(await linkNamed("a")).not.toHaveProperty("masterIndex");
  });

  test("a veth is born with its peer in another namespace", async () => {
    const other = fixture.namespace();
    const there = openNamespace(other.path);
    await succeed(netlink, {
      op: "link-add",
      link: {
        kind: "veth",
        name: "cali0",
        mtu: 1410,
        macAddress: "ee:ee:ee:ee:ee:ee",
        up: true,
        peer: { name: "eth0", mtu: 1410, macAddress: "02:00:00:00:00:07", namespace: there },
      },
    });
    there.close();
    expect(ipJson(name, "link", "show", "cali0")).toMatchObject([
      { mtu: 1410, address: "ee:ee:ee:ee:ee:ee", linkinfo: { info_kind: "veth" } },
    ]);
    const [peer] = ipJson(other.name, "link", "show", "eth0");
    expect(peer).toMatchObject({ mtu: 1410, address: "02:00:00:00:00:07" });
    expect(await linkNamed("cali0")).toMatchObject({ linkIndex: peer?.ifindex, linkNamespaceId: expect.any(Number) });
    expect(await isThere("eth0")).toBe(false);
  });

  test("a link is renamed, changed, moved and deleted", async () => {
    const other = fixture.namespace();
    const there = openNamespace(other.path);
    await succeed(netlink, { op: "link-add", link: { kind: "veth", name: "a", peer: { name: "b" } } });
    const { index } = await linkNamed("a");
    await succeed(
      netlink,
      { op: "link-set", link: index, change: { name: "c", mtu: 1300, macAddress: "02:00:00:00:00:01", up: true } },
      { op: "link-set", link: "b", change: { namespace: there } },
    );
    there.close();
    expect(ipJson(name, "link", "show", "c")).toMatchObject([{ mtu: 1300, address: "02:00:00:00:00:01" }]);
    expect(ipJson(other.name, "link", "show", "b")).toHaveLength(1);
    await succeed(netlink, { op: "link-delete", link: "c" });
    expect(await isThere("c")).toBe(false);
  });

  test("a vxlan device has the properties that it was asked to have", async () => {
    await succeed(netlink, { op: "link-add", link: { kind: "veth", name: "under", peer: { name: "b" } } });
    const parentIndex = (await linkNamed("under")).index;
    const properties = { vni: 4096, port: 4789, local: address("10.0.0.1"), parentIndex, learning: false };
    await succeed(netlink, {
      op: "link-add",
      link: { kind: "vxlan", name: "vxlan.calico", macAddress: "66:48:f6:56:dc:f1", mtu: 1450, ...properties },
    });
    expect(ipJson(name, "link", "show", "vxlan.calico")).toMatchObject([
      {
        address: "66:48:f6:56:dc:f1",
        mtu: 1450,
        linkinfo: { info_data: { id: 4096, port: 4789, local: "10.0.0.1", link: "under", learning: false } },
      },
    ]);
    expect((await linkNamed("vxlan.calico")).vxlan).toEqual(properties);
  });

  test("a kind that the kernel lacks is refused in words", async () => {
    const [result] = await netlink.execute([{ op: "link-add", link: { kind: "ipip", name: "tunl7" } }]);
    // Where the kernel has IPIP, the tunnel is there instead.
    if (result?.ok === true) expect(await linkNamed("tunl7")).toMatchObject({ kind: "ipip" });
    else expect(result).toEqual({ ok: false, errno: 95, code: "EOPNOTSUPP", message: "Unknown device type" });
  });
});

describe("addresses and neighbours", () => {
  beforeEach(() =>
    succeed(netlink, { op: "link-add", link: { kind: "veth", name: "a", up: true, peer: { name: "b" } } }),
  );

  test("addresses of both families appear as written, twice without harm, and go", async () => {
    const { index } = await linkNamed("a");
    const v4 = { interfaceIndex: index, address: address("10.0.0.1"), prefixLength: 24, scope: "universe" } as const;
    const v6 = { ...v4, address: address("fd00::1"), prefixLength: 64, noDuplicateDetection: true };
    await succeed(netlink, { op: "address-replace", address: v4 }, { op: "address-replace", address: v4 });
    await succeed(netlink, { op: "address-replace", address: v6 }, { op: "address-replace", address: v6 });
    expect(ipJson(name, "address", "show", "a")[0]?.addr_info).toMatchObject([
      { family: "inet", local: "10.0.0.1", prefixlen: 24, scope: "global" },
      { family: "inet6", local: "fd00::1", prefixlen: 64, nodad: true },
    ]);
    expect(await netlink.addresses()).toEqual(expect.arrayContaining([v4, v6]));
    await succeed(netlink, { op: "address-delete", address: v4 }, { op: "address-delete", address: v6 });
    expect(ipJson(name, "address", "show", "a")[0]?.addr_info).toEqual([]);
  });

  test("neighbours of both families appear as written, are replaced, and go", async () => {
    const { index } = await linkNamed("a");
    const entry = (text: string, macAddress: string) =>
      ({ interfaceIndex: index, address: address(text), macAddress, state: "permanent" }) as const;
    for (const mac of ["02:00:00:00:00:06", "02:00:00:00:00:07"])
      for (const text of ["10.0.0.6", "fd00::6"])
        await succeed(netlink, { op: "neighbour-replace", neighbour: entry(text, mac) });
    expect(ipJson(name, "neigh", "show", "nud", "permanent")).toMatchObject([
      { dst: "10.0.0.6", lladdr: "02:00:00:00:00:07", state: ["PERMANENT"] },
      { dst: "fd00::6", lladdr: "02:00:00:00:00:07", state: ["PERMANENT"] },
    ]);
    const permanent = (await netlink.neighbours()).filter(({ state }) => state === "permanent");
    expect(permanent).toEqual(["10.0.0.6", "fd00::6"].map((text) => entry(text, "02:00:00:00:00:07")));
    await succeed(
      netlink,
      { op: "neighbour-delete", neighbour: entry("10.0.0.6", "02:00:00:00:00:07") },
      { op: "neighbour-delete", neighbour: entry("fd00::6", "02:00:00:00:00:07") },
    );
    expect(ipJson(name, "neigh", "show", "nud", "permanent")).toEqual([]);
  });

  test("a vxlan device's forwarding database is written, replaced, read and emptied", async () => {
    await succeed(netlink, {
      op: "link-add",
      link: { kind: "vxlan", name: "vx", vni: 4096, port: 4789, learning: false, up: true },
    });
    const { index } = await linkNamed("vx");
    const entry = (destination: string) =>
      ({ interfaceIndex: index, macAddress: "66:48:f6:56:dc:f1", destination: address(destination) }) as const;
    for (const destination of ["172.17.0.6", "172.17.0.7"])
      await succeed(netlink, { op: "forwarding-replace", entry: entry(destination) });
    expect(await netlink.forwardingEntries(index)).toEqual([{ ...entry("172.17.0.7"), permanent: true }]);
    expect(await netlink.forwardingEntries((await linkNamed("a")).index)).toEqual([]);
    await succeed(netlink, { op: "forwarding-delete", entry: entry("172.17.0.7") });
    expect(await netlink.forwardingEntries(index)).toEqual([]);
  });
});

describe("routes", () => {
  let index = 0;

  beforeEach(async () => {
    await succeed(
      netlink,
      { op: "link-set", link: "lo", change: { up: true } },
      { op: "link-add", link: { kind: "veth", name: "a", up: true, peer: { name: "b" } } },
      { op: "link-set", link: "b", change: { up: true } },
    );
    index = (await linkNamed("a")).index;
    for (const [own, prefixLength] of [
      ["10.0.0.1", 24],
      ["fd00::1", 64],
    ] as const)
      await succeed(netlink, {
        op: "address-replace",
        address: {
          interfaceIndex: index,
          address: address(own),
          prefixLength,
          scope: "universe",
          noDuplicateDetection: true,
        },
      });
  });

  const hop = (gateway: string | undefined, fields: Partial<RouteNextHop> = {}): RouteNextHop => ({
    ...(gateway === undefined ? undefined : { gateway: address(gateway) }),
    interfaceIndex: index,
    onlink: false,
    weight: 1,
    ...fields,
  });
  const route = (destination: string, fields: Partial<KernelRoute> = {}): KernelRoute => ({
    destination: Prefix.parse(destination),
    type: "unicast",
    table: 254,
    protocol: 202,
    scope: "universe",
    metric: 0,
    tos: 0,
    nextHops: [],
    ...fields,
  });
  const ours = (table = 254) => netlink.routes({ table, protocol: 202 });

  /** A route, and the fields that `ip -json route` shows of it. */
  const cases = (): readonly (readonly [string, KernelRoute, object])[] => [
    ["gateway", route("10.65.1.0/26", { nextHops: [hop("10.0.0.6")] }), { gateway: "10.0.0.6", dev: "a" }],
    [
      "onlink gateway with MTU, metric and source",
      route("10.65.2.0/26", {
        metric: 1024,
        mtu: 1480,
        preferredSource: address("10.0.0.1"),
        nextHops: [hop("172.17.0.6", { onlink: true })],
      }),
      { gateway: "172.17.0.6", flags: ["onlink"], metric: 1024, metrics: [{ mtu: 1480 }], prefsrc: "10.0.0.1" },
    ],
    ["device", route("10.65.0.2/32", { scope: "link", nextHops: [hop(undefined)] }), { dev: "a", scope: "link" }],
    ["blackhole", route("10.65.0.0/26", { type: "blackhole" }), { type: "blackhole" }],
    ["unreachable", route("10.65.9.0/26", { type: "unreachable" }), { type: "unreachable" }],
    ["prohibit", route("10.65.10.0/26", { type: "prohibit" }), { type: "prohibit" }],
    ["throw", route("10.65.11.0/26", { type: "throw" }), { type: "throw" }],
    [
      "multipath",
      route("10.65.3.0/26", { nextHops: [hop("10.0.0.6"), hop("172.17.0.7", { weight: 5, onlink: true })] }),
      {
        nexthops: [
          { gateway: "10.0.0.6", weight: 1 },
          { gateway: "172.17.0.7", weight: 5, flags: ["onlink"] },
        ],
      },
    ],
    [
      "IPv6 gateway of an IPv4 route",
      route("10.65.4.0/26", { nextHops: [hop("fd00::6")] }),
      { via: { family: "inet6", host: "fd00::6" } },
    ],
    ["type of service", route("10.65.5.0/26", { tos: 0x10, nextHops: [hop("10.0.0.6")] }), { tos: "0x10" }],
    ["default", route("0.0.0.0/0", { nextHops: [hop("10.0.0.6")] }), { dst: "default", gateway: "10.0.0.6" }],
    [
      "IPv6 gateway",
      route("fd00:65:1::/122", { metric: 512, mtu: 1400, nextHops: [hop("fd00::6")] }),
      { gateway: "fd00::6", metric: 512, metrics: [{ mtu: 1400 }] },
    ],
    [
      "IPv6 multipath",
      route("fd00:65:2::/122", { metric: 1024, nextHops: [hop("fd00::6"), hop("fd00::7", { weight: 3 })] }),
      { nexthops: expect.arrayContaining([expect.objectContaining({ gateway: "fd00::7", weight: 3 })]) },
    ],
    ["IPv6 blackhole", route("fd00:65:3::/122", { metric: 1024, type: "blackhole" }), { type: "blackhole" }],
  ];

  test("every form is what iproute2 sees and what we read back", async () => {
    for (const [, given] of cases()) await succeed(netlink, { op: "route-add", route: given });
    const shown = [
      ...ipJson(name, "route", "show", "proto", "202"),
      ...ipJson(name, "-6", "route", "show", "proto", "202"),
    ];
    for (const [what, given, fields] of cases()) {
      const destination = given.destination.isHost ? `${given.destination.address}` : `${given.destination}`;
      const wanted = { dst: destination, ...fields };
      expect(
        shown.find(({ dst }) => dst === wanted.dst),
        what,
      ).toMatchObject(wanted);
    }
    const read = new Map((await ours()).map((entry) => [`${entry.destination}`, entry]));
    for (const [what, given] of cases()) {
      const found = read.get(`${given.destination}`);
      // The kernel keeps the next hops of IPv6 routes in an order of its own.
      expect({ ...found, nextHops: new Set(found?.nextHops) }, what).toEqual({
        ...given,
        nextHops: new Set(given.nextHops),
      });
    }
    expect(read.size).toBe(cases().length);
  });

  test("every form replaces every other without a second route appearing", async () => {
    for (const family of [4, 6] as const) {
      const forms = cases()
        .map(([, given]) => given)
        .filter(({ destination, tos, scope }) => destination.family === family && tos === 0 && scope !== "link");
      const destination = Prefix.parse(family === 4 ? "10.99.0.0/26" : "fd00:99::/122");
      for (const first of forms)
        for (const second of forms) {
          await succeed(
            netlink,
            { op: "route-replace", route: { ...first, destination, metric: 1024 } },
            { op: "route-replace", route: { ...second, destination, metric: 1024 } },
          );
          const found = await ours();
          expect(found).toHaveLength(1);
          expect(found[0]?.type).toBe(second.type);
          expect(new Set(found[0]?.nextHops)).toEqual(new Set(second.nextHops));
        }
      await succeed(netlink, { op: "route-delete", key: { destination, table: 254, metric: 1024, tos: 0 } });
    }
  });

  test("a table above 255 is made with its first route, and missing until then", async () => {
    expect(await ours(1_000)).toEqual([]);
    const given = route("10.65.1.0/26", { table: 1_000, nextHops: [hop("10.0.0.6")] });
    await succeed(netlink, { op: "route-add", route: given });
    expect(await ours(1_000)).toEqual([given]);
    expect(await ours()).toEqual([]);
    expect(ipJson(name, "route", "show", "table", "1000")).toHaveLength(1);
  });

  test("filters give routes of one family and one protocol only", async () => {
    await succeed(netlink, ...cases().map(([, given]) => ({ op: "route-add", route: given }) as const));
    expect((await netlink.routes({ family: 6, protocol: 202 })).map(({ destination }) => destination.family)).toEqual([
      6, 6, 6,
    ]);
    expect((await netlink.routes({ protocol: 2 })).every(({ protocol }) => protocol === 2)).toBe(true);
    expect((await netlink.routes({ family: 4 })).length).toBeGreaterThan(
      (await netlink.routes({ family: 4, protocol: 202 })).length,
    );
  });

  test("a deletion spares what has another protocol, metric or type", async () => {
    const given = route("10.65.1.0/26", { metric: 1024, nextHops: [hop("10.0.0.6")] });
    const key = { destination: given.destination, table: 254, metric: 1024, tos: 0 };
    await succeed(netlink, { op: "route-add", route: given });
    const results = await netlink.execute([
      { op: "route-delete", key, protocol: 12 },
      { op: "route-delete", key: { ...key, metric: 7 } },
      { op: "route-delete", key, type: "blackhole" },
      { op: "route-delete", key: { ...key, tos: 16 } },
      { op: "route-delete", key, protocol: 202, type: "unicast" },
    ]);
    expect(results.map((result) => (result.ok ? "ok" : result.code))).toEqual([
      "ESRCH",
      "ESRCH",
      "ESRCH",
      "ESRCH",
      "ok",
    ]);
    expect(await ours()).toEqual([]);
  });

  test("a look-up tells how a packet would leave, or that it would not", async () => {
    await succeed(
      netlink,
      ...cases()
        .filter(([what]) => what !== "default")
        .map(([, given]) => ({ op: "route-add", route: given }) as const),
    );
    expect(await netlink.routeTo(address("10.65.1.9"))).toMatchObject({ table: 254, nextHops: [hop("10.0.0.6")] });
    expect(await netlink.routeTo(address("fd00:65:1::9"))).toMatchObject({ nextHops: [hop("fd00::6")] });
    expect(await netlink.routeTo(address("10.0.0.1"))).toMatchObject({ type: "local" });
    for (const nowhere of ["10.65.0.9", "10.65.9.9", "10.65.10.9", "10.65.11.9", "99.0.0.1", "fd00:65:3::9", "fd99::1"])
      expect(await netlink.routeTo(address(nowhere)), nowhere).toBeUndefined();
  });

  test("a look-up names the table that a rule leads to", async () => {
    const given = route("10.77.0.0/16", { table: 1_000, nextHops: [hop("10.0.0.6")] });
    await succeed(netlink, { op: "route-add", route: given });
    expect(await netlink.routeTo(address("10.77.0.1"))).toBeUndefined();
    ip(name, "rule", "add", "to", "10.77.0.0/16", "lookup", "1000");
    expect(await netlink.routeTo(address("10.77.0.1"))).toMatchObject({ table: 1_000, nextHops: given.nextHops });
  });

  test("a route says that its link has no carrier", async () => {
    await succeed(netlink, { op: "route-add", route: route("10.65.1.0/26", { nextHops: [hop("10.0.0.6")] }) });
    expect((await ours())[0]).not.toHaveProperty("linkDown");
    ip(name, "link", "set", "dev", "b", "down");
    await expect.poll(async () => (await ours())[0]?.linkDown).toBe(true);
  });
});
