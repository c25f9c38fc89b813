import { describe, expect, test } from "vitest";
import { silentLogger } from "../../../src/core/logger.ts";
import { multicastGroupNumbers, Subscriptions } from "../../../src/netlink/subscriptions.ts";
import type { NetlinkEvent } from "../../../src/netlink/types.ts";
import * as captured from "./codec/captured.ts";

const bytes = (...hex: string[]): Uint8Array => Buffer.from(hex.join(""), "hex");

function recorder(): { kinds: string[][]; listener: (events: readonly NetlinkEvent[]) => void } {
  const kinds: string[][] = [];
  return { kinds, listener: (events) => kinds.push(events.map(({ type }) => type)) };
}

describe("Subscriptions", () => {
  test("hand each listener what it asked for, in one batch and in order", () => {
    const subscriptions = new Subscriptions(silentLogger);
    const [routes, all] = [recorder(), recorder()];
    subscriptions.add(["route"], routes.listener);
    subscriptions.add(["address", "route"], all.listener);
    subscriptions.deliver(bytes(captured.addressDeleted, captured.routeReplaced, captured.linkBridgePort));
    subscriptions.deliver(bytes(captured.addressDeleted));
    expect(routes.kinds).toEqual([["route"]]);
    expect(all.kinds).toEqual([["address", "route"], ["address"]]);
  });

  test("tell everybody of an overrun", () => {
    const subscriptions = new Subscriptions(silentLogger);
    const [routes, links] = [recorder(), recorder()];
    subscriptions.add(["route"], routes.listener);
    subscriptions.add(["link"], links.listener);
    subscriptions.overrun();
    expect([routes.kinds, links.kinds]).toEqual([[["overrun"]], [["overrun"]]]);
  });

  test("take octets that make no sense for lost events", () => {
    const subscriptions = new Subscriptions(silentLogger);
    const { kinds, listener } = recorder();
    subscriptions.add(["route"], listener);
    subscriptions.deliver(bytes(captured.routeReplaced, captured.routeDeleted.slice(0, -8)));
    expect(kinds).toEqual([["route", "overrun"]]);
  });

  test("go on after a listener that throws", () => {
    const logged: string[] = [];
    const subscriptions = new Subscriptions({ ...silentLogger, error: (_fields, message) => logged.push(message) });
    const { kinds, listener } = recorder();
    subscriptions.add(["route"], () => {
      throw new TypeError("a bug");
    });
    subscriptions.add(["route"], listener);
    subscriptions.deliver(bytes(captured.routeReplaced));
    expect(kinds).toEqual([["route"]]);
    expect(logged).toEqual(["a listener of kernel events failed"]);
  });

  test("stay in a group that another kind of event comes by", () => {
    const subscriptions = new Subscriptions(silentLogger);
    const { listener } = recorder();
    expect(multicastGroupNumbers(["neighbour", "forwarding"])).toHaveLength(1);
    const first = subscriptions.add(["neighbour"], listener);
    const second = subscriptions.add(["forwarding"], listener);
    expect(subscriptions.remove(first)).toEqual([]);
    expect(subscriptions.remove(second)).toEqual(multicastGroupNumbers(["forwarding"]));
  });

  test("leave a group with its last listener", () => {
    const subscriptions = new Subscriptions(silentLogger);
    const { kinds, listener } = recorder();
    const first = subscriptions.add(["route", "link"], listener);
    const second = subscriptions.add(["route"], listener);
    expect(subscriptions.remove(first)).toEqual(multicastGroupNumbers(["link"]));
    expect(subscriptions.remove(second)).toEqual(multicastGroupNumbers(["route"]));
    expect(subscriptions.remove(second)).toEqual([]);
    subscriptions.overrun();
    expect(kinds).toEqual([]);
  });
});
