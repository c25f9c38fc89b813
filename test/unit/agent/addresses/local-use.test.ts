import { describe, expect, it } from "vitest";
import { readLocalUse } from "../../../../src/agent/addresses/local-use.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import type { KernelRoute, Link } from "../../../../src/netlink/types.ts";

const link = (index: number, name: string) => ({ index, name }) as Link;
const route = (destination: string, interfaceIndex: number, others: Partial<KernelRoute> = {}): KernelRoute => ({
  destination: Prefix.parse(destination),
  type: "unicast",
  table: 254,
  protocol: 202,
  scope: "link",
  metric: 0,
  tos: 0,
  nextHops: [{ interfaceIndex, onlink: false, weight: 1 }],
  ...others,
});

/** A kernel whose interfaces and routes are these. */
function kernel(links: readonly Link[], routes: readonly KernelRoute[]) {
  let dumps = 0;
  return {
    links: () => Promise.resolve(links),
    routes: () => {
      dumps++;
      return Promise.resolve(routes);
    },
    dumps: () => dumps,
  };
}

describe("the addresses that the kernel leads to pods", () => {
  it("are those of host routes through interfaces of pods, of either family and whoever wrote them", async () => {
    const gateway = Prefix.parse("10.0.0.254/32").address;
    const found = await readLocalUse(
      kernel(
        [link(1, "eth0"), link(2, "cali1"), link(3, "cali2")],
        [
          route("10.0.0.1/32", 2),
          route("fd00::1/128", 3, { protocol: 3 }),
          route("10.0.0.2/32", 1),
          route("10.0.1.0/24", 2),
          route("10.0.0.3/32", 2, { nextHops: [{ gateway, interfaceIndex: 2, onlink: false, weight: 1 }] }),
          route("10.0.0.4/32", 2, { table: 100 }),
          route("10.0.0.5/32", 9, { type: "blackhole", nextHops: [] }),
        ],
      ),
      "cali",
    );
    expect([...found.routed].map(([address, { device }]) => `${address} ${device}`)).toEqual([
      "10.0.0.1 cali1",
      "fd00::1 cali2",
    ]);
    expect([...found.devices]).toEqual(["eth0", "cali1", "cali2"]);
  });

  it("are none where there is no interface of a pod, and no table is read for it", async () => {
    const host = kernel([link(1, "eth0")], [route("10.0.0.1/32", 1)]);
    const found = await readLocalUse(host, "cali");
    expect([found.routed.size, [...found.devices], host.dumps()]).toEqual([0, ["eth0"], 0]);
  });
});
