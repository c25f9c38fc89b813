import { describe, expect, it } from "vitest";
import { AttributeComplaints } from "../../../src/bgp/attribute-complaints.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { ManualClock } from "../../support/scripted-speaker.ts";

describe("complaints about a peer's attributes", () => {
  it("are five lines a minute, and one that says how many more there were", () => {
    const clock = new ManualClock();
    const lines: unknown[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => lines.push(fields) };
    const complaints = new AttributeComplaints("n1", clock, logger);
    for (let count = 0; count < 1_000; count++) complaints.tell({ reason: "bad origin" });
    expect(lines).toEqual(Array.from({ length: 5 }, () => ({ peer: "n1", reason: "bad origin" })));
    clock.advance(60_000);
    expect(lines.slice(5)).toEqual([{ peer: "n1", leftOut: 995 }]);
    complaints.tell({ reason: "bad origin" });
    expect(lines).toHaveLength(7);
    clock.advance(60_000);
    expect(lines).toHaveLength(7);
    expect(clock.pendingTimers).toBe(0);
    for (let count = 0; count < 7; count++) complaints.tell({});
    complaints.stop();
    expect(lines.at(-1)).toEqual({ peer: "n1", leftOut: 2 });
    expect(clock.pendingTimers).toBe(0);
  });
});
