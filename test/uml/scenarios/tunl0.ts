import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { openNamespace } from "../../../src/netlink/namespace.ts";
import type { InterfaceAddress, KernelRoute, Link, RouteNextHop } from "../../../src/netlink/types.ts";
import { codes, ip, ipJson, NetlinkFixture, type OpenedNetlink, succeed } from "../../lab/netlink-fixture.ts";
import { Capture } from "../guest/capture.ts";
import { loadModule } from "../guest/kernel-modules.ts";
import type { Scenario } from "../guest/scenario.ts";

/** A namespace and our way into it. */
interface End {
  readonly name: string;
  readonly netlink: OpenedNetlink;
}

/** Two namespaces with a cable between them: 10.0.0.1 and 10.0.0.2. */
interface World {
  readonly near: End;
  readonly far: End;
}

const fixture = new NetlinkFixture();
const nearAddress = "10.0.0.1";
const farAddress = "10.0.0.2";

async function newEnd(): Promise<End & { readonly path: string }> {
  const { name, path } = fixture.namespace();
  return { name, path, netlink: await fixture.open(path) };
}

async function linkNamed({ netlink }: End, device: string): Promise<Link> {
  const link = (await netlink.links()).find((candidate) => candidate.name === device);
  if (link === undefined) throw new TypeError(`no link ${device}`);
  return link;
}

async function setAddress(end: End, device: string, address: string, prefixLength: number): Promise<InterfaceAddress> {
  const { index } = await linkNamed(end, device);
  const wanted = { interfaceIndex: index, address: IpAddress.parse(address), prefixLength, scope: "universe" } as const;
  await succeed(end.netlink, { op: "address-replace", address: wanted });
  return wanted;
}

/** As the agent has to do it on every node. */
async function adoptTunnel(end: End, address: string): Promise<InterfaceAddress> {
  await succeed(end.netlink, { op: "link-set", link: "tunl0", change: { mtu: 1480, up: true } });
  return setAddress(end, "tunl0", address, 32);
}

function tunnelRoute(destination: string, nextHops: readonly RouteNextHop[]): KernelRoute {
  const fixed = { type: "unicast", table: 254, protocol: 202, scope: "universe", metric: 1024, tos: 0 } as const;
  return { ...fixed, destination: Prefix.parse(destination), nextHops };
}

async function start(): Promise<World> {
  const [near, far] = await Promise.all([newEnd(), newEnd()]);
  // A kernel that has IPIP as a module makes tunl0 everywhere when that is loaded.
  if (ipJson(near.name, "link", "show").length === 1) loadModule("ipip");
  const namespace = openNamespace(far.path);
  await succeed(near.netlink, {
    op: "link-add",
    link: { kind: "veth", name: "eth0", up: true, peer: { name: "eth0", namespace } },
  });
  namespace.close();
  await succeed(far.netlink, { op: "link-set", link: "eth0", change: { up: true } });
  await setAddress(near, "eth0", nearAddress, 24);
  await setAddress(far, "eth0", farAddress, 24);
  return { near, far };
}

