import { describe, expect, it } from "vitest";
import { TunnelRouteFeed } from "../../../../src/agent/tunnels/tunnel-routes.ts";
import type { DesiredForwarding, DesiredRoute, RouteState, RouteStatus } from "../../../../src/fib/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import type { TunnelRoutes } from "../../../../src/tunnel/userspace-tunnel.ts";

const block = Prefix.parse("10.244.0.0/26");
const hop = (gateway: string, onlink: boolean) => ({ gateway: IpAddress.parse(gateway), onlink, device: "tunl0" });
const tunnel: DesiredForwarding = { mode: "ipip", nextHops: [hop("10.0.0.2", true), hop("10.0.0.3", false)] };
const direct: DesiredForwarding = { mode: "direct", nextHops: [{ gateway: IpAddress.parse("10.0.0.2") }] };
const none: DesiredForwarding = { mode: "none", state: "unresolved", intended: "ipip" };

const route = (forwarding: DesiredForwarding): DesiredRoute => ({
  prefix: block,
  kind: "remote-block",
  forwarding,
  metric: 1024,
  reason: "",
});
const status = (forwarding: DesiredForwarding, state: RouteState): RouteStatus => ({
  route: route(forwarding),
  state,
  reason: "",
  sinceMs: 0,
  protocol: 202,
});

function follow(known: readonly RouteStatus[] = []) {
  const told: string[] = [];
  const routes = new TunnelRouteFeed("ipip");
  routes.follow(
    {
      setRoutes({ set, remove }: TunnelRoutes) {
        told.push(...set.map(({ prefix, nodes }) => `${prefix} -> ${nodes.join()}`), ...remove.map(String));
      },
    },
    known,
  );
  return { routes, told };
}

describe("IpipRoutes", () => {
  it("tells at first what is known, the kernel's routes from before too", () => {
    expect(follow([status(tunnel, "stale"), status(direct, "installed")]).told).toEqual(["10.244.0.0/26 -> 10.0.0.2"]);
  });

  it("tells of a tunnelled route before the kernel has it, and of the next hops in the tunnel only", () => {
    const { routes, told } = follow();
    routes.willBeWritten([route(tunnel), route(direct), route(none)].map((wish) => ({ prefix: wish.prefix, wish })));
    expect(told).toEqual(["10.244.0.0/26 -> 10.0.0.2"]);
  });

  it("takes a route back only when the kernel has another way or none", () => {
    const { routes, told } = follow();
    routes.willBeWritten([route(tunnel), route(direct)].map((wish) => ({ prefix: wish.prefix, wish })));
    expect(told.splice(0)).toEqual(["10.244.0.0/26 -> 10.0.0.2"]);
    routes.haveChanged([
      { prefix: block, status: status(direct, "pending") },
      { prefix: block, status: status(tunnel, "installed") },
      { prefix: block, status: status(none, "unresolved") },
    ]);
    expect(told).toEqual([]);
    routes.haveChanged([{ prefix: block, status: status(direct, "installed") }]);
    routes.haveChanged([{ prefix: block }]);
    expect(told.splice(0)).toEqual(["10.244.0.0/26"]);
    routes.willBeWritten([route(tunnel)].map((wish) => ({ prefix: wish.prefix, wish })));
    routes.haveChanged([{ prefix: block }]);
    expect(told).toEqual(["10.244.0.0/26 -> 10.0.0.2", "10.244.0.0/26"]);
  });
});
