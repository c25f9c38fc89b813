import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Logger, silentLogger } from "../../../src/core/logger.ts";
import { Fib, type FibOptions } from "../../../src/fib/fib.ts";
import type { DesiredRoute, StatusChange } from "../../../src/fib/types.ts";
import { FakeClock } from "./fake-clock.ts";
import { KernelModel } from "./kernel-model.ts";
import { address, blackhole, connected, demanded, desired, device, kernelRoute, link, prefix, via } from "./samples.ts";

let clock: FakeClock;
let kernel: KernelModel;
let changes: StatusChange[];
let fib: Fib;

function makeFib(options: Partial<FibOptions> = {}): Fib {
  return new Fib({
    netlink: kernel,
    clock,
    logger: silentLogger,
    random: () => 0.5,
    onStatusChange: (batch) => changes.push(...batch),
    ...options,
  });
}

/** What has been logged as a warning. */
let logged: { readonly fields: object; readonly message: string | undefined }[];
const logger: Logger = {
  ...silentLogger,
  warn: (fields: object, message?: string) => logged.push({ fields, message }),
  child: () => logger,
};
const warnings = (message: string) => logged.filter((line) => line.message === message).map(({ fields }) => fields);

/** Lets time pass and all consequences happen. */
async function settle(ms = 50): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    clock.advance(ms / 10);
    for (let step = 0; step < 6; step++) await setImmediate();
  }
}

async function set(...routes: readonly DesiredRoute[]): Promise<void> {
  fib.update({ set: demanded(...routes), remove: [] });
  await settle();
}

async function remove(...texts: readonly string[]): Promise<void> {
  fib.update({ set: [], remove: texts.map(prefix) });
  await settle();
}

const stateOf = (text: string) => fib.status(prefix(text))?.state;
const reasonOf = (text: string) => fib.status(prefix(text))?.reason;
const heldAt = (text: string) => kernel.routesHeld.filter((route) => route.destination.equals(prefix(text)));
const eth0 = link(2, "eth0");

beforeEach(async () => {
  clock = new FakeClock();
  kernel = new KernelModel();
  changes = [];
  logged = [];
  kernel.linksHeld = [link(1, "lo"), eth0];
  kernel.routesHeld = [connected("10.1.0.0/24", 2)];
});

afterEach(() => fib.stop());