export const scenario: Scenario<World> = {
  start,
  checks: {
    "a new network namespace has a tunl0 that is down": async ({ near }) => {
      const { kind, up, ipip } = await linkNamed(near, "tunl0");
      assert.deepEqual({ kind, up, ipip }, { kind: "ipip", up: false, ipip: { ttl: 0, pmtuDiscovery: false } });
    },

    "tunl0 is adopted with MTU and address, and iproute2 sees it so": async ({ near, far }) => {
      const address = await adoptTunnel(near, "192.168.1.1");
      await adoptTunnel(far, "192.168.2.1");
      const [seen] = ipJson(near.name, "address", "show", "tunl0");
      assert.ok(seen !== undefined);
      assert.deepEqual([seen.mtu, seen.link_type, seen.flags], [1480, "ipip", ["NOARP", "UP", "LOWER_UP"]]);
      const addresses = (seen.addr_info as Record<string, unknown>[]).map(({ local, prefixlen, scope }) => ({
        ...{ local, prefixlen, scope },
      }));
      assert.deepEqual(addresses, [{ local: "192.168.1.1", prefixlen: 32, scope: "global" }]);
      const { index, up, mtu } = await linkNamed(near, "tunl0");
      assert.deepEqual({ up, mtu }, { up: true, mtu: 1480 });
      const own = (await near.netlink.addresses()).filter((candidate) => candidate.interfaceIndex === index);
      assert.deepEqual(own.map(String), [address].map(String));
    },

    "a route into tunl0 is read back as written, and iproute2 prints it with onlink": async ({ near }) => {
      const { index } = await linkNamed(near, "tunl0");
      const hop = { gateway: IpAddress.parse(farAddress), interfaceIndex: index, onlink: true, weight: 1 };
      const route = tunnelRoute("192.168.2.0/26", [hop]);
      await succeed(near.netlink, { op: "route-replace", route });
      assert.deepEqual(await near.netlink.routes({ protocol: 202 }), [route]);
      const [seen = {}] = ipJson(near.name, "route", "show", "192.168.2.0/26");
      const { dst, gateway, dev, protocol, metric, flags } = seen;
      const expected = ["192.168.2.0/26", farAddress, "tunl0", "202", 1024, ["onlink"]];
      assert.deepEqual([dst, gateway, dev, protocol, metric, flags], expected);
      ip(near.name, "route", "del", "192.168.2.0/26", "proto", "202");
      ip(near.name, ..."route add 192.168.2.0/26 via 10.0.0.2 dev tunl0 onlink proto 202 metric 1024".split(" "));
      assert.deepEqual(await near.netlink.routes({ protocol: 202 }), [route]);
    },

    "a route with one next hop in the tunnel and one beside it is read back as written": async ({ near }) => {
      const [tunnel, wire] = await Promise.all([linkNamed(near, "tunl0"), linkNamed(near, "eth0")]);
      const hops = [
        { gateway: IpAddress.parse("10.0.0.9"), interfaceIndex: tunnel.index, onlink: true, weight: 1 },
        { gateway: IpAddress.parse(farAddress), interfaceIndex: wire.index, onlink: false, weight: 1 },
      ];
      const route = tunnelRoute("192.168.3.0/26", hops);
      await succeed(near.netlink, { op: "route-replace", route });
      const read = await near.netlink.routes({ protocol: 202 });
      assert.deepEqual(
        read.filter(({ destination }) => destination.toString() === "192.168.3.0/26"),
        [route],
      );
      const [seen = {}] = ipJson(near.name, "route", "show", "192.168.3.0/26");
      const legs = (seen.nexthops as Record<string, unknown>[]).map(({ dev, gateway, flags }) => [dev, gateway, flags]);
      assert.deepEqual(legs, [
        ["tunl0", "10.0.0.9", ["onlink"]],
        ["eth0", farAddress, []],
      ]);
    },

    "packets into tunl0 cross the cable as IP protocol 4": async ({ near, far }) => {
      const { index } = await linkNamed(far, "tunl0");
      const back = { gateway: IpAddress.parse(nearAddress), interfaceIndex: index, onlink: true, weight: 1 };
      await succeed(far.netlink, { op: "route-replace", route: tunnelRoute("192.168.1.0/26", [back]) });
      const capture = await Capture.start(far.name, "ip proto 4", "eth0");
      execFileSync("ip", ["netns", "exec", near.name, "ping", "-n", "-c2", "-i0.2", "-W2", "192.168.2.1"]);
      const requests = (await capture.stop()).filter(({ text }) => text.startsWith("ICMP echo request"));
      const outer = { device: "", source: nearAddress, destination: farAddress };
      const packet = { ...outer, inner: { source: "192.168.1.1", destination: "192.168.2.1" } };
      assert.deepEqual(
        requests.map(({ text: _text, ...addresses }) => addresses),
        [packet, packet],
      );
    },

    "tunl0 is made where the kernel is told not to make it by itself": async () => {
      // 1: only the first network namespace gets the tunnel devices that nobody has asked for.
      writeFileSync("/proc/sys/net/core/fb_tunnels_only_for_init_net", "1");
      const bare = await newEnd();
      assert.deepEqual(
        (await bare.netlink.links()).map(({ name }) => name),
        ["lo"],
      );
      const request = { op: "link-add", link: { kind: "ipip", name: "tunl0", mtu: 1440, up: true } } as const;
      await succeed(bare.netlink, request);
      assert.deepEqual(codes(await bare.netlink.execute([request])), ["EEXIST"]);
      const { kind, mtu, up } = await linkNamed(bare, "tunl0");
      assert.deepEqual({ kind, mtu, up }, { kind: "ipip", mtu: 1440, up: true });
      await succeed(bare.netlink, { op: "link-delete", link: "tunl0" });
    },
  },
};
