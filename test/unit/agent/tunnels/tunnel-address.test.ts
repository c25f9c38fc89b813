import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TunnelAddress } from "../../../../src/agent/tunnels/tunnel-address.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { Ipam } from "../../../../src/ipam/ipam.ts";
import type { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { faultyDatastore } from "../../../support/faulty-datastore.ts";
import { auditIpam } from "../../../support/ipam-audit.ts";
import { ipamPool } from "../../../support/ipam-pools.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

const first = Prefix.parse("10.1.0.0/24");
const second = Prefix.parse("10.2.0.0/24");
const graceMs = 60_000;

let store: Datastore;
let dispose: () => Promise<void>;
let clock: ManualClock;
let turn: () => Promise<void>;

beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  clock = new ManualClock();
  turn = () => Promise.resolve();
});
afterEach(async () => {
  expect((await auditIpam(store)).problems).toEqual([]);
  await dispose();
});

function tunnelAddress(node = "a"): TunnelAddress {
  const datastore = faultyDatastore(store, new Map(), () => turn());
  const pools = () => [ipamPool("first", "10.1.0.0/24"), ipamPool("second", "10.2.0.0/24")];
  const fixed = { datastore, clock: systemClock, random: Math.random, logger: silentLogger, nodeLabels: () => ({}) };
  const ipam = new Ipam({ ...fixed, nodeName: node, pools });
  return new TunnelAddress({ ipam, kind: "vxlan", node, clock, logger: silentLogger, graceMs });
}

const held = async (): Promise<string[]> => [...(await auditIpam(store)).allocations.keys()];
const only = async (address: IpAddress) => expect(await held()).toEqual([address.toString()]);
const nothing = () => vi.waitFor(async () => expect(await held()).toEqual([]));

describe("the address of a tunnel", () => {
  it("is held under Calico's handle, and found again by an agent that starts anew", async () => {
    const address = await tunnelAddress().ensure([first]);
    expect((await auditIpam(store)).allocations).toEqual(new Map([[address.toString(), "vxlan-tunnel-addr-a"]]));
    expect((await tunnelAddress().ensure([first])).equals(address)).toBe(true);
    await only(address);
  });

  it("moves to a pool that still wants it, and is not left behind in the one before", async () => {
    const tunnel = tunnelAddress();
    await tunnel.ensure([first]);
    const moved = await tunnel.ensure([second]);
    expect(second.containsAddress(moved)).toBe(true);
    await only(moved);
  });

  it("is given back when nobody has wanted it for the grace time, also by an agent that never used it", async () => {
    const address = await tunnelAddress().ensure([first]);
    const restarted = tunnelAddress();
    restarted.releaseLater();
    clock.advance(graceMs - 1);
    restarted.releaseLater();
    await only(address);
    clock.advance(1);
    await nothing();
    restarted.releaseLater();
    expect(clock.pendingTimers).toBe(0);
  });

  it("stays for the whole grace time when it was wanted again in between", async () => {
    const tunnel = tunnelAddress();
    const address = await tunnel.ensure([first]);
    tunnel.releaseLater();
    clock.advance(graceMs - 1);
    await tunnel.ensure([first]);
    tunnel.releaseLater();
    clock.advance(graceMs - 1);
    expect(clock.pendingTimers).toBe(1);
    await only(address);
    clock.advance(1);
    await nothing();
  });

  it("is another one, not one that is just going, when it is wanted while it is given back", async () => {
    const tunnel = tunnelAddress();
    await tunnel.ensure([first]);
    tunnel.releaseLater();
    clock.advance(graceMs);
    const address = await tunnel.ensure([first]);
    await only(address);
    tunnel.releaseLater();
    expect(clock.pendingTimers).toBe(1);
  });

  it("is given back later if the datastore is away when the time is over", async () => {
    const tunnel = tunnelAddress();
    const address = await tunnel.ensure([first]);
    tunnel.releaseLater();
    turn = () => Promise.reject(new Error("away"));
    clock.advance(graceMs);
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    await only(address);
    turn = () => Promise.resolve();
    clock.advance(graceMs);
    await nothing();
  });

  it("stays when the agent stops", async () => {
    const tunnel = tunnelAddress();
    const address = await tunnel.ensure([first]);
    tunnel.releaseLater();
    tunnel.stop();
    expect(clock.pendingTimers).toBe(0);
    await only(address);
  });
});
