import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { EndpointError } from "../../src/endpoint/errors.ts";
import { podManagerOn } from "../support/pod-manager.ts";
import { temporaryStore } from "../support/temporary-store.ts";

describe("a pod whose namespace is gone, as after a reboot", () => {
  it("is made anew when it is asked for again, and leaves no address behind", async () => {
    const { store, dispose } = await temporaryStore();
    const name = `calibird-${process.pid}-${randomBytes(3).toString("hex")}`;
    let isGone = true;
    const wiring = {
      wire: () => {
        if (isGone) return Promise.reject(new EndpointError("NAMESPACE_UNAVAILABLE", "gone"));
        return Promise.resolve({ containerMacAddress: "02:00:00:00:00:01" }) as never;
      },
      unwire: () => {
        isGone = false;
        return Promise.resolve() as never;
      },
    };
    const { manager, takeAddress, record, taken } = podManagerOn(store, { wiring });
    try {
      await record({ ...(await takeAddress(name)), namespacePath: `/run/netns/${name}` });
      await manager.recover();
      const pod = await manager.add({ namespace: "default", name });
      expect(await taken()).toEqual([`${name} ${pod.addresses[0]}`]);
    } finally {
      await manager.remove("default", name);
      await dispose();
    }
  });
});
