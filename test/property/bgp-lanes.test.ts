import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMessage } from "../../src/bgp/packet/decode.ts";
import { MessageFramer } from "../../src/bgp/packet/framer.ts";
import { AdjRibOut } from "../../src/bgp/rib/adj-rib-out.ts";
import { BucketTable } from "../../src/bgp/rib/bucket.ts";
import { defaultDecisionOptions } from "../../src/bgp/rib/decision-steps.ts";
import { type GroupMember, Lane } from "../../src/bgp/rib/lane.ts";
import { LaneSender } from "../../src/bgp/rib/lane-sender.ts";
import { Rib } from "../../src/bgp/rib/rib.ts";
import { SlotChanges } from "../../src/bgp/rib/slot-changes.ts";
import { TableWalk } from "../../src/bgp/rib/table-walk.ts";
import { UpdateBatch } from "../../src/bgp/rib/update-batch.ts";
import { UpdateWriter } from "../../src/bgp/rib/update-writer.ts";
import { addressOf, attributesOf, contextOf, prefixOf, via } from "../support/bgp.ts";

const slots = 12;
const slot = fc.nat(slots - 1);
/** 0 for nothing, else one more than the MED. */
const content = fc.nat(4);
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("put" as const), changes: fc.array(fc.tuple(slot, content)) }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("send" as const), limit: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("repeat" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("transfer" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("split" as const) }) },
);

/** A member that keeps what it is told, by prefix, and how often it was told. */
class Listener implements GroupMember {
  readonly name = "listener";
  readonly address = addressOf("10.0.0.9");
  readonly demarcatesRefresh = false;
  readonly known = new Map<string, number>();
  readonly told = new Set<string>();

  send(octets: Uint8Array): boolean {
    const framer = new MessageFramer();
    framer.push(octets.slice());
    for (let message = framer.next(); message !== undefined; message = framer.next()) {
      if (!message.ok) throw new Error(message.error.reason);
      const result = decodeMessage(message.bytes, contextOf("ibgp"));
      if (!result.ok || result.message.type !== "update") throw new Error("no UPDATE");
      const { withdrawals, announcements, attributes } = result.message;
      for (const { prefix } of withdrawals.flatMap(({ nlri }) => nlri)) this.known.delete(`${prefix}`);
      for (const { prefix } of announcements.flatMap(({ nlri }) => nlri)) {
        this.known.set(`${prefix}`, (attributes?.med ?? 0) + 1);
        this.told.add(`${prefix}`);
      }
    }
    return true;
  }
}

describe("what a lane says that its members know", () => {
  it("is what they have been told, however far it has come, and in the end what they are to have", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40, size: "max" }), (operations) => {
        const rib = new Rib(defaultDecisionOptions, () => ({ metric: 0 }));
        const buckets = new BucketTable(rib.attributes);
        const texts = Array.from({ length: slots }, (_, index) => `10.0.${index}.0/24`);
        for (const text of texts) rib.prefixes.take(prefixOf(text));
        const sets = [1, 2, 3, 4].map((number) =>
          rib.attributes.take(attributesOf([], { localPref: 1, med: number - 1 })),
        );
        const bucketOf = (wanted: number) => {
          const attributes = sets[wanted - 1];
          return attributes === undefined
            ? 0
            : buckets.take({ attributes, form: 0, originator: 0 }, via("10.0.0.1"), "x");
        };
        const out = new AdjRibOut(buckets);
        const changes = new SlotChanges();
        const batch = new UpdateBatch(rib, buckets, new UpdateWriter(rib, buckets));
        const sender = new LaneSender(out, buckets, contextOf("ibgp"), {
          batch,
          onUnencodable: (_, error) => {
            throw error;
          },
        });
        const member = new Listener();
        const wanted = new Map<string, number>();
        let lane = new Lane(buckets, [member], new TableWalk(undefined));
        const check = () => {
          const told = lane.told(out);
          for (const [row, text] of texts.entries()) {
            const bucket = bucketOf(member.known.get(text) ?? 0);
            expect(told.get(row)).toBe(bucket);
            buckets.release(bucket);
          }
          told.release();
        };
        for (const step of operations) {
          if (step.type === "put") {
            for (const [row, one] of new Map(step.changes)) {
              const bucket = bucketOf(one);
              const old = out.replace(row, bucket);
              if (old === bucket) buckets.release(bucket);
              else changes.add(row, old);
              if (one === 0) wanted.delete(texts[row] ?? "");
              else wanted.set(texts[row] ?? "", one);
            }
            lane.note(changes);
            changes.clear(buckets);
          } else if (step.type === "send") sender.send(lane, step.limit);
          else if (step.type === "repeat") {
            lane.repeat("ipv4-unicast", out);
            member.told.clear();
          } else if (step.type === "transfer") {
            const told = lane.told(out);
            lane.clear();
            lane = new Lane(buckets, [member], new TableWalk(told));
          } else {
            const other = lane.split([member]);
            lane.clear();
            lane = other;
          }
          check();
        }
        const isRepeating = lane.walk !== undefined && lane.walk.repeated.size > 0;
        while (!lane.isUpToDate) sender.send(lane, 3);
        expect(member.known).toEqual(wanted);
        if (isRepeating) for (const text of wanted.keys()) expect(member.told).toContain(text);
        // Nothing is held any more by anybody but the test.
        lane.clear();
        out.clear();
        for (const one of sets) rib.attributes.release(one);
        expect(rib.attributes.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
