import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { EndpointError } from "../../src/endpoint/errors.ts";
import { enableForwarding } from "../../src/endpoint/forwarding.ts";
import { podInterfaceName } from "../../src/endpoint/names.ts";
import type { EndpointSpec } from "../../src/endpoint/types.ts";
import { EndpointWiring } from "../../src/endpoint/wiring.ts";
import { Fib } from "../../src/fib/fib.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { withNamespaceSync } from "../../src/netlink/namespace.ts";
import { openNetlink } from "../../src/netlink/open.ts";
import type { RouteWriter } from "../../src/netlink/route-batch.ts";
import type { Netlink, NetlinkAccess } from "../../src/netlink/types.ts";
import { Monitor, TestNamespace } from "../support/network-namespace.ts";

const hostMac = "ee:ee:ee:ee:ee:ee";
const linkLocal = "fe80::ecee:eeff:feee:eeee";

let host: TestNamespace;
let pod: TestNamespace;
let netlink: Netlink & RouteWriter;
let wiring: EndpointWiring;
let spec: EndpointSpec;
let cleanup: (() => void | Promise<void>)[];

function namespace(role: string): TestNamespace {
  const made = new TestNamespace(role);
  cleanup.push(() => made.remove());
  return made;
}

beforeEach(async () => {
  cleanup = [];
  host = namespace("host");
  pod = namespace("pod");
  netlink = await openNetlink({ namespace: { path: host.path } });
  cleanup.push(() => netlink.close());
  wiring = new EndpointWiring({
    netlink,
    clock: systemClock,
    logger: silentLogger,
    hostNamespace: { path: host.path },
  });
  spec = specOf(pod, "nginx", "10.65.0.2", "fd00:65::2");
});

afterEach(async () => {
  for (const undo of cleanup.reverse()) await undo();
});

function specOf(of: TestNamespace, name: string, ...addresses: readonly string[]): EndpointSpec {
  return {
    namespacePath: of.path,
    containerInterfaceName: "eth0",
    hostInterfaceName: podInterfaceName("default", name),
    addresses: addresses.map((text) => IpAddress.parse(text)),
    mtu: 1400,
  };
}

/** Everything that can be seen of a namespace, but for order, lifetimes and what the kernel does in its own time. */
async function picture(of: TestNamespace): Promise<string> {
  const parts = [
    "-d link show",
    "addr show",
    "-4 route show table all",
    "-6 route show table all",
    "neigh show nud permanent",
  ];
  const texts = await Promise.all(parts.map((part) => of.ip(part)));
  return texts
    .join("\n")
    .replaceAll(/valid_lft.*|state \w+|qdisc \w+/g, "")
    .split("\n")
    .map((line) => line.trim())
    .sort()
    .join("\n");
}

/** The whole of a pod's own settings that wiring might touch. */
function settings(of: TestNamespace): Record<string, string> {
  const paths = [
    "ipv4/ip_forward",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/all/disable_ipv6",
    "ipv6/conf/lo/disable_ipv6",
  ];
  return Object.fromEntries(paths.map((path) => [path, setting(of, path)]));
}

function setting(of: TestNamespace, path: string): string {
  return withNamespaceSync(of.path, () => readFileSync(`/proc/sys/net/${path}`, "utf8").trim());
}

async function failureOf(attempt: Promise<unknown>): Promise<Pick<EndpointError, "code" | "message">> {
  return attempt.then(
    () => expect.unreachable("it did not fail"),
    (error: EndpointError) => error,
  );
}

