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
  it("knows recorded pods, and leaves an address that was taken for a pod that never came to be to the audit", async () => {
    const { manager, takeAddress, record, taken } = podManagerOn(store);
    await record(await takeAddress("whole"));
    await takeAddress("cut-short");
    await manager.recover();
    expect(await taken()).toHaveLength(2);
    expect(manager.list().map(({ name }) => name)).toEqual(["whole"]);
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

describe("PodManager after the datastore was put back to an older state", () => {
  const madeHere = (name: string) => ({ namespacePath: `/run/netns/${name}` });
  const recordsOf = async ({ client }: ReturnType<typeof podManagerOn>) =>
    (await client.list("WorkloadEndpoint")).resources.map(({ spec }) => `${spec.pod} ${spec.containerID}`);

  it("gives a running pod that only the journal knows its record and its route back", async () => {
    const node = podManagerOn(store);
    const pod = { ...(await node.takeAddress("web")), ...madeHere("web") };
    node.journal.write(pod);
    await node.manager.recover();
    expect(await recordsOf(node)).toEqual([`web ${pod.containerId}`]);
    expect([...node.routed.values()]).toEqual(["default/web"]);
    // Once more, as after the datastore was away: nothing changes.
    await node.manager.recover();
    expect(await recordsOf(node)).toEqual([`web ${pod.containerId}`]);
  });

  it("believes the journal which container a pod is", async () => {
    const node = podManagerOn(store);
    const [older, newer] = [await node.takeAddress("web"), await node.takeAddress("web")];
    await node.record({ ...older, ...madeHere("web") });
    node.journal.write({ ...newer, ...madeHere("web") });
    await node.manager.recover();
    expect(await recordsOf(node)).toEqual([`web ${newer.containerId}`]);
    expect([...node.routed.keys()]).toEqual([`${newer.addresses[0]}/32`]);
  });

  it("forgets a journaled pod without a record whose namespace is gone", async () => {
    const node = podManagerOn(store, failingWith("NAMESPACE_UNAVAILABLE"));
    node.journal.write({ ...(await node.takeAddress("web")), ...madeHere("web") });
    await node.manager.recover();
    expect(node.journal.list()).toEqual([]);
    expect(await recordsOf(node)).toEqual([]);
  });

  it("does not bring back a pod that was removed, nor one that another plugin has made", async () => {
    const node = podManagerOn(store);
    const removed = { ...(await node.takeAddress("removed")), namespacePath: "/run/elsewhere/removed" };
    const foreign = await node.takeAddress("foreign");
    await node.record(removed);
    await node.record(foreign);
    await node.manager.recover();
    expect(node.journal.list().map(({ name }) => name)).toEqual(["removed"]);
    await node.manager.remove("default", "removed");
    expect(node.journal.list()).toEqual([]);
    await node.manager.recover();
    expect(await recordsOf(node)).toEqual([`foreign ${foreign.containerId}`]);
  });
});