describe("writing", () => {
  beforeEach(async () => {
    fib = makeFib();
    await fib.start();
  });

  test("a desired route is written with our protocol and reported as installed", async () => {
    await set(desired("10.65.1.0/26", via("10.1.0.6"), { metric: 1024 }));
    expect(heldAt("10.65.1.0/26")).toEqual([
      kernelRoute("10.65.1.0/26", {
        metric: 1024,
        nextHops: [{ gateway: address("10.1.0.6"), interfaceIndex: 2, onlink: false, weight: 1 }],
      }),
    ]);
    expect(changes).toEqual([
      {
        prefix: prefix("10.65.1.0/26"),
        status: expect.objectContaining({ state: "installed", device: "eth0", protocol: 202 }),
      },
    ]);
  });

  test("a route that is there already is not written again", async () => {
    await set(desired("10.65.1.0/26", blackhole));
    const before = kernel.requests.length;
    await set(desired("10.65.1.0/26", blackhole, { reason: "said again" }));
    expect(kernel.requests.length).toBe(before);
    expect(fib.status(prefix("10.65.1.0/26"))?.route.reason).toBe("said again");
  });

  test("a change of the next hop is one replace and no delete", async () => {
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    await set(desired("10.65.1.0/26", via("10.1.0.7")));
    expect(kernel.requests.map(({ op }) => op)).toEqual(["route-add", "route-replace"]);
  });

  test("a change of the metric writes the new route before it deletes the old one", async () => {
    await set(desired("10.65.1.0/26", blackhole, { metric: 100 }));
    await set(desired("10.65.1.0/26", blackhole, { metric: 200 }));
    expect(kernel.requests.slice(1)).toEqual([
      expect.objectContaining({ op: "route-add", route: expect.objectContaining({ metric: 200 }) }),
      expect.objectContaining({ op: "route-delete", key: expect.objectContaining({ metric: 100 }), protocol: 202 }),
    ]);
    expect(heldAt("10.65.1.0/26").map(({ metric }) => metric)).toEqual([200]);
  });

  test("if the new metric's key is refused the old route stays until it is not", async () => {
    await set(desired("10.65.1.0/26", blackhole, { metric: 100 }));
    kernel.forcedAnswers.push({ ok: false, errno: 105, code: "ENOBUFS", message: "no room" });
    await set(desired("10.65.1.0/26", blackhole, { metric: 200 }));
    expect(heldAt("10.65.1.0/26").map(({ metric }) => metric)).toEqual([100]);
    expect(reasonOf("10.65.1.0/26")).toBe("ENOBUFS: no room");
    await settle(1100);
    expect(heldAt("10.65.1.0/26").map(({ metric }) => metric)).toEqual([200]);
  });

  test("a route that is no longer desired is deleted and forgotten", async () => {
    await set(desired("10.65.1.0/26", blackhole));
    await remove("10.65.1.0/26");
    expect(heldAt("10.65.1.0/26")).toEqual([]);
    expect([...fib.statuses()]).toEqual([]);
    expect(changes.at(-1)).toEqual({ prefix: prefix("10.65.1.0/26") });
  });

  test("a route that is desired again while it is being deleted stays", async () => {
    await set(desired("10.65.1.0/26", blackhole));
    fib.update({ set: [], remove: [prefix("10.65.1.0/26")] });
    await set(desired("10.65.1.0/26", blackhole));
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("a filtered route is listed with its reason and not written", async () => {
    await set(
      desired("10.65.1.0/26", { mode: "none", state: "filtered", intended: "direct" }, { reason: "by policy p" }),
    );
    expect(heldAt("10.65.1.0/26")).toEqual([]);
    expect([stateOf("10.65.1.0/26"), reasonOf("10.65.1.0/26")]).toEqual(["filtered", "by policy p"]);
  });

  test("a route of a restarting peer is in the kernel and called stale", async () => {
    await set(desired("10.65.1.0/26", via("10.1.0.6"), { stale: true }));
    expect(stateOf("10.65.1.0/26")).toBe("stale");
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
  });

  test("thousands of routes go in several batches, and flush waits for all of them", async () => {
    const routes = Array.from({ length: 2000 }, (_, index) =>
      desired(`10.${100 + (index >> 8)}.${index & 255}.0/24`, blackhole),
    );
    fib.update({ set: demanded(...routes), remove: [] });
    await fib.flush();
    expect(kernel.routesHeld).toHaveLength(2001);
    expect([...fib.statuses()].every(({ state }) => state === "installed")).toBe(true);
  });

  test("look-up finds the most specific desired route", async () => {
    await set(desired("10.65.0.0/16", blackhole), desired("10.65.1.0/26", via("10.1.0.6")));
    expect(fib.lookup(address("10.65.1.9"))?.route.prefix).toEqual(prefix("10.65.1.0/26"));
    expect(fib.lookup(address("10.65.9.9"))?.route.prefix).toEqual(prefix("10.65.0.0/16"));
    expect(fib.lookup(address("10.66.0.1"))).toBeUndefined();
  });
});

describe("routes of others", () => {
  const foreign = kernelRoute("10.65.1.0/26", { type: "blackhole", protocol: 4 });

  test("a foreign route with our key is left alone, reported, and followed by ours when it goes", async () => {
    kernel.routesHeld.push(foreign);
    fib = makeFib();
    await fib.start();
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    expect(stateOf("10.65.1.0/26")).toBe("conflict");
    expect(reasonOf("10.65.1.0/26")).toBe("route of protocol static (4) has this key (10.65.1.0/26 metric 0)");
    expect(kernel.requests).toEqual([]);
    await remove("10.65.1.0/26");
    expect(heldAt("10.65.1.0/26")).toEqual([foreign]);
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    kernel.delete(foreign);
    await settle();
    expect(stateOf("10.65.1.0/26")).toBe("installed");
    expect(heldAt("10.65.1.0/26").map(({ protocol }) => protocol)).toEqual([202]);
  });

  test("a foreign route that got in unseen is not overwritten", async () => {
    fib = makeFib();
    await fib.start();
    kernel.holdEvents = true;
    kernel.write(foreign);
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    expect(heldAt("10.65.1.0/26")).toEqual([foreign]);
    expect(stateOf("10.65.1.0/26")).toBe("conflict");
    kernel.releaseEvents();
    await settle();
    expect(reasonOf("10.65.1.0/26")).toMatch(/protocol static \(4\)/);
  });

  test("a foreign route whose event was lost is found by a dump", async () => {
    fib = makeFib();
    await fib.start();
    kernel.routesHeld.push(foreign);
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    await settle(1000);
    expect(heldAt("10.65.1.0/26")).toEqual([foreign]);
    expect(reasonOf("10.65.1.0/26")).toMatch(/protocol static \(4\)/);
  });

  test("ours that a foreign one took the place of is in conflict, not fought for", async () => {
    fib = makeFib();
    await fib.start();
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    kernel.write(foreign);
    await settle();
    expect(stateOf("10.65.1.0/26")).toBe("conflict");
    expect(heldAt("10.65.1.0/26")).toEqual([foreign]);
  });

  test("a foreign write in the moment between ours and the kernel's answer is noticed", async () => {
    fib = makeFib();
    await fib.start();
    kernel.beforeAnswer = () => kernel.write(foreign);
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    expect(stateOf("10.65.1.0/26")).toBe("conflict");
    expect(heldAt("10.65.1.0/26")).toEqual([foreign]);
  });

  test("a foreign deletion in the moment between ours and the kernel's answer is made good", async () => {
    fib = makeFib();
    await fib.start();
    kernel.beforeAnswer = () => {
      for (const held of heldAt("10.65.1.0/26")) kernel.delete(held);
    };
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
  });

  test("what others did while ours was written is settled by a dump, where the kernel hides our own events", async () => {
    kernel.hidesEchoes = true;
    fib = makeFib();
    await fib.start();
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    // The event of the deletion comes before the answer, and nothing tells whether our write was before it or after it.
    kernel.beforeAnswer = () => {
      for (const held of heldAt("10.65.1.0/26")) kernel.delete(held);
    };
    await set(desired("10.65.1.0/26", via("10.1.0.7")));
    await settle(1000);
    expect(heldAt("10.65.1.0/26").map(({ nextHops }) => String(nextHops[0]?.gateway))).toEqual(["10.1.0.7"]);
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("a foreign write while ours is being refused is seen without waiting for the next try", async () => {
    fib = makeFib();
    await fib.start();
    kernel.forcedAnswers.push({ ok: false, errno: 105, code: "ENOBUFS", message: "no room" });
    kernel.beforeAnswer = () => kernel.write(foreign);
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    expect(stateOf("10.65.1.0/26")).toBe("conflict");
  });

  test("a route of a protocol to take over is replaced", async () => {
    kernel.routesHeld.push(kernelRoute("10.65.1.0/26", { type: "blackhole", protocol: 12 }));
    fib = makeFib({ takeover: [12, 80] });
    await fib.start();
    await set(desired("10.65.1.0/26", blackhole));
    expect(kernel.requests.map(({ op }) => op)).toEqual(["route-replace"]);
    expect(heldAt("10.65.1.0/26").map(({ protocol }) => protocol)).toEqual([202]);
  });

  test("one of another metric is deleted once ours is there, and one that is in nobody's way stays", async () => {
    kernel.routesHeld.push(kernelRoute("10.65.1.0/26", { type: "blackhole", protocol: 12, metric: 0 }));
    kernel.routesHeld.push(kernelRoute("10.65.1.0/26", { type: "blackhole", protocol: 4, metric: 7 }));
    kernel.routesHeld.push(kernelRoute("10.65.9.0/26", { type: "blackhole", protocol: 12, metric: 0 }));
    fib = makeFib({ takeover: [12, 80] });
    await fib.start();
    await set(desired("10.65.1.0/26", blackhole, { metric: 1024 }));
    expect(kernel.requests.map(({ op }) => op)).toEqual(["route-add", "route-delete"]);
    expect(heldAt("10.65.1.0/26").map(({ protocol }) => protocol)).toEqual([4, 202]);
    expect(heldAt("10.65.9.0/26")).toHaveLength(1);
  });

  test("routes of the chosen protocol number are ours, and no others", async () => {
    kernel.routesHeld.push(kernelRoute("10.65.1.0/26", { type: "blackhole", protocol: 12, metric: 0 }));
    kernel.routesHeld.push(kernelRoute("10.65.2.0/26", { type: "blackhole", protocol: 202, metric: 0 }));
    fib = makeFib({ protocol: 12 });
    await fib.start();
    expect(stateOf("10.65.1.0/26")).toBe("stale");
    await set(desired("10.65.3.0/26", blackhole));
    fib.sweepStale();
    await settle();
    expect(heldAt("10.65.1.0/26")).toEqual([]);
    expect(heldAt("10.65.2.0/26")).toHaveLength(1);
    expect(heldAt("10.65.3.0/26").map(({ protocol }) => protocol)).toEqual([12]);
  });

  test("a foreign route of better metric is named in the reason", async () => {
    kernel.routesHeld.push(foreign);
    fib = makeFib();
    await fib.start();
    await set(desired("10.65.1.0/26", blackhole, { metric: 1024 }));
    expect(stateOf("10.65.1.0/26")).toBe("installed");
    expect(reasonOf("10.65.1.0/26")).toMatch(/protocol static \(4\) with metric 0 is preferred/);
  });

  test("conflicts that come together are one line in the log; one that is over at once is none", async () => {
    for (const text of ["10.65.1.0/26", "10.65.2.0/26", "10.65.3.0/26"])
      kernel.routesHeld.push(kernelRoute(text, { type: "blackhole", protocol: 4 }));
    fib = makeFib({ logger });
    await fib.start();
    await set(desired("10.65.1.0/26", blackhole), desired("10.65.2.0/26", blackhole));
    await set(desired("10.65.3.0/26", blackhole));
    for (const held of heldAt("10.65.1.0/26")) kernel.delete(held);
    await settle(1000);
    expect(warnings("other programs' routes are in the way")).toEqual([
      { routes: 2, first: "10.65.2.0/26", reason: expect.stringContaining("static (4)") },
    ]);
  });

  test("foreign routes inside a prefix can be listed", async () => {
    kernel.routesHeld.push(foreign);
    fib = makeFib();
    await fib.start();
    await set(desired("10.65.0.0/16", blackhole));
    expect(fib.foreignWithin(prefix("10.65.0.0/16"))).toEqual([foreign]);
  });
});

describe("repair", () => {
  const route = desired("10.65.1.0/26", via("10.1.0.6"));
  beforeEach(async () => {
    fib = makeFib();
    await fib.start();
    await set(route);
  });

  test("a deleted route comes back", async () => {
    for (const held of heldAt("10.65.1.0/26")) kernel.delete(held);
    await settle();
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("a changed route of ours is put right by a replace", async () => {
    kernel.write(kernelRoute("10.65.1.0/26", { type: "blackhole" }));
    await settle();
    expect(heldAt("10.65.1.0/26").map(({ type }) => type)).toEqual(["unicast"]);
    expect(kernel.requests.map(({ op }) => op)).toEqual(["route-add", "route-replace"]);
  });

  test("an undesired route with our protocol is deleted after the sweep", async () => {
    fib.sweepStale();
    kernel.write(kernelRoute("10.77.0.0/26", { type: "blackhole" }));
    await settle();
    expect(heldAt("10.77.0.0/26")).toEqual([]);
  });

  test("our own notices that come late undo nothing", async () => {
    kernel.holdEvents = true;
    await set(desired("10.65.1.0/26", via("10.1.0.7")));
    await set(desired("10.65.1.0/26", via("10.1.0.8")));
    const before = kernel.requests.length;
    kernel.releaseEvents();
    await settle();
    expect(kernel.requests.length).toBe(before);
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("who keeps deleting our route is met with growing pauses and named in the reason", async () => {
    const fight = async (): Promise<void> => {
      for (const held of heldAt("10.65.1.0/26")) kernel.delete(held);
      await settle();
    };
    for (let round = 0; round < 5; round++) {
      await fight();
      expect(heldAt("10.65.1.0/26")).toHaveLength(1);
    }
    await fight();
    expect(heldAt("10.65.1.0/26")).toEqual([]);
    expect(stateOf("10.65.1.0/26")).toBe("pending");
    expect(reasonOf("10.65.1.0/26")).toMatch(/another program changed or deleted this route 6 times in .*pause of 1 s/);
    await settle(1000);
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
    await fight();
    await settle(1000);
    expect(heldAt("10.65.1.0/26")).toEqual([]);
    await settle(1100);
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
  });

  test("a fight is told to the log once, one line for all its routes, and shown until it is over", async () => {
    const texts = ["10.65.1.0/26", "10.65.2.0/26", "10.65.3.0/26"];
    fib.stop();
    fib = makeFib({ logger });
    await fib.start();
    await set(...texts.map((text) => desired(text, via("10.1.0.6"))));
    const contested = () => [...fib.statuses()].filter((status) => status.contested !== undefined).length;
    const undo = async (rounds: number, ms: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        for (const held of texts.flatMap(heldAt)) kernel.delete(held);
        await settle(ms);
      }
    };
    await undo(5, 50);
    expect(contested()).toBe(0);
    await undo(4, 3000);
    expect(contested()).toBe(3);
    await settle(4000);
    expect(texts.map(stateOf)).toEqual(["installed", "installed", "installed"]);
    expect(fib.status(prefix("10.65.2.0/26"))?.contested).toMatch(/changed or deleted this route \d+ times in/);
    expect(warnings("another program fights over routes")).toEqual([
      { routes: 3, first: "10.65.1.0/26", reason: expect.stringMatching(/6 times in 1 s$/) },
    ]);
    await settle(130_000);
    expect(contested()).toBe(0);
    await undo(6, 50);
    await settle(2000);
    expect(warnings("another program fights over routes")).toHaveLength(2);
  });

  test("a new demand ends the pause at once", async () => {
    for (let round = 0; round < 6; round++) {
      for (const held of heldAt("10.65.1.0/26")) kernel.delete(held);
      await settle();
    }
    expect(heldAt("10.65.1.0/26")).toEqual([]);
    await set(desired("10.65.1.0/26", via("10.1.0.9")));
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("after lost events everything is compared", async () => {
    for (const held of heldAt("10.65.1.0/26")) kernel.loseSilently(held);
    kernel.emit({ type: "overrun" });
    await settle(200);
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
  });

  test("a silent loss is found by the periodic comparison", async () => {
    for (const held of heldAt("10.65.1.0/26")) kernel.loseSilently(held);
    await settle(80_000);
    expect(heldAt("10.65.1.0/26")).toEqual([]);
    await settle(11_000);
    await settle();
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
  });
});

describe("links and next hops", () => {
  beforeEach(async () => {
    fib = makeFib();
    await fib.start();
  });

  test("a route waits for its device, follows it when it is made anew, and is not counted as fought over", async () => {
    await set(desired("10.65.0.2/32", device("cali1"), { kind: "workload" }));
    expect([stateOf("10.65.0.2/32"), reasonOf("10.65.0.2/32")]).toEqual(["unresolved", "device cali1 does not exist"]);
    for (let index = 10; index < 20; index++) {
      kernel.setLink(link(index, "cali1", false));
      await settle();
      expect(reasonOf("10.65.0.2/32")).toBe("device cali1 is down");
      kernel.setLink(link(index, "cali1"));
      await settle();
      expect(heldAt("10.65.0.2/32")[0]?.nextHops[0]?.interfaceIndex).toBe(index);
      expect(stateOf("10.65.0.2/32")).toBe("installed");
      kernel.deleteLink(link(index, "cali1"));
      await settle();
      expect(stateOf("10.65.0.2/32")).toBe("unresolved");
    }
  });

  test("a gateway without a route is unresolved until the connected route comes", async () => {
    await set(desired("10.65.1.0/26", via("10.9.0.6")));
    expect([stateOf("10.65.1.0/26"), reasonOf("10.65.1.0/26")]).toEqual([
      "unresolved",
      "no route to next hop 10.9.0.6",
    ]);
    kernel.write(connected("10.9.0.0/24", 2));
    await settle();
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("a gateway behind a router is reached through the router, and follows it", async () => {
    const defaultRoute = (gateway: string) =>
      kernelRoute("0.0.0.0/0", {
        protocol: 3,
        nextHops: [{ gateway: address(gateway), interfaceIndex: 2, onlink: false, weight: 1 }],
      });
    kernel.write(defaultRoute("10.1.0.1"));
    await set(desired("10.65.1.0/26", via("172.18.0.7")));
    expect(heldAt("10.65.1.0/26")[0]?.nextHops[0]?.gateway).toEqual(address("10.1.0.1"));
    kernel.write(defaultRoute("10.1.0.2"));
    await settle();
    expect(heldAt("10.65.1.0/26")[0]?.nextHops[0]?.gateway).toEqual(address("10.1.0.2"));
  });

  test("next hops of a multipath route get the shares that they are given", async () => {
    const hop = (gateway: string, weight: number) => ({ gateway: address(gateway), weight });
    await set(desired("10.65.1.0/26", { mode: "direct", nextHops: [hop("10.1.0.6", 100), hop("10.1.0.7", 25)] }));
    expect(heldAt("10.65.1.0/26")[0]?.nextHops.map(({ gateway, weight }) => `${gateway} ${weight}`)).toEqual([
      "10.1.0.6 100",
      "10.1.0.7 25",
    ]);
  });

  test("a next hop that moves often is no fight", async () => {
    await set(desired("10.65.1.0/26", via("172.18.0.7")));
    for (let round = 1; round < 10; round++) {
      const leg = { gateway: address(`10.1.0.${round}`), interfaceIndex: 2, onlink: false, weight: 1 };
      kernel.write(kernelRoute("0.0.0.0/0", { protocol: 3, nextHops: [leg] }));
      await settle();
      expect(heldAt("10.65.1.0/26")[0]?.nextHops).toEqual([leg]);
    }
  });

  test("our own routes never resolve a next hop", async () => {
    await set(desired("10.9.0.0/24", via("10.1.0.6")), desired("10.65.1.0/26", via("10.9.0.6")));
    expect(stateOf("10.65.1.0/26")).toBe("unresolved");
  });

  test("an on-link gateway needs its device and nothing else", async () => {
    const onlink = desired("10.65.1.0/26", {
      mode: "direct",
      nextHops: [{ gateway: address("172.18.0.7"), device: "tunl0", onlink: true }],
    });
    await set(onlink);
    expect(reasonOf("10.65.1.0/26")).toBe("device tunl0 does not exist");
    kernel.setLink(link(5, "tunl0"));
    await settle();
    expect(heldAt("10.65.1.0/26")[0]?.nextHops).toEqual([
      { gateway: address("172.18.0.7"), interfaceIndex: 5, onlink: true, weight: 1 },
    ]);
  });

  test("a link that goes down takes its routes along, and they are back when it is up", async () => {
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    kernel.setLink(link(2, "eth0", false));
    await settle();
    expect(stateOf("10.65.1.0/26")).toBe("unresolved");
    kernel.setLink(eth0);
    kernel.write(connected("10.1.0.0/24", 2));
    await settle();
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("what the kernel refuses is tried again when the surroundings change", async () => {
    kernel.forcedAnswers.push({ ok: false, errno: 101, code: "ENETUNREACH", message: "Nexthop has invalid gateway" });
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    expect([stateOf("10.65.1.0/26"), reasonOf("10.65.1.0/26")]).toEqual([
      "unresolved",
      "ENETUNREACH: Nexthop has invalid gateway",
    ]);
    kernel.write(connected("10.8.0.0/24", 2));
    await settle();
    expect(stateOf("10.65.1.0/26")).toBe("installed");
  });

  test("a multipath route leaves out the next hop that cannot be reached and says so", async () => {
    await set(desired("10.65.1.0/26", via("10.1.0.6", "10.9.0.6")));
    expect(heldAt("10.65.1.0/26")[0]?.nextHops).toHaveLength(1);
    expect(reasonOf("10.65.1.0/26")).toMatch(/without one next hop: no route to next hop 10.9.0.6/);
    kernel.write(connected("10.9.0.0/24", 2));
    await settle();
    expect(heldAt("10.65.1.0/26")[0]?.nextHops).toHaveLength(2);
    expect(kernel.requests.map(({ op }) => op)).toEqual(["route-add", "route-replace"]);
  });
});

describe("restart", () => {
  const old = kernelRoute("10.65.1.0/26", {
    nextHops: [{ gateway: address("10.1.0.6"), interfaceIndex: 2, onlink: false, weight: 1 }],
  });
  const gone = kernelRoute("10.65.2.0/26", { type: "blackhole" });

  beforeEach(async () => {
    kernel.routesHeld.push(old, gone);
    fib = makeFib();
  });

  test("routes from before are called stale as soon as the start is over", async () => {
    await fib.start();
    expect([...fib.statuses()].map(({ state }) => state)).toEqual(["stale", "stale"]);
  });

  test("routes from before are kept as stale, adopted without a write, and swept if nobody wants them", async () => {
    await fib.start();
    await settle();
    expect([stateOf("10.65.1.0/26"), stateOf("10.65.2.0/26")]).toEqual(["stale", "stale"]);
    expect(fib.status(prefix("10.65.1.0/26"))?.route.forwarding).toEqual({
      mode: "direct",
      nextHops: [{ gateway: address("10.1.0.6"), onlink: false, device: "eth0" }],
    });
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    expect(stateOf("10.65.1.0/26")).toBe("installed");
    expect(kernel.requests).toEqual([]);
    fib.sweepStale();
    await settle();
    expect(kernel.requests.map(({ op }) => op)).toEqual(["route-delete"]);
    expect([stateOf("10.65.1.0/26"), stateOf("10.65.2.0/26")]).toEqual(["installed", undefined]);
  });

  test("what is desired before the start is compared with what the kernel has", async () => {
    fib.update({ set: demanded(desired("10.65.1.0/26", via("10.1.0.6"))), remove: [] });
    await fib.start();
    await settle();
    expect(stateOf("10.65.1.0/26")).toBe("installed");
    expect(kernel.requests).toEqual([]);
  });

  test("stopping leaves the routes and stops repairing", async () => {
    await fib.start();
    await set(desired("10.65.1.0/26", via("10.1.0.6")));
    fib.stop();
    expect(heldAt("10.65.1.0/26")).toHaveLength(1);
    kernel.delete(old);
    await settle(100_000);
    expect(heldAt("10.65.1.0/26")).toEqual([]);
  });
});