describe("a wired pod", () => {
  test("has its veth, addresses, routes and neighbours as `ip` shows them", async () => {
    const wired = await wiring.wire(spec);
    const [hostLink] = (await host.json(`link show ${spec.hostInterfaceName}`)) as [Record<string, unknown>];
    expect(hostLink).toMatchObject({ address: hostMac, mtu: 1400, operstate: "UP", ifindex: wired.host.index });
    const [container] = (await pod.json("addr show eth0")) as [Record<string, unknown>];
    expect(container).toMatchObject({ mtu: 1400, operstate: "UP", address: wired.containerMacAddress });
    expect(container.addr_info).toMatchObject([
      { family: "inet", local: "10.65.0.2", prefixlen: 32, scope: "global" },
      { family: "inet6", local: "fd00:65::2", prefixlen: 128, scope: "global" },
      { family: "inet6", scope: "link" },
    ]);
    expect(JSON.stringify(container)).not.toContain("tentative");
    expect((await pod.ip("-4 route show")).trim().split(/\s*\n/)).toEqual([
      "default via 169.254.1.1 dev eth0",
      "169.254.1.1 dev eth0 scope link",
    ]);
    const routes6 = await pod.ip("-6 route show");
    expect(routes6).toContain(`default via ${linkLocal} dev eth0`);
    expect(routes6).toContain(`${linkLocal} dev eth0`);
    const neighbours = await pod.ip("neigh show nud permanent");
    expect(neighbours).toContain(`169.254.1.1 dev eth0 lladdr ${hostMac} PERMANENT`);
    expect(neighbours).toContain(`${linkLocal} dev eth0 lladdr ${hostMac} PERMANENT`);
    expect(await pod.json("link show up dev lo")).toHaveLength(1);
  });

  test("has a host end that answers, forwards and trusts nobody", async () => {
    await wiring.wire(spec);
    const name = spec.hostInterfaceName;
    const wanted = {
      [`ipv4/conf/${name}/route_localnet`]: "1",
      [`ipv4/neigh/${name}/proxy_delay`]: "0",
      [`ipv4/conf/${name}/proxy_arp`]: "1",
      [`ipv4/conf/${name}/forwarding`]: "1",
      [`ipv6/conf/${name}/accept_dad`]: "0",
      [`ipv6/conf/${name}/disable_ipv6`]: "0",
      [`ipv6/conf/${name}/proxy_ndp`]: "1",
      [`ipv6/conf/${name}/forwarding`]: "1",
      [`ipv6/conf/${name}/accept_ra`]: "0",
    };
    expect(Object.fromEntries(Object.keys(wanted).map((path) => [path, setting(host, path)]))).toEqual(wanted);
  });

  test("forwards packets of others only if allowed to", async () => {
    withNamespaceSync(pod.path, () => enableForwarding());
    await wiring.wire(spec);
    expect(setting(pod, "ipv4/ip_forward")).toBe("0");
    const router = namespace("router");
    await wiring.wire({ ...specOf(router, "router", "10.65.0.3"), allowForwarding: true });
    expect(setting(router, "ipv4/ip_forward")).toBe("1");
  });

  test("gets the MAC address that it asks for", async () => {
    const wired = await wiring.wire({ ...spec, containerMacAddress: "02:00:00:00:12:34" });
    expect(wired.containerMacAddress).toBe("02:00:00:00:12:34");
    expect(JSON.stringify(await pod.json("link show eth0"))).toContain("02:00:00:00:12:34");
  });

  test("is the same after wiring it again, and nobody notices", async () => {
    const first = await wiring.wire(spec);
    // The kernel tells of the carrier a little later.
    await expect.poll(() => host.ip(`link show ${spec.hostInterfaceName}`)).toContain("state UP");
    await expect.poll(() => pod.ip("link show eth0")).toContain("state UP");
    const before = [await picture(host), await picture(pod)];
    const watch = await Monitor.start(host, "link", "address", "route");
    cleanup.push(() => watch.stop());
    const second = await wiring.wire(spec);
    expect([second.created, second.host.index]).toEqual([false, first.host.index]);
    expect(second.containerMacAddress).toBe(first.containerMacAddress);
    expect([await picture(host), await picture(pod)]).toEqual(before);
    await watch.mark(host);
    expect(watch.lines).toEqual([]);
  });
});

test("two pods of one node and the node itself reach each other, by IPv4 and IPv6", async () => {
  const other = namespace("other");
  const otherSpec = specOf(other, "other", "10.65.0.3", "fd00:65::3");
  await host.ip("link set lo up");
  await host.ip("addr add 10.1.0.1/32 dev lo");
  enableForwarding({ namespace: { path: host.path } });
  const fib = new Fib({ netlink, clock: systemClock, logger: silentLogger });
  cleanup.push(() => fib.stop());
  await fib.start();
  for (const wanted of [spec, otherSpec]) {
    const wired = await wiring.wire(wanted);
    const set = wanted.addresses.map((address) => ({
      prefix: Prefix.host(address),
      wish: {
        kind: "workload" as const,
        forwarding: { mode: "device" as const, device: wired.host.name },
        metric: 1024,
        reason: "pod",
      },
    }));
    fib.update({ set, remove: [] });
  }
  await fib.flush();
  for (const target of ["10.65.0.3", "fd00:65::3", "10.1.0.1"]) await pod.exec("ping", "-c1", "-W2", target);
  await other.exec("ping", "-c1", "-W2", "10.65.0.2");
  await host.exec("ping", "-c1", "-W2", "10.65.0.2");

  // A neighbour that the pod does not know is answered for by the host, too: proxy ARP.
  await pod.ip("neigh del 169.254.1.1 dev eth0");
  await host.ip("route add default dev lo");
  await pod.exec("ping", "-c1", "-W2", "10.65.0.3");

  expect(await wiring.unwire(spec.hostInterfaceName)).toBe(true);
  await expect.poll(() => fib.status(Prefix.parse("10.65.0.2/32"))?.state).toBe("unresolved");
  expect(await host.ip("route show 10.65.0.2")).toBe("");
});

