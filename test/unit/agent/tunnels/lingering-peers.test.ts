import { beforeEach, describe, expect, it } from "vitest";
import { LingeringPeers } from "../../../../src/agent/tunnels/lingering-peers.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import type { VxlanPeer } from "../../../../src/vxlan/peers.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";

const graceMs = 60_000;
const peer = (vtep: string, number: number): VxlanPeer => ({
  vtep: IpAddress.parse(vtep),
  macAddress: `66:00:00:00:00:0${number}`,
  address: IpAddress.parse(`10.0.0.${number}`),
});
const one = peer("10.244.1.0", 1);
const two = peer("10.244.2.0", 2);

let clock: ManualClock;
let expiries: number;
let peers: LingeringPeers;

beforeEach(() => {
  clock = new ManualClock();
  expiries = 0;
  peers = new LingeringPeers({ clock, graceMs, onExpiry: () => expiries++ });
});

describe("peers that are no longer told", () => {
  it("stay for the grace time, are let go then, and the user is told to ask again", () => {
    expect(peers.update([one, two])).toEqual([one, two]);
    expect(peers.update([two])).toEqual([two, one]);
    clock.advance(graceMs - 1);
    expect(peers.update([two])).toEqual([two, one]);
    expect(expiries).toBe(0);
    clock.advance(1);
    expect(expiries).toBe(1);
    expect(peers.update([two])).toEqual([two]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are let go each at its own time", () => {
    peers.update([one, two]);
    peers.update([two]);
    clock.advance(graceMs / 2);
    expect(peers.update([])).toEqual([one, two]);
    clock.advance(graceMs / 2);
    expect(peers.update([])).toEqual([two]);
    clock.advance(graceMs / 2);
    expect([expiries, peers.update([])]).toEqual([2, []]);
  });

  it("are no longer remembered when they come back, and then have the whole time again", () => {
    peers.update([one]);
    peers.update([]);
    clock.advance(graceMs - 1);
    expect(peers.update([one])).toEqual([one]);
    expect(clock.pendingTimers).toBe(0);
    peers.update([]);
    clock.advance(graceMs - 1);
    expect(peers.update([])).toEqual([one]);
  });

  it("make room for a node that has another tunnel address now, or has taken theirs", () => {
    peers.update([one, two]);
    const moved = peer("10.244.9.0", 1);
    const taker = { ...peer("10.244.2.0", 3) };
    expect(peers.update([moved, taker])).toEqual([moved, taker]);
  });

  it("are forgotten without a timer left when it is stopped", () => {
    peers.update([one]);
    peers.update([]);
    peers.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
