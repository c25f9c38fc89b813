import { describe, expect, it } from "vitest";
import { AddressFollower } from "../../../../src/agent/start/address-follower.ts";
import {
  addressText,
  detectedFamilies,
  detectOwnAddress,
  type OwnAddresses,
} from "../../../../src/agent/start/own-addresses.ts";
import { type Clock, systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { InterfaceAddress, NetlinkEvent } from "../../../../src/netlink/types.ts";

/** `10.0.0.1/24` on the interface of this index. */
function on(interfaceIndex: number, text: string, rest: Partial<InterfaceAddress> = {}): InterfaceAddress {
  const [address = "", length] = text.split("/");
  return {
    ...{ interfaceIndex, address: IpAddress.parse(address), prefixLength: Number(length), scope: "universe" },
    ...rest,
  };
}

const links = [2, 3].map((index) => ({
  ...{ index, name: `eth${index}`, mtu: 1500, up: true, running: true, loopback: false },
}));

interface Situation {
  readonly ip?: string;
  readonly ip6?: string;
  /** What the interfaces have when the follower starts, if not all of the node's own. */
  readonly present?: readonly InterfaceAddress[];
}

async function follower({ ip, ip6, present }: Situation, ...own: readonly InterfaceAddress[]) {
  const machine = { addresses: [...(present ?? own)] };
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    setTimer: (_delayMs, fire) => {
      timers.push(fire);
      return { cancel: () => timers.splice(0) };
    },
  };
  const warnings: string[] = [];
  const moves: string[][] = [];
  let tell: ((events: readonly NetlinkEvent[]) => void) | undefined;
  const methods = { ipAutodetectionMethod: "first-found", ip6AutodetectionMethod: "first-found" };
  const kernel = {
    ...{ links, routeTo: async () => undefined, hostIps: [] },
    lookUp: async () => IpAddress.parse("10.0.0.1"),
  };
  const subject = new AddressFollower({
    netlink: {
      subscribe: async (_groups, listener) => {
        tell = listener;
        return () => {
          tell = undefined;
        };
      },
      addresses: async () => machine.addresses,
    },
    clock,
    logger: { ...silentLogger, warn: (_fields, message) => warnings.push(message) },
    current: Object.fromEntries(own.map((address) => [address.address.family, address])) as OwnAddresses,
    families: detectedFamilies({ ip, ip6 }),
    detect: (family) => detectOwnAddress(family, { ip, ip6, ...methods }, { ...kernel, addresses: machine.addresses }),
    onMove: (addresses) => moves.push(Object.values(addresses).map(addressText)),
  });
  await subject.start();
  /** Lets a second go by and all that follows happen. */
  const settle = async () => {
    for (const fire of timers.splice(0)) fire();
    await new Promise((resolve) => setImmediate(resolve));
  };
  await settle();
  /** What the machine has now, told of in several events. */
  const become = async (...addresses: readonly InterfaceAddress[]) => {
    machine.addresses = [...addresses];
    for (const address of addresses) tell?.([{ type: "address", action: "new", address }]);
    tell?.([{ type: "overrun" }]);
    expect(timers.length).toBeLessThanOrEqual(1);
    await settle();
  };
  return { subject, become, moves, warnings, isListening: () => tell !== undefined };
}

describe("AddressFollower", () => {
  it("takes another address once the node's own is gone, and only then", async () => {
    const { become, moves, warnings, isListening } = await follower({ ip: "autodetect" }, on(2, "10.0.0.1/24"));
    await become(on(2, "10.0.0.1/24"), on(2, "10.0.0.2/24"));
    // By the method the last interface would be the best one.
    await become(on(2, "10.0.0.1/24"), on(3, "192.168.7.5/16"));
    await become(on(2, "10.0.0.1/24"));
    expect([moves, warnings]).toEqual([[], []]);
    await become(on(2, "10.0.0.2/24"));
    expect(moves).toEqual([["10.0.0.2/24"]]);
    expect(warnings).toEqual(["this node's address has changed"]);
    expect(isListening()).toBe(false);
  });

  it("takes the same address with another length, and another one if a second machine has it", async () => {
    const longer = await follower({ ip: "autodetect" }, on(2, "10.0.0.1/24"));
    await longer.become(on(2, "10.0.0.1/16"));
    expect(longer.moves).toEqual([["10.0.0.1/16"]]);
    const taken = await follower({ ip: "none", ip6: "autodetect" }, on(2, "2001:db8::1/64"));
    await taken.become(on(2, "2001:db8::1/64", { duplicate: true }), on(2, "2001:db8::2/64"));
    expect(taken.moves).toEqual([["2001:db8::2/64"]]);
  });

  it("keeps the address while there is no other, says so once, and looks again at the next event", async () => {
    const { become, moves, warnings } = await follower({ ip: "autodetect" }, on(2, "10.0.0.1/24"));
    const gone = "no interface has this node's address any more, and there is no other; the agent goes on with it";
    await become();
    await become(on(2, "169.254.1.1/16", { scope: "link" }));
    expect([moves, warnings]).toEqual([[], [gone]]);
    await become(on(2, "10.0.0.1/24"));
    await become();
    expect([moves, warnings]).toEqual([[], [gone, gone]]);
    await become(on(3, "10.0.0.3/24"));
    expect(moves).toEqual([["10.0.0.3/24"]]);
  });

  it("moves one family and keeps the other", async () => {
    const both = [on(2, "10.0.0.1/24"), on(2, "2001:db8::1/64")] as const;
    const { become, moves } = await follower({ ip: "autodetect", ip6: "autodetect" }, ...both);
    await become(on(2, "10.0.0.2/24"));
    expect(moves).toEqual([["10.0.0.2/24", "2001:db8::1/64"]]);
  });

  it("leaves addresses alone that are given, or stored and not asked for", async () => {
    const both = [on(2, "10.0.0.1/24"), on(2, "2001:db8::1/64")] as const;
    const given = await follower({ ip: "10.0.0.1/24" }, ...both);
    expect(given.isListening()).toBe(false);
    expect((await follower({}, ...both)).isListening()).toBe(false);
    const other = await follower({ ip: "10.0.0.1/24", ip6: "autodetect" }, ...both);
    await other.become(on(2, "10.0.0.2/24"), on(2, "2001:db8::1/64"));
    expect(other.moves).toEqual([]);
  });

  it("notices what went before it listened", async () => {
    const present = [on(2, "10.0.0.2/24")];
    const { moves } = await follower({ ip: "autodetect", present }, on(2, "10.0.0.1/24"));
    expect(moves).toEqual([["10.0.0.2/24"]]);
  });

  it("does nothing after its stop", async () => {
    const { subject, become, moves, isListening } = await follower({ ip: "autodetect" }, on(2, "10.0.0.1/24"));
    subject.stop();
    expect(isListening()).toBe(false);
    await become(on(2, "10.0.0.2/24"));
    expect(moves).toEqual([]);
  });
});