describe("inspecting and repairing", () => {
  test("a pod that is as it shall be is wired", async () => {
    await wiring.wire(spec);
    expect(await wiring.inspect(spec)).toMatchObject({ state: "wired", differences: [] });
  });

  test("finds each difference, and wiring removes just these", async () => {
    const { host: hostLink } = await wiring.wire(spec);
    const before = [await picture(host), await picture(pod)];
    const name = spec.hostInterfaceName;
    await host.ip(`link set ${name} address 02:00:00:00:00:01`);
    withNamespaceSync(host.path, () => enableForwarding());
    await host.exec("sh", "-c", `echo 0 > /proc/sys/net/ipv4/conf/${name}/proxy_arp`);
    await pod.ipBatch([
      "addr del fd00:65::2/128 dev eth0",
      "route del default",
      "neigh del 169.254.1.1 dev eth0",
      "link set eth0 mtu 1300",
      "link set lo down",
    ]);
    const { state, differences } = await wiring.inspect(spec);
    expect(state).toBe("differs");
    expect(differences).toEqual([
      `net/ipv4/conf/${name}/proxy_arp=1`,
      `${name} with macAddress ${hostMac}`,
      "lo up",
      "eth0 with mtu 1400",
      "address fd00:65::2/128",
      `neighbour 169.254.1.1 at ${hostMac}`,
      "route 0.0.0.0/0",
    ]);
    const again = await wiring.wire(spec);
    expect([again.created, again.host.index]).toEqual([false, hostLink.index]);
    expect([await picture(host), await picture(pod)]).toEqual(before);
    expect(setting(host, `ipv4/conf/${name}/proxy_arp`)).toBe("1");
  });

  test("a pod without veth, or without namespace, is absent", async () => {
    expect(await wiring.inspect(spec)).toMatchObject({ state: "absent" });
    const missing = await wiring.inspect({ ...spec, namespacePath: "/run/netns/not-there" });
    expect(missing).toMatchObject({ state: "absent", differences: [expect.stringContaining("/run/netns/not-there")] });
  });

  test("changes nothing", async () => {
    const before = [await picture(host), await picture(pod)];
    await wiring.inspect(spec);
    expect([await picture(host), await picture(pod)]).toEqual(before);
  });
});

describe("a leftover", () => {
  test("of an earlier sandbox of the same pod is replaced", async () => {
    const earlier = namespace("earlier");
    await wiring.wire({ ...spec, namespacePath: earlier.path });
    const wired = await wiring.wire(spec);
    expect(wired.created).toBe(true);
    expect(await earlier.json("link show type veth")).toEqual([]);
    expect(await wiring.inspect(spec)).toMatchObject({ state: "wired" });
  });
});

describe("removing", () => {
  test("leaves nothing, and a second time is no error", async () => {
    await pod.ip("link set lo up");
    const before = [await picture(host), await picture(pod)];
    await wiring.wire(spec);
    expect(await wiring.unwire(spec.hostInterfaceName)).toBe(true);
    expect(await wiring.unwire(spec.hostInterfaceName)).toBe(false);
    expect([await picture(host), await picture(pod)]).toEqual(before);
  });

  test("works when the namespace has gone", async () => {
    const gone = new TestNamespace("gone");
    await wiring.wire({ ...spec, namespacePath: gone.path });
    gone.remove();
    await wiring.unwire(spec.hostInterfaceName);
    await expect.poll(() => host.json("link show type veth")).toEqual([]);
  });

  test("does not touch an interface of the name that is no veth", async () => {
    await host.ip(`link add ${spec.hostInterfaceName} type bridge`);
    expect(await failureOf(wiring.unwire(spec.hostInterfaceName))).toMatchObject({ code: "INTERFACE_EXISTS" });
    expect(await host.json(`link show ${spec.hostInterfaceName}`)).toHaveLength(1);
  });
});

