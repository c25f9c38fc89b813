import { describe, expect, it } from "vitest";
import { attributesOf, peerConfigOf } from "../../../support/bgp.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

/** Clients of a speaker that sends small batches ten milliseconds apart. */
async function reflect(count = 250) {
  const speaker = new ScriptedSpeaker({}, 1000, 10);
  const configs = Array.from({ length: count }, (_, index) => index + 1).map((number) =>
    peerConfigOf({ name: `peer-${number}`, address: `10.0.0.${number}`, port: 179 }, { routeReflectorClient: true }),
  );
  speaker.core.setPeers(configs);
  await speaker.core.start();
  const peers = configs.map(({ name }) => speaker.session(name));
  const [one, two] = peers;
  if (one === undefined || two === undefined) throw new Error("two sessions");
  for (const peer of peers) peer.up();
  speaker.settle();
  speaker.clock.advance(10);
  const announce = (prefix: string) => one.announce(prefix, attributesOf([], { localPref: 100 }));
  return { speaker, announce, told: () => two.log.filter((line) => line.startsWith("+")).map((line) => line.slice(2)) };
}

describe("small batches of changes", () => {
  it("go at once after a rest, and wait for others just after one was sent, without a turn in between", async () => {
    const { speaker, announce, told } = await reflect();
    announce("10.1.0.0/26");
    speaker.settle();
    expect(told()).toEqual(["10.1.0.0/26"]);
    for (const prefix of ["10.2.0.0/26", "10.3.0.0/26"]) {
      announce(prefix);
      speaker.settle();
      speaker.clock.advance(4);
    }
    expect(speaker.turn()).toBe(false);
    expect(told()).toEqual(["10.1.0.0/26"]);
    speaker.clock.advance(2);
    speaker.settle();
    expect(told()).toEqual(["10.1.0.0/26", "10.2.0.0/26", "10.3.0.0/26"]);
    expect(speaker.clock.pendingTimers).toBeLessThanOrEqual(1);
  });

  it("wait for less time where there are few sockets to write to", async () => {
    const { speaker, announce, told } = await reflect(50);
    announce("10.1.0.0/26");
    speaker.settle();
    announce("10.2.0.0/26");
    speaker.settle();
    speaker.clock.advance(1);
    speaker.settle();
    expect(told()).toHaveLength(1);
    speaker.clock.advance(1);
    speaker.settle();
    expect(told()).toHaveLength(2);
  });

  it("go at once where they are not small", async () => {
    const { speaker, announce, told } = await reflect(2);
    announce("10.1.0.0/26");
    speaker.settle();
    for (let index = 0; index < 300; index++) announce(`10.2.${index >> 1}.${(index & 1) * 128}/25`);
    speaker.settle();
    expect(told()).toHaveLength(301);
  });

  it("wait for more where there are many sockets to write to", async () => {
    const { speaker, announce, told } = await reflect(100);
    announce("10.1.0.0/26");
    speaker.settle();
    const some = (from: number, end: number) => {
      for (let index = from; index < end; index++) announce(`10.2.${index >> 1}.${(index & 1) * 128}/25`);
      speaker.settle();
    };
    some(0, 300);
    expect(told()).toHaveLength(1);
    some(300, 500);
    speaker.clock.advance(10);
    speaker.settle();
    expect(told()).toHaveLength(501);
  });
});
