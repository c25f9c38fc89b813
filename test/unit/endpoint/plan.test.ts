import { describe, expect, test } from "vitest";
import { planEndpoint, planVeth, type Step } from "../../../src/endpoint/plan.ts";
import { hostSysctls, podSysctls, sysctlName } from "../../../src/endpoint/sysctls.ts";
import { type EndpointSpec, hostMacAddress, type ObservedEndpoint } from "../../../src/endpoint/types.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { type KernelRoute, type Link, mainTable } from "../../../src/netlink/types.ts";

const address4 = IpAddress.parse("10.65.0.2");
const address6 = IpAddress.parse("fd00:65::2");
const linkLocal = IpAddress.parse("fe80::ecee:eeff:feee:eeee");
const gateway4 = IpAddress.parse("169.254.1.1");

const spec: EndpointSpec = {
  namespacePath: "/run/netns/pod",
  containerInterfaceName: "eth0",
  hostInterfaceName: "calic440f455693",
  addresses: [address4, address6],
  mtu: 1480,
};

const link = (fields: Partial<Link>): Link => ({
  index: 1,
  name: "lo",
  mtu: 1480,
  up: true,
  running: true,
  loopback: false,
  ...fields,
});

const route = (destination: string, fields: Partial<KernelRoute> = {}): KernelRoute => ({
  destination: Prefix.parse(destination),
  type: "unicast",
  table: mainTable,
  protocol: 3,
  scope: "universe",
  metric: destination.includes(":") ? 1024 : 0,
  tos: 0,
  nextHops: [{ interfaceIndex: 2, onlink: false, weight: 1 }],
  ...fields,
});

const via = (gateway: IpAddress, interfaceIndex = 2) => ({
  nextHops: [{ gateway, interfaceIndex, onlink: false, weight: 1 }],
});

/** An endpoint that is just as `spec` wants it. */
const wired: ObservedEndpoint = {
  hostLink: link({
    index: 9,
    name: spec.hostInterfaceName,
    kind: "veth",
    macAddress: hostMacAddress,
    linkIndex: 2,
    linkNamespaceId: 0,
  }),
  hostLinkLocal: linkLocal,
  hostSysctls: new Map(
    hostSysctls(spec.hostInterfaceName, spec.addresses).map(({ path, value }) => [sysctlName(path), value]),
  ),
  podLink: link({ index: 2, name: "eth0", kind: "veth", macAddress: "02:00:00:00:00:01", linkIndex: 9 }),
  podLoopback: link({ loopback: true }),
  podAddresses: [address4, address6].map((address) => ({
    interfaceIndex: 2,
    address,
    prefixLength: address.bits,
    scope: "universe",
  })),
  podNeighbours: [gateway4, linkLocal].map((address) => ({
    interfaceIndex: 2,
    address,
    macAddress: hostMacAddress,
    state: "permanent",
  })),
  podRoutes: [
    route("169.254.1.1/32", { scope: "link" }),
    route("0.0.0.0/0", via(gateway4)),
    route(`${linkLocal}/128`),
    route("::/0", via(linkLocal)),
  ],
};

const whats = (steps: readonly Step[]): readonly string[] => steps.map(({ what }) => what);

describe("an endpoint that is as it shall be", () => {
  test("needs no step", () => {
    expect(planVeth(spec, wired)).toBeUndefined();
    expect(planEndpoint(spec, wired)).toEqual([]);
  });

  test("may have addresses and routes of its own besides", () => {
    const more = { ...wired, podRoutes: [...wired.podRoutes, route("10.0.0.0/8", via(gateway4, 7))] };
    expect(planEndpoint(spec, more)).toEqual([]);
  });
});

