import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { Fib } from "../../src/fib/fib.ts";
import type { DesiredRoute } from "../../src/fib/types.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { openNetlink } from "../../src/netlink/open.ts";
import { Monitor, TestNamespace } from "../support/network-namespace.ts";
import { demanded } from "../unit/fib/samples.ts";

let left: TestNamespace;
let right: TestNamespace;
let cleanup: (() => void | Promise<void>)[];

/** Two machines on a link that has no IPv4 address, each with one on its loopback. */
beforeEach(async () => {
  left = new TestNamespace("left");
  right = new TestNamespace("right");
  cleanup = [() => left.remove(), () => right.remove()];
  for (const machine of [left, right])
    await machine.exec("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0");
  await left.ipBatch([
    `link add lan type veth peer name lan netns ${right.name}`,
    "link set lo up",
    "link set lan up",
    "addr add fd00:8::1/64 dev lan nodad",
    "addr add 10.8.0.1/32 dev lo",
  ]);
  await right.ipBatch([
    "link set lo up",
    "link set lan up",
    "addr add fd00:8::2/64 dev lan nodad",
    "addr add 10.8.0.2/32 dev lo",
  ]);
});

afterEach(async () => {
  for (const undo of cleanup.reverse()) await undo();
});

async function startFib(machine: TestNamespace): Promise<Fib> {
  const netlink = await openNetlink({ namespace: { path: machine.path } });
  const fib = new Fib({ clock: systemClock, logger: silentLogger, netlink });
  cleanup.push(async () => {
    fib.stop();
    await netlink.close();
  });
  await fib.start();
  return fib;
}

function routeTo(host: string, source: string, gateway: string): DesiredRoute {
  return {
    prefix: Prefix.parse(`${host}/32`),
    kind: "remote-block",
    forwarding: { mode: "direct", nextHops: [{ gateway: IpAddress.parse(gateway) }] },
    metric: 0,
    preferredSource: IpAddress.parse(source),
    reason: "learned with an IPv6 next hop (RFC 8950)",
  };
}

async function set(fib: Fib, route: DesiredRoute): Promise<void> {
  fib.update({ set: demanded(route), remove: [] });
  await fib.flush();
}

test("IPv4 packets go through an IPv6 next hop, and the route is known again by the next process", async () => {
  const there = routeTo("10.8.0.2", "10.8.0.1", "fd00:8::2");
  const fib = await startFib(left);
  await set(fib, there);
  await set(await startFib(right), routeTo("10.8.0.1", "10.8.0.2", "fd00:8::1"));
  expect(fib.status(there.prefix)?.state).toBe("installed");
  expect(await left.ip("-4 route show proto 202")).toMatch(/^10\.8\.0\.2 via inet6 fd00:8::2 dev lan src 10\.8\.0\.1/);
  expect(await left.exec("ping", "-c", "1", "-W", "5", "10.8.0.2")).toContain("1 received");
  fib.stop();
  const watch = await Monitor.start(left, "route");
  cleanup.push(() => watch.stop());
  const next = await startFib(left);
  await set(next, there);
  next.sweepStale();
  await next.flush();
  await watch.mark(left);
  expect(watch.lines).toEqual([]);
  expect(next.status(there.prefix)?.state).toBe("installed");
});
