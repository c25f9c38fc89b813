import { describe, expect, it } from "vitest";
import { exportProfileOf } from "../../../../src/bgp/peer-rules.ts";
import { defaultDecisionOptions } from "../../../../src/bgp/rib/decision-steps.ts";
import { GroupTable } from "../../../../src/bgp/rib/group-table.ts";
import { acceptAll } from "../../../../src/bgp/rib/import-rules.ts";
import type { GroupMember } from "../../../../src/bgp/rib/lane.ts";
import { Rib } from "../../../../src/bgp/rib/rib.ts";
import { RibViews } from "../../../../src/bgp/rib/rib-views.ts";
import { addressOf, attributesOf, peerConfigOf, prefixOf, sessionOf, via } from "../../../support/bgp.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";

describe("a member that leaves while it is written to", () => {
  it("is waited for by nobody", () => {
    const rib = new Rib(defaultDecisionOptions, () => ({ metric: 0 }));
    const groups = new GroupTable(
      {
        rib,
        views: new RibViews(rib, defaultDecisionOptions),
        clock: new ManualClock(),
        wake: () => {},
        spacingMs: 0,
        learnedHeld: () => false,
        onUnencodable: (_, error) => {
          throw error;
        },
      },
      { intern: (attributes) => attributes },
    );
    const told = { stays: 0, leaves: 0 };
    const stays: GroupMember = {
      name: "stays",
      address: addressOf("10.0.0.2"),
      demarcatesRefresh: false,
      send: (_, updates) => {
        told.stays += updates;
        return true;
      },
    };
    let isGone = false;
    const leaves: GroupMember = {
      name: "leaves",
      address: addressOf("10.0.0.3"),
      demarcatesRefresh: false,
      send: (_, updates) => {
        told.leaves += updates;
        if (isGone) groups.leave(leaves);
        return !isGone;
      },
    };
    const config = peerConfigOf({ name: "any", address: "10.0.0.2", port: 179 });
    const profile = exportProfileOf(config, sessionOf(config), {
      routerId: 1,
      intern: (set) => set,
      requirePolicy: false,
      ownNextHops: {},
      spareNextHops: {},
    });
    for (const member of [stays, leaves]) groups.join(member, profile);
    groups.work(100);
    expect(told).toEqual({ stays: 1, leaves: 1 });
    isGone = true;
    const table = rib.createTable({ kind: "local" }, acceptAll);
    const attributes = rib.attributes.take(attributesOf());
    rib.beginAnnouncement(table, attributes, via("10.0.0.1"));
    rib.announce(rib.prefixes.take(prefixOf("10.1.0.0/26")), 0);
    rib.endAnnouncement();
    groups.apply(rib.settle(100));
    groups.work(100);
    expect(told).toEqual({ stays: 2, leaves: 2 });
    expect(groups.idle).toBe(true);
    rib.withdraw(table, rib.prefixes.find(prefixOf("10.1.0.0/26")), 0);
    groups.apply(rib.settle(100));
    groups.work(100);
    expect(told).toEqual({ stays: 3, leaves: 2 });
    expect(groups.idle).toBe(true);
  });
});
