import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { EndpointError } from "../../../../src/endpoint/errors.ts";
import { podManagerOn } from "../../../support/pod-manager.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
});
afterEach(() => dispose());

const failingWith = (code: "NAMESPACE_UNAVAILABLE" | "KERNEL_REFUSED") => ({
  wiring: {
    wire: () => Promise.reject(new EndpointError(code, "as the test wants it")),
    unwire: () => Promise.resolve() as never,
  },
});

describe("PodManager after a restart", () => {
  it("frees an address that was taken for a pod that never came to be, and no other", async () => {
    const { manager, takeAddress, record, taken } = podManagerOn(store);
    const whole = await takeAddress("whole");
    await record(whole);
    await takeAddress("cut-short");
    await manager.recover();
    expect(await taken()).toEqual([`whole ${whole.addresses[0]}`]);
    expect(manager.list().map(({ name }) => name)).toEqual(["whole"]);
  });

  it("keeps an address without a record whose interface is there", async () => {
    const earlier = podManagerOn(store);
    const { hostInterface } = await earlier.takeAddress("in-use");
    const { manager, taken } = podManagerOn(store, { hostInterfaces: () => Promise.resolve(new Set([hostInterface])) });
    await manager.recover();
    expect(await taken()).toHaveLength(1);
  });

  it("keeps the route of a pod whose wiring cannot be checked just now", async () => {
    const { manager, takeAddress, record, routed } = podManagerOn(store, failingWith("KERNEL_REFUSED"));
    const pod = { ...(await takeAddress("web")), namespacePath: "/run/netns/web" };
    await record(pod);
    await manager.recover();
    expect([...routed]).toEqual([[`${pod.addresses[0]}/32`, "default/web"]]);
  });

  it("gives no route to a pod whose namespace is gone, and frees its address when it is deleted", async () => {
    const { manager, takeAddress, record, routed, taken } = podManagerOn(store, failingWith("NAMESPACE_UNAVAILABLE"));
    await record({ ...(await takeAddress("web")), namespacePath: `/run/netns/calibird-none-${process.pid}` });
    await manager.recover();
    expect(routed.size).toBe(0);
    expect(await taken()).toHaveLength(1);
    await manager.remove("default", "web");
    expect(await taken()).toEqual([]);
  });

  it("leaves the route of a pod alone that has got the address of one that is only a record", async () => {
    const { manager, takeAddress, record, routed } = podManagerOn(store, failingWith("NAMESPACE_UNAVAILABLE"));
    const now = await takeAddress("now");
    await record(now);
    await record({
      ...now,
      name: "once",
      containerId: "gone",
      namespacePath: `/run/netns/calibird-none-${process.pid}`,
    });
    await manager.recover();
    await manager.remove("default", "once");
    expect([...routed.values()]).toEqual(["default/now"]);
  });

  it("adopts a recorded pod that is asked for again if its namespace is there by then", async () => {
    const { manager, takeAddress, record, taken } = podManagerOn(store);
    const pod = await takeAddress("web");
    await record(pod);
    expect(await manager.add({ namespace: "default", name: "web" })).toMatchObject({ containerId: pod.containerId });
    expect(await taken()).toEqual([`web ${pod.addresses[0]}`]);
  });
});
