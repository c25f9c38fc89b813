import { describe, expect, it } from "vitest";
import { LocalAddresses } from "../../../src/agent/local-addresses.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { IpAddress } from "../../../src/net/address.ts";
import type { InterfaceAddress, Netlink, NetlinkEvent } from "../../../src/netlink/types.ts";

const interfaceAddress = (text: string) => ({ address: IpAddress.parse(text) }) as InterfaceAddress;

describe("LocalAddresses", () => {
  it("keeps an address that appears while all are read again", async () => {
    let tell: (events: readonly NetlinkEvent[]) => void = () => {};
    const answers: ((addresses: InterfaceAddress[]) => void)[] = [];
    const netlink = {
      subscribe: (_kinds: unknown, listener: (events: readonly NetlinkEvent[]) => void) => {
        tell = listener;
        return Promise.resolve(() => {});
      },
      addresses: () => new Promise<InterfaceAddress[]>((resolve) => answers.push(resolve)),
    } as Pick<Netlink, "subscribe" | "addresses">;
    const subject = new LocalAddresses(netlink, systemClock, silentLogger);
    const started = subject.start();
    await expect.poll(() => answers.length).toBe(1);
    tell([{ type: "address", action: "new", address: interfaceAddress("10.0.0.1") } as NetlinkEvent]);
    answers[0]?.([]);
    await Promise.race([started, expect.poll(() => answers.length).toBe(2)]);
    answers[1]?.([interfaceAddress("10.0.0.1")]);
    await started;
    expect(subject.has(IpAddress.parse("10.0.0.1"))).toBe(true);
  });
});
