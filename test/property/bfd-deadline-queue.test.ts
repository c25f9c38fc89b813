import fc from "fast-check";
import { expect, test } from "vitest";
import { DeadlineQueue } from "../../src/bgp/bfd/deadline-queue.ts";

const operation = fc.oneof(
  fc.record({ type: fc.constant("set" as const), item: fc.nat(9), atMs: fc.nat(50) }),
  fc.record({ type: fc.constant("unset" as const), item: fc.nat(9) }),
  fc.record({ type: fc.constant("delete" as const), item: fc.nat(9) }),
  fc.record({ type: fc.constant("take" as const), nowMs: fc.nat(60) }),
);

test("the queue gives out what a plain list sorted by time gives out", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const queue = new DeadlineQueue<number>();
      const model = new Map<number, number>();
      for (const step of operations) {
        if (step.type === "set") {
          queue.set(step.item, step.atMs);
          model.set(step.item, step.atMs);
        } else if (step.type === "unset") {
          queue.set(step.item, Number.POSITIVE_INFINITY);
          model.delete(step.item);
        } else if (step.type === "delete") {
          queue.delete(step.item);
          model.delete(step.item);
        } else {
          const earliest = Math.min(...model.values());
          const taken = queue.takeDue(step.nowMs);
          if (earliest > step.nowMs) expect(taken).toBeUndefined();
          else {
            expect(model.get(taken ?? -1)).toBe(earliest);
            model.delete(taken ?? -1);
          }
        }
        expect(queue.nextMs).toBe(Math.min(Number.POSITIVE_INFINITY, ...model.values()));
      }
    }),
  );
});
