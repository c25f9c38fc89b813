import { describe, expect, it } from "vitest";
import type { Compare, KeyValue, Operation, Transaction } from "../../../../src/datastore/datastore.ts";
import { settle } from "../../../../src/datastore/etcd/settle.ts";
import { absent, put, remove } from "../../../conformance/datastore-helpers.ts";

const at = (key: string, value: bigint): Compare => ({ key, target: "modRevision", result: "equal", value });
const item = (key: string, value: string, modRevision: bigint): KeyValue => ({
  key,
  value,
  createRevision: 2n,
  modRevision,
  version: 2n,
});

function judge(compares: readonly Compare[], success: readonly Operation[], items: readonly KeyValue[], sentAt = 10n) {
  const transaction: Transaction = { compares, success };
  return settle(transaction, new Map(items.map((found) => [found.key, found])), sentAt);
}

describe("a write whose answer was lost", () => {
  it("was made if its values are there, all at one revision later than it was sent", () => {
    const both = [item("/a", "1", 12n), item("/b", "2", 12n)];
    const answer = { succeeded: true, revision: 12n, responses: [{ type: "put" }, { type: "put" }] };
    const made = { type: "made", result: answer };
    expect(judge([at("/a", 9n)], [put("/a", "1"), put("/b", "2")], both)).toEqual(made);
    expect(judge([], [put("/a", "1"), put("/b", "2")], both)).toEqual(made);
  });

  it("was not made, and may be repeated, if its conditions hold and would not hold a second time", () => {
    expect(judge([at("/a", 9n)], [put("/a", "1")], [item("/a", "0", 9n)])).toEqual({ type: "not-made" });
    expect(judge([absent("/a")], [put("/a", "1")], [])).toEqual({ type: "not-made" });
    expect(judge([at("/a", 9n)], [remove("/a")], [item("/a", "0", 9n)])).toEqual({ type: "not-made" });
  });

  it.each([
    ["it has no conditions, so that a second one could undo what came after the first", [], [put("/a", "1")], []],
    ["somebody else has written since", [at("/a", 9n)], [put("/a", "1")], [item("/a", "2", 13n)]],
    ["the same value was there before", [at("/b", 9n)], [put("/a", "1")], [item("/a", "1", 10n)]],
    [
      "its keys have different revisions",
      [],
      [put("/a", "1"), put("/b", "1")],
      [item("/a", "1", 12n), item("/b", "1", 13n)],
    ],
    ["it was a deletion, and the key is gone", [at("/a", 9n)], [remove("/a")], []],
    ["its condition is about another key", [at("/b", 9n)], [put("/a", "1")], [item("/b", "0", 9n)]],
  ])("is unknown if %s", (_reason, compares, success, items) => {
    expect(judge(compares, success, items)).toEqual({ type: "unknown" });
  });

  it("is unknown if nothing says which values are older than it", () => {
    expect(judge([], [put("/a", "1")], [item("/a", "1", 12n)], 0n)).toEqual({ type: "unknown" });
  });
});