describe("a failure leaves nothing behind:", () => {
  beforeEach(async () => {
    // Other than what wiring sets, so that it shows whether that is taken back.
    enableForwarding({ namespace: { path: pod.path } });
    await pod.exec("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
  });

  const attempts: readonly [string, string, () => Promise<EndpointSpec>][] = [
    [
      "the pod has such an interface already",
      "INTERFACE_EXISTS",
      async () => {
        await pod.ip("link add eth0 type bridge");
        return spec;
      },
    ],
    [
      "the host has such an interface, and no veth",
      "INTERFACE_EXISTS",
      async () => {
        await host.ip(`link add ${spec.hostInterfaceName} type bridge`);
        return spec;
      },
    ],
    [
      "the pod has a default route already",
      "ROUTE_EXISTS",
      async () => {
        await pod.ip("route add blackhole default");
        return spec;
      },
    ],
    [
      "the kernel refuses an address",
      "KERNEL_REFUSED",
      async () => ({
        ...spec,
        addresses: [IpAddress.parse("10.65.0.2"), IpAddress.parse("ff02::1")],
      }),
    ],
    [
      "the kernel refuses the MAC address",
      "KERNEL_REFUSED",
      async () => ({
        ...spec,
        containerMacAddress: "01:00:00:00:00:01",
      }),
    ],
    [
      "there is no such namespace",
      "NAMESPACE_UNAVAILABLE",
      async () => ({ ...spec, namespacePath: "/run/netns/none" }),
    ],
    [
      "the file is no namespace",
      "NAMESPACE_UNAVAILABLE",
      async () => ({ ...spec, namespacePath: "/proc/self/status" }),
    ],
    ["the MTU is no MTU", "INVALID_ENDPOINT", async () => ({ ...spec, mtu: 12 })],
    ["the interface name is none", "INVALID_ENDPOINT", async () => ({ ...spec, containerInterfaceName: "a/b" })],
    ["there is no address", "INVALID_ENDPOINT", async () => ({ ...spec, addresses: [] })],
  ];

  test.each(attempts)("%s", async (_what, code, prepare) => {
    const wanted = await prepare();
    const before = [await picture(host), await picture(pod), settings(pod)];
    expect(await failureOf(wiring.wire(wanted))).toMatchObject({ code });
    expect([await picture(host), await picture(pod), settings(pod)]).toEqual(before);
  });

  test("whichever request to the host is refused", async () => {
    const before = [await picture(host), await picture(pod), settings(pod)];
    for (let failing = 0; ; failing++) {
      let count = 0;
      const faulty: NetlinkAccess = {
        execute: async (requests) =>
          count++ === failing
            ? requests.map(() => ({ ok: false, errno: 12, code: "ENOMEM", message: "injected" }))
            : await netlink.execute(requests),
        routes: (filter) => netlink.routes(filter),
        routeTo: (address) => netlink.routeTo(address),
        links: () => netlink.links(),
        addresses: () => netlink.addresses(),
        neighbours: () => netlink.neighbours(),
        close: () => netlink.close(),
      };
      const unlucky = new EndpointWiring({
        netlink: faulty,
        clock: systemClock,
        logger: silentLogger,
        hostNamespace: { path: host.path },
      });
      const outcome = await unlucky.wire(spec).catch((error: EndpointError) => error.code);
      if (typeof outcome !== "string") {
        expect(failing).toBeGreaterThanOrEqual(2);
        break;
      }
      expect(outcome).toBe("KERNEL_REFUSED");
      expect([await picture(host), await picture(pod), settings(pod)]).toEqual(before);
    }
  });

  test("something keeps resetting the MAC address", async () => {
    const before = [await picture(host), await picture(pod), settings(pod)];
    const meddling: NetlinkAccess = {
      execute: async (requests) => {
        const results = await netlink.execute(requests);
        await host.ip(`link set ${spec.hostInterfaceName} address 02:00:00:00:00:07`).catch(() => {});
        return results;
      },
      routes: (filter) => netlink.routes(filter),
      routeTo: (address) => netlink.routeTo(address),
      links: () => netlink.links(),
      addresses: () => netlink.addresses(),
      neighbours: () => netlink.neighbours(),
      close: () => netlink.close(),
    };
    const beset = new EndpointWiring({
      netlink: meddling,
      clock: systemClock,
      logger: silentLogger,
      hostNamespace: { path: host.path },
    });
    const failure = await failureOf(beset.wire(spec));
    expect(failure).toMatchObject({ code: "NOT_SETTLED", message: expect.stringContaining(`macAddress ${hostMac}`) });
    expect([await picture(host), await picture(pod), settings(pod)]).toEqual(before);
  });
});

test("forwarding is switched on once and only where it is off", () => {
  const options = { namespace: { path: host.path } };
  const first = enableForwarding(options);
  expect(setting(host, "ipv4/ip_forward")).toBe("1");
  expect(setting(host, "ipv6/conf/all/forwarding")).toBe("1");
  expect(first).toContain("net/ipv6/conf/all/forwarding");
  expect(enableForwarding(options)).toEqual([]);
});
