import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IpAddress } from "../../src/net/address.ts";
import { ip, NetlinkFixture, type OpenedNetlink, succeed } from "./netlink-fixture.ts";

const address = (text: string): IpAddress => IpAddress.parse(text);

const fixture = new NetlinkFixture();
let name = "";
let netlink: OpenedNetlink;

beforeEach(async () => {
  const namespace = fixture.namespace();
  name = namespace.name;
  netlink = await fixture.open(namespace.path);
  await succeed(netlink, { op: "link-add", link: { kind: "veth", name: "a", up: true, peer: { name: "b" } } });
});
afterEach(() => fixture.dispose());

const linkNamed = async (device: string) => {
  const link = (await netlink.links()).find((candidate) => candidate.name === device);
  if (link === undefined) throw new TypeError(`no link ${device}`);
  return link;
};

describe("what tunnels need", () => {
  test("a vxlan device is changed in place, and shows what else it does", async () => {
    const parentIndex = (await linkNamed("a")).index;
    await succeed(netlink, {
      op: "link-add",
      link: { kind: "vxlan", name: "vx", vni: 7, port: 4789, learning: true, local: address("10.0.0.1"), up: true },
    });
    const { index } = await linkNamed("vx");
    const local = address("10.0.0.2");
    await succeed(netlink, {
      op: "link-set",
      link: index,
      change: { tunnel: { kind: "vxlan", local, parentIndex, learning: false } },
    });
    const properties = { vni: 7, port: 4789, local, parentIndex, learning: false };
    expect(await linkNamed("vx")).toMatchObject({ index, up: true, vxlan: properties });
    expect((await linkNamed("vx")).vxlan).not.toHaveProperty("extras");
    ip(name, ..."link add vy type vxlan id 8 group 239.0.0.1 dev a dstport 4789 proxy l3miss gbp".split(" "));
    expect(new Set((await linkNamed("vy")).vxlan?.extras)).toEqual(new Set(["group", "proxy", "l3miss", "gbp"]));
  });

  test("neighbours can be asked for by device", async () => {
    const entry = (index: number) =>
      ({ interfaceIndex: index, address: address("10.0.0.6"), macAddress: "02:00:00:00:00:06" }) as const;
    const [a, b] = [await linkNamed("a"), await linkNamed("b")];
    await succeed(netlink, { op: "link-set", link: "b", change: { up: true } });
    for (const { index } of [a, b])
      await succeed(netlink, { op: "neighbour-replace", neighbour: { ...entry(index), state: "permanent" } });
    const found = (await netlink.neighbours(b.index)).filter(({ state }) => state === "permanent");
    expect(found).toEqual([{ ...entry(b.index), state: "permanent" }]);
  });

  test("a change of a forwarding database is told", async () => {
    await succeed(netlink, {
      op: "link-add",
      link: { kind: "vxlan", name: "vx", vni: 4096, port: 4789, learning: false, up: true },
    });
    const { index } = await linkNamed("vx");
    const told: string[] = [];
    const end = await netlink.subscribe(["forwarding"], (events) => {
      for (const event of events)
        if (event.type === "forwarding")
          told.push(`${event.action} ${event.entry.macAddress} ${event.entry.destination}`);
    });
    const entry = { interfaceIndex: index, macAddress: "66:48:f6:56:dc:f1", destination: address("172.17.0.6") };
    await succeed(netlink, { op: "forwarding-replace", entry }, { op: "forwarding-delete", entry });
    await expect.poll(() => told).toEqual(["new 66:48:f6:56:dc:f1 172.17.0.6", "delete 66:48:f6:56:dc:f1 172.17.0.6"]);
    end();
  });
});