describe("what differs is all that is changed:", () => {
  test.each<[string, Partial<ObservedEndpoint>, string]>([
    [
      "the host's MAC address",
      { hostLink: { ...link({}), ...wired.hostLink, macAddress: "02:00:00:00:00:07" } },
      `calic440f455693 with macAddress ${hostMacAddress}`,
    ],
    ["an MTU", { podLink: { ...link({}), ...wired.podLink, mtu: 1500 } }, "eth0 with mtu 1480"],
    ["a link that is down", { podLink: { ...link({}), ...wired.podLink, up: false } }, "eth0 with up true"],
    ["the loopback", { podLoopback: link({ loopback: true, up: false }) }, "lo up"],
    [
      "a setting",
      { hostSysctls: new Map(wired.hostSysctls).set("net/ipv4/conf/calic440f455693/proxy_arp", "0") },
      "net/ipv4/conf/calic440f455693/proxy_arp=1",
    ],
    ["an address", { podAddresses: wired.podAddresses.slice(0, 1) }, "address fd00:65::2/128"],
    ["a neighbour", { podNeighbours: wired.podNeighbours.slice(1) }, "neighbour 169.254.1.1 at ee:ee:ee:ee:ee:ee"],
    ["a missing route", { podRoutes: wired.podRoutes.slice(1) }, "route 169.254.1.1/32"],
    [
      "a route to another gateway",
      { podRoutes: [...wired.podRoutes.slice(0, 3), route("::/0", via(IpAddress.parse("fe80::1")))] },
      "route ::/0",
    ],
    [
      "a link-local address that is yet to come",
      { hostLinkLocal: undefined } as never,
      "a link-local address of the host end",
    ],
  ])("%s", (_what, fields, step) => {
    expect(whats(planEndpoint(spec, { ...wired, ...fields }))).toEqual([step]);
  });
});

describe("a new veth", () => {
  const fresh: ObservedEndpoint = {
    ...wired,
    hostLink: { ...link({}), ...wired.hostLink, up: false },
    podLink: { ...link({}), ...wired.podLink, up: false },
    hostSysctls: new Map([...wired.hostSysctls.keys()].map((path) => [path, "x"])),
    podAddresses: [],
    podNeighbours: [],
    podRoutes: [],
  };

  test("has its host settings made before it goes up", () => {
    const steps = planEndpoint(spec, fresh);
    const up = steps.findIndex((step) => "request" in step && step.request.op === "link-set");
    expect(up).toBe(hostSysctls(spec.hostInterfaceName, spec.addresses).length);
    expect(steps.slice(0, up).every((step) => "sysctl" in step)).toBe(true);
  });

  test("gets no IPv6 where the pod has no IPv6 address", () => {
    expect(
      whats(planEndpoint({ ...spec, addresses: [address4] }, fresh)).filter((what) => /::|fe80/.test(what)),
    ).toEqual([]);
  });

  test("on a kernel without IPv6 does without its settings, unless the pod needs them", () => {
    const without = {
      ...fresh,
      hostSysctls: new Map([...fresh.hostSysctls].filter(([path]) => path.includes("ipv4"))),
    };
    const settings = (addresses: readonly IpAddress[]) =>
      whats(planEndpoint({ ...spec, addresses }, without)).filter((what) => what.startsWith("net/ipv6"));
    expect(settings([address4])).toEqual([]);
    expect(settings([address6])).not.toEqual([]);
  });
});

describe("names that are taken", () => {
  test("a veth of the host's name that leads elsewhere is a leftover", () => {
    const { podLink: _, ...hostOnly } = wired;
    expect(planVeth(spec, hostOnly)).toEqual({ leftover: true });
  });

  test("a host interface that is no veth is not touched", () => {
    const { podLink: _, ...hostOnly } = { ...wired, hostLink: link({ kind: "bridge" }) };
    expect(() => planVeth(spec, hostOnly)).toThrow("calic440f455693 on the host is bridge");
  });

  test("an interface of the pod that leads elsewhere is not touched", () => {
    expect(() => planVeth(spec, { ...wired, podLink: link({ index: 3, kind: "veth", linkIndex: 4 }) })).toThrow(
      "the pod has an interface eth0 already",
    );
  });

  test("a route of the pod by another interface is not touched", () => {
    const other = { ...wired, podRoutes: [route("0.0.0.0/0", via(gateway4, 7))] };
    expect(() => planEndpoint(spec, other)).toThrow("the pod has a route 0.0.0.0/0 already");
  });
});

test("a pod may forward packets only if it is allowed to", () => {
  const forwarding = (allow: boolean) =>
    podSysctls("eth0", [address4], allow).map(({ path, value }) => `${sysctlName(path)}=${value}`);
  expect(forwarding(false)).toEqual(["net/ipv4/ip_forward=0", "net/ipv6/conf/all/forwarding=0"]);
  expect(forwarding(true)).toEqual(["net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1"]);
});
